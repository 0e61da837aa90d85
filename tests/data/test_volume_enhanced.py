# SPDX-License-Identifier: Apache-2.0
"""Enhanced multi-frame instances: one file, many slices (PS3.3 section C.7.6.16)."""

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from builders import ct_series, enhanced_ct
from numpy.typing import NDArray
from pydicom import Dataset, dcmread
from pydicom.uid import JPEG2000Lossless, RLELossless

from imaging_data import (
    LocalizerInSeries,
    MissingSlices,
    MixedGeometry,
    MixedOrientation,
    NoPosition,
    NoRescale,
    OverlappingPhases,
    UnreadableInstance,
    Volume,
    find_instances,
    read_volume,
)

SHAPE = (5, 4, 6)
STORED = np.arange(np.prod(SHAPE), dtype=np.uint16).reshape(SHAPE)


def _read(path: Path) -> Volume:
    (series,) = find_instances(path).series
    return read_volume(series)


def test_frames_become_slices_with_their_numbers(tmp_path):
    path = enhanced_ct(tmp_path, *SHAPE, spacing=(3.0, 0.5, 0.8), pixels=STORED)
    volume = _read(path)
    assert np.array_equal(volume.array, STORED - 1024.0)
    assert volume.spacing_mm == (3.0, 0.5, 0.8)
    assert np.array_equal(np.diag(volume.affine[:3, 2::-1]), [0.8, 0.5, 3.0])
    assert {volume.source_of(n).path for n in range(5)} == {path}
    assert [volume.frame_number_of(n) for n in range(5)] == [1, 2, 3, 4, 5]


def test_frames_are_sorted_by_their_position(tmp_path):
    places = [3, 0, 4, 1, 2]

    def move(index: int, groups: Dataset) -> None:
        groups.PlanePositionSequence[0].ImagePositionPatient = [1, 2, 2.5 * places[index]]

    volume = _read(enhanced_ct(tmp_path, *SHAPE, pixels=STORED, frame=move))
    frames = [volume.frame_number_of(n) for n in range(5)]
    assert frames == [2, 4, 5, 1, 3]
    assert np.array_equal(volume.array, STORED[np.array(frames) - 1] - 1024.0)
    assert volume.affine[:3, 3].tolist() == [1, 2, 0]


def test_frames_have_their_own_rescale(tmp_path):
    def own_rescale(index: int, groups: Dataset) -> None:
        if index != 2:
            rescale = Dataset()
            rescale.RescaleSlope, rescale.RescaleIntercept, rescale.RescaleType = index + 1, index, "HU"
            groups.PixelValueTransformationSequence = [rescale]

    volume = _read(enhanced_ct(tmp_path, *SHAPE, pixels=STORED, frame=own_rescale))
    expected = [STORED[n] * (n + 1.0) + n if n != 2 else STORED[2] - 1024.0 for n in range(5)]
    assert np.array_equal(volume.array, expected)


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless])
def test_compressed_frames_are_read(tmp_path, syntax):
    path = enhanced_ct(tmp_path, 5, 32, 32, pixels=np.arange(5 * 32 * 32, dtype=np.uint16).reshape(5, 32, 32))
    expected = _read(path)
    dataset = dcmread(path)
    _compress(dataset, syntax)
    dataset.save_as(path)
    volume = _read(path)
    assert volume.source_of(0).dataset.file_meta.TransferSyntaxUID == syntax
    assert np.array_equal(volume.array, expected.array)


def _compress(dataset: Dataset, syntax: str) -> None:
    if syntax == JPEG2000Lossless:
        dataset.compress(syntax, encoding_plugin="pylibjpeg")
    else:
        dataset.compress(syntax)


def test_padding_is_found_frame_by_frame(tmp_path):
    pixels = STORED.copy()
    pixels[3, 1, 2] = 9999
    volume = _read(enhanced_ct(tmp_path, *SHAPE, pixels=pixels, PixelPaddingValue=9999))
    assert np.argwhere(volume.padding).tolist() == [[3, 1, 2]]
    assert volume.array[3, 1, 2] == -1024


def test_two_instances_of_one_series_make_one_volume(tmp_path):
    uids = {"study": "1.2.3", "series": "1.2.3.4"}

    def upper(index: int, groups: Dataset) -> None:
        groups.PlanePositionSequence[0].ImagePositionPatient = [0, 0, 2.5 * (index + 5)]

    lower_path = enhanced_ct(tmp_path / "a", *SHAPE, pixels=STORED, **uids)
    upper_path = enhanced_ct(
        tmp_path / "b", *SHAPE, pixels=STORED + 500, frame=upper, SOPInstanceUID="1.2.3.4.5", **uids
    )
    volume = _read(tmp_path)
    assert np.array_equal(volume.array, np.concatenate([STORED, STORED + 500]) - 1024.0)
    assert [volume.source_of(n).path for n in (0, 4, 5, 9)] == [
        lower_path,
        lower_path,
        upper_path,
        upper_path,
    ]
    assert volume.frame_number_of(7) == 3


