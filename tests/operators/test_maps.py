# SPDX-License-Identifier: Apache-2.0
"""Parametric maps and fractional segmentations hold the app's values, each on its own slice."""

import numpy as np
import pytest
from highdicom.seg import segread
from pydicom import dcmread
from result_files import SEGMENTS, ct, write
from results_3d import context_of, file_bytes, file_of, ring

from imaging_operators import codes
from imaging_operators.errors import InvalidResult, WrongGeometry
from imaging_operators.results.fractional import FractionalSegmentation
from imaging_operators.results.parametric_map import ParametricMap


@pytest.fixture(scope="module", params=["up", "down"])
def volume(request, tmp_path_factory):
    sign = 1 if request.param == "up" else -1
    place = {"ImagePositionPatient": lambda index: [-7.0, 3.5, sign * 2.5 * index]}
    return ct(tmp_path_factory.mktemp("ct"), spacing=(2.5, 0.5, 0.75), **place)


def probabilities(volume) -> np.ndarray:
    labels = ring(volume)
    chance = np.random.default_rng(2).uniform(0.2, 1, (2, *volume.shape))
    return np.stack([chance[0] * (labels == 1), chance[1] * (labels == 2)])


def test_a_map_holds_the_values_in_their_place(tmp_path, volume):
    values = volume.array / 7
    result = ParametricMap(values, codes.UCUM.HounsfieldUnit, codes.DCM.AttenuationCoefficient, "attenuation")
    dataset = write(tmp_path / "out", volume, result)["parametric-map-0"]
    pixels = np.frombuffer(dataset.FloatPixelData, "<f4").reshape(-1, dataset.Rows, dataset.Columns)
    for group, found in zip(dataset.PerFrameFunctionalGroupsSequence, pixels, strict=True):
        position = np.array([*group.PlanePositionSequence[0].ImagePositionPatient, 1.0], float)
        index = np.linalg.inv(volume.affine) @ position
        assert np.allclose(index[1:3], 0, atol=1e-6)
        assert np.array_equal(found, values[round(float(index[0]))])
    [shared] = dataset.SharedFunctionalGroupsSequence
    [mapping] = shared.RealWorldValueMappingSequence
    assert (mapping.RealWorldValueSlope, mapping.RealWorldValueIntercept) == (1, 0)
    assert mapping.MeasurementUnitsCodeSequence[0].CodeValue == "[hnsf'U]"
    assert mapping.LUTLabel == "attenuation"
    assert mapping.DoubleFloatRealWorldValueFirstValueMapped == pytest.approx(float(values.min()))


def test_fractional_is_read_by_highdicom(tmp_path, volume):
    chances = probabilities(volume)
    written = write(tmp_path / "out", volume, FractionalSegmentation(chances, SEGMENTS))
    seg = segread(file_of(written.folder, "fractional-segmentation"))
    assert (seg.SegmentationType, seg.SegmentationFractionalType) == ("FRACTIONAL", "PROBABILITY")
    shown = seg.get_volume(allow_missing_positions=True).match_geometry(volume.to_highdicom())
    assert np.allclose(np.moveaxis(shown.array, -1, 0), chances, atol=0.5 / 255 + 1e-6)


def test_one_segment_needs_no_axis(tmp_path, volume):
    chance = probabilities(volume)[0]
    written = write(tmp_path / "out", volume, FractionalSegmentation(chance, SEGMENTS[:1]))
    assert written["fractional-segmentation-0"].NumberOfFrames == 3


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (np.full((2, 2, 2), 1.2), "reach from 1.2 to 1.2"),
        (np.full((2, 2, 2), -0.1), "reach from -0.1"),
        (np.zeros((2, 2, 2)), "The probabilities are 0"),
        (np.ones((2, 2, 2, 2)), r"shape \(2, 2, 2, 2\); \(1, slices"),
        (np.ones((2, 2)), r"shape \(2, 2\)"),
    ],
)
def test_wrong_probabilities_are_refused_in_words(values, words):
    with pytest.raises(InvalidResult, match=words):
        FractionalSegmentation(values, SEGMENTS[:1])


@pytest.mark.parametrize(
    ("values", "label", "words"),
    [
        (np.ones((2, 2)), "map", r"shape \(2, 2\)"),
        (np.ones((2, 2, 2)), "x" * 17, "1 to 16 characters"),
        (np.full((2, 2, 2), "a"), "map", "dtype"),
    ],
)
def test_a_wrong_map_is_refused_in_words(values, label, words):
    with pytest.raises(InvalidResult, match=words):
        ParametricMap(values, codes.UCUM.NoUnits, label=label)


@pytest.mark.parametrize("kind", ["parametric-map", "fractional-segmentation"])
@pytest.mark.parametrize("how", ["rows", "columns", "frames", "references", "values"])
def test_values_in_another_place_do_not_leave(tmp_path, volume, kind, how):
    maps = {
        "parametric-map": ParametricMap(volume.array, codes.UCUM.NoUnits),
        "fractional-segmentation": FractionalSegmentation(probabilities(volume), SEGMENTS),
    }
    result = maps[kind]
    dataset = dcmread(file_of(write(tmp_path / "out", volume, result).folder, kind))
    result.check_written(file_bytes(dataset), context_of(result, volume))
    keyword = "FloatPixelData" if kind == "parametric-map" else "PixelData"
    dtype = "<f4" if kind == "parametric-map" else np.uint8
    shape = (dataset.NumberOfFrames, dataset.Rows, dataset.Columns)
    pixels = np.frombuffer(dataset[keyword].value, dtype, np.prod(shape)).reshape(shape)
    changed = {
        "rows": pixels[:, ::-1],
        "columns": pixels[:, :, ::-1],
        "frames": pixels[::-1],
        "values": pixels // 2,
        "references": pixels,
    }[how]
    dataset[keyword].value = changed.astype(dtype).tobytes()
    if how == "references":
        groups = dataset.PerFrameFunctionalGroupsSequence
        first = groups[0].DerivationImageSequence
        groups[0].DerivationImageSequence = groups[1].DerivationImageSequence
        groups[1].DerivationImageSequence = first
    with pytest.raises(WrongGeometry):
        result.check_written(file_bytes(dataset), context_of(result, volume))
