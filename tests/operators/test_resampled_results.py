# SPDX-License-Identifier: Apache-2.0
"""What an app finds in a resampled volume comes back onto the source's slices, where it lies in the patient."""

import math

import numpy as np
import pytest
from builders import ct_series
from dicom_tools import dciodvfy_errors
from result_files import SEGMENTS, Segmentation, write
from results_3d import KINDS, each, file_of

from imaging_data import find_instances, read_volume
from imaging_operators.errors import InvalidResult, WrongGeometry
from imaging_operators.results.resampled import check_resampled

ANGLE = math.radians(15)
HEIGHTS = np.cumsum([0.0, *[2.0] * 6, *[3.0] * 4])
CENTRE, RADII = np.array([14.0, 16.0, 12.0]), np.array([9.0, 7.0, 6.0])
SERIES = {
    "tilted": {
        "ImageOrientationPatient": [1, 0, 0, 0, round(math.cos(ANGLE), 9), round(math.sin(ANGLE), 9)],
        "ImagePositionPatient": lambda index: [0.0, 0.0, 2.5 * index - 4],
    },
    "uneven": {"ImagePositionPatient": lambda index: [0.0, 0.0, float(HEIGHTS[index])]},
}


@pytest.fixture(scope="module", params=SERIES)
def volume(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("ct")
    ct_series(folder, slices=11, rows=40, columns=36, spacing=(2.5, 0.8, 0.9), **SERIES[request.param])
    [series] = find_instances(folder).series
    found = read_volume(series, resample=True)
    assert found.resampling is not None
    return found


def body(points: np.ndarray) -> np.ndarray:
    """An ellipsoid in the patient, and a small ball beside it."""
    inside = np.square((points - CENTRE) / RADII).sum(axis=-1) < 1
    beside = np.square(points - np.array([26.0, 8.0, 12.0])).sum(axis=-1) < 9
    return np.where(beside, 2, inside).astype(np.uint8)


@pytest.fixture(scope="module")
def labelmap(volume) -> np.ndarray:
    """As the app finds it on the volume it was given."""
    places = np.stack([*np.indices(volume.shape), np.ones(volume.shape)], axis=-1)
    return body((places @ volume.affine.T)[..., :3])


@pytest.mark.parametrize("kind", ["binary", "labelmap"])
def test_a_structure_keeps_its_place_in_the_patient(tmp_path, volume, labelmap, kind):
    seg = write(tmp_path / "out", volume, Segmentation(labelmap, SEGMENTS), segmentation=kind)[
        "segmentation-0"
    ]
    assert (seg.Rows, seg.Columns) == (40, 36)
    [shared] = seg.SharedFunctionalGroupsSequence
    cosines = np.array(shared.PlaneOrientationSequence[0].ImageOrientationPatient, float)
    rows_mm, columns_mm = map(float, shared.PixelMeasuresSequence[0].PixelSpacing)
    rows, columns = np.indices((40, 36))
    points, wrong, marked = [], 0, 0
    for pixels, group in zip(seg.pixel_array, seg.PerFrameFunctionalGroupsSequence, strict=True):
        position = np.array(group.PlanePositionSequence[0].ImagePositionPatient, float)
        uid = group.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID
        [source] = [one for one, _ in volume.sources if one.sop_instance_uid == uid]
        assert np.allclose(position, source.dataset.ImagePositionPatient)
        here = (
            position + rows[..., None] * rows_mm * cosines[3:] + columns[..., None] * columns_mm * cosines[:3]
        )
        number = 1 if kind == "labelmap" else group.SegmentIdentificationSequence[0].ReferencedSegmentNumber
        points.append(here[pixels == 1] if number == 1 else np.zeros((0, 3)))
        wanted = body(here)
        wrong += np.count_nonzero((wanted == number) != (pixels == 1))
        marked += np.count_nonzero(wanted == number)
    assert wrong < 0.12 * marked  # at the rim only
    assert np.allclose(np.concatenate(points).mean(axis=0), CENTRE, atol=1.0)


def test_every_kind_of_result_comes_back(tmp_path, volume, labelmap):
    written = write(tmp_path / "out", volume, each(volume, labelmap))
    assert [dciodvfy_errors(file_of(written.folder, kind)) for kind in KINDS] == [[]] * len(KINDS)


def test_what_moves_on_its_way_back_does_not_leave(volume, labelmap):
    source = volume.labels_on_source(labelmap)
    names = {1: "body", 2: "ball"}
    check_resampled(labelmap, source, volume, names)
    for wrong in (source[::-1], np.roll(source, 5, axis=1), np.roll(source, -5, axis=2)):
        with pytest.raises(WrongGeometry, match=r"segment \d \(\w+\) is [\d.]+ mm or more off its place"):
            check_resampled(labelmap, wrong, volume, names)


def test_what_lies_between_the_slices_alone_is_refused_in_words(tmp_path, volume):
    places = np.rint(volume.resampling.places[:, 0]).astype(int)
    between = sorted(set(range(volume.shape[0])) - set(places.tolist()))
    labelmap = np.zeros(volume.shape, np.uint8)
    if between:
        labelmap[between[0], 5, 5] = 1
    else:
        labelmap[0, -1, -1] = 1  # outside the first slice
    with pytest.raises(InvalidResult, match="marks nothing on the source's own slices"):
        write(tmp_path / "out", volume, Segmentation(labelmap, SEGMENTS[:1]))