def _at(*heights: float):
    def move(index: int, groups: Dataset) -> None:
        groups.PlanePositionSequence[0].ImagePositionPatient = [0, 0, heights[index]]

    return move


def _turned(index: int, groups: Dataset) -> None:
    orientation = Dataset()
    orientation.ImageOrientationPatient = [1, 0, 0, 0, 0, -1] if index == 1 else [1, 0, 0, 0, 1, 0]
    groups.PlaneOrientationSequence = [orientation]


def _wider(index: int, groups: Dataset) -> None:
    measures = Dataset()
    measures.PixelSpacing = [1, 2 if index == 1 else 1]
    groups.PixelMeasuresSequence = [measures]


def _phases(index: int, groups: Dataset) -> None:
    _at(0, 2.5, 5, 0, 2.5)(index, groups)
    groups.FrameContentSequence[0].TemporalPositionIndex = 1 + index // 3


def _lost(index: int, groups: Dataset) -> None:
    if index == 1:
        del groups.PlanePositionSequence


@pytest.mark.parametrize(
    ("frame", "error", "words"),
    [
        (_at(0, 2.5, 7.5, 10, 12.5), MissingSlices, "1 between {0} (frame 2) and {0} (frame 3)"),
        (_turned, MixedOrientation, "1 coronal: {0} (frame 2)."),
        (_wider, MixedGeometry, "Unlike most are {0} (frame 2)."),
        (
            _phases,
            OverlappingPhases,
            "{0} (frame 1), {0} (frame 4). TemporalPositionIndex tells them apart: 1, 2.",
        ),
        (_lost, NoPosition, "ImagePositionPatient is missing or unusable in 1 of 5 slices: {0} (frame 2)."),
    ],
)
def test_what_is_wrong_is_named_by_frame(tmp_path, frame, error, words):
    path = enhanced_ct(tmp_path, *SHAPE, pixels=STORED, frame=frame)
    with pytest.raises(error) as raised:
        _read(path)
    assert words.format(path.name) in raised.value.detail


def test_frames_that_are_not_all_described_are_refused(tmp_path):
    path = enhanced_ct(tmp_path, *SHAPE, pixels=STORED)
    dataset = dcmread(path)
    del dataset.PerFrameFunctionalGroupsSequence[-1]
    dataset.save_as(path)
    with pytest.raises(UnreadableInstance, match=r"has 5 frames .NumberOfFrames. and describes 4"):
        _read(path)


def test_frames_that_are_not_described_at_all_are_refused(tmp_path):
    """A multi-frame image of an older kind, and one that claims more frames than anything could hold."""
    ct_series(tmp_path / "a", slices=1, NumberOfFrames=2**31 - 1)
    with pytest.raises(NoPosition, match="does not describe where its 2147483647 frames lie"):
        _read(tmp_path / "a")


def test_an_original_ct_without_rescale_and_a_localizer_are_refused(tmp_path):
    path = enhanced_ct(tmp_path, *SHAPE, pixels=STORED)
    dataset = dcmread(path)
    del dataset.SharedFunctionalGroupsSequence[0].PixelValueTransformationSequence
    dataset.save_as(path)
    with pytest.raises(NoRescale):
        _read(path)
    dataset.ImageType = ["DERIVED", "PRIMARY", "VOLUME", "ADDITION"]
    dataset.save_as(path)
    assert np.array_equal(_read(path).array, STORED)
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER", "NONE"]
    dataset.save_as(path)
    with pytest.raises(LocalizerInSeries):
        _read(path)


def _values_at(image: sitk.Image, points: NDArray[np.float64]) -> NDArray[np.float32]:
    """The image's values at LPS points (3, n), each of which must be the centre of a voxel."""
    axes = np.array(image.GetDirection()).reshape(3, 3) * image.GetSpacing()
    index = np.linalg.solve(axes, points - np.array(image.GetOrigin())[:, None])
    whole = np.rint(index).astype(int)
    assert np.abs(index - whole).max() < 1e-4
    return sitk.GetArrayFromImage(image)[tuple(whole[::-1])]


def test_a_real_enhanced_mr_has_the_values_of_its_nifti_truth_at_every_point(samples):
    folder = samples / "multiframe_enhanced"
    volume = _read(folder / "IM-0001-0170-0001.dcm")
    index = np.indices(volume.shape).reshape(3, -1)
    points = volume.affine[:3, :3] @ index + volume.affine[:3, 3:]
    truth = _values_at(sitk.ReadImage(str(folder / "001_ground_truth.nii.gz")), points)
    assert np.allclose(volume.array.ravel(), truth, rtol=1e-6)
    assert volume.array.std() > 100


def test_a_real_enhanced_ct_is_read_with_its_reversed_rows(samples):
    volume = _read(samples / "multiframe_enhanced" / "5.dcm")
    assert volume.shape == (2, 512, 512)
    assert np.allclose(volume.affine[:3, :3] @ [0, 0, 1], [-volume.spacing_mm[2], 0, 0])
    assert volume.affine[2, 0] == -10  # the normal of such images points to the feet
