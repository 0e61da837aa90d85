# SPDX-License-Identifier: Apache-2.0
"""What cannot be a regular volume is a named error that says which slices and what to do."""

import math
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from builders import AXIAL, ct_series
from pydicom import dcmread

from imaging_data import (
    DuplicateInstances,
    GantryTilt,
    LocalizerInSeries,
    MissingSlices,
    MixedGeometry,
    MixedOrientation,
    NoPosition,
    NoRescale,
    NotAVolume,
    OverlappingPhases,
    Series,
    UnevenSpacing,
    find_instances,
    read_volume,
)

CORONAL = [1, 0, 0, 0, 0, -1]


def _refused(folder: Path, error: type[NotAVolume]) -> str:
    """The message of the error, which says what to do and nothing about the patient."""
    (series,) = find_instances(folder).series
    with pytest.raises(error) as raised:
        read_volume(series)
    assert type(raised.value) is error
    assert raised.value.hint
    assert raised.value.detail.endswith(".")
    assert "Phantom" not in str(raised.value)
    assert "TEST-1" not in str(raised.value)
    return str(raised.value)


def _name(paths: list[Path], n: int) -> str:
    return f"{paths[n].name} (InstanceNumber {n + 1})"


def test_a_missing_slice_is_named_by_its_neighbours(tmp_path):
    paths = ct_series(tmp_path)
    paths[3].unlink()
    message = _refused(tmp_path, MissingSlices)
    assert (
        f"1 between {_name(paths, 2)} and {_name(paths, 4)}, which are 5 mm apart instead of 2.5." in message
    )


@pytest.mark.parametrize("missing", [[1], [6], [2, 3], [1, 2, 5], [1, 3, 5]])
def test_every_missing_slice_within_the_stack_is_counted(tmp_path, missing):
    paths = ct_series(tmp_path)
    for n in missing:
        paths[n].unlink()
    assert f"At least {len(missing)} missing" in _refused(tmp_path, MissingSlices)


def test_gaps_that_no_slice_of_one_thickness_fills_are_uneven(tmp_path):
    paths = ct_series(tmp_path)
    for n in (1, 2, 3, 5, 6):
        paths[n].unlink()
    assert "7.5 mm" in _refused(tmp_path, UnevenSpacing)


def test_many_gaps_are_counted_and_the_first_are_named(tmp_path):
    paths = ct_series(tmp_path, slices=40)
    for n in range(1, 39, 3):
        paths[n].unlink()
    message = _refused(tmp_path, MissingSlices)
    assert "At least 13 missing" in message
    assert message.count(" apart instead of ") == 5
    assert "; and 8 more gaps." in message


def test_slices_missing_at_the_ends_leave_a_smaller_regular_volume(tmp_path):
    paths = ct_series(tmp_path)
    paths[0].unlink()
    paths[7].unlink()
    (series,) = find_instances(tmp_path).series
    assert read_volume(series).shape[0] == 6


def test_uneven_spacing_says_where_it_is_widest_and_narrowest(tmp_path):
    heights = [0, 2.5, 5, 7.5, 11.2, 14.9, 18.6, 22.3]
    paths = ct_series(tmp_path, ImagePositionPatient=lambda n: [0, 0, heights[n]])
    message = _refused(tmp_path, UnevenSpacing)
    assert f"2.5 mm between {_name(paths, 0)} and {_name(paths, 1)}" in message
    assert "but 3.7 mm between" in message


@pytest.mark.parametrize("degrees", [-20, 5, 0.5])
def test_gantry_tilt_is_named_with_its_angle(tmp_path, degrees):
    angle = math.radians(degrees)
    turned = [1, 0, 0, 0, math.cos(angle), math.sin(angle)]
    ct_series(
        tmp_path,
        slices=30,
        ImageOrientationPatient=[round(value, 6) for value in turned],
        ImagePositionPatient=lambda n: [0, 0, 2.5 * n],
        GantryDetectorTilt=degrees,
    )
    assert f"The stack leans by {abs(degrees):.1f} degrees" in _refused(tmp_path, GantryTilt)


def test_slices_shifted_within_their_plane_are_named(tmp_path):
    paths = ct_series(tmp_path, ImagePositionPatient=lambda n: [3 if n == 5 else 0, 0, 2.5 * n])
    assert f"1 slices are shifted within their plane: {_name(paths, 5)}." in _refused(tmp_path, MixedGeometry)


def test_mixed_orientation_says_which_slices_are_which(tmp_path):
    paths = ct_series(tmp_path, ImageOrientationPatient=lambda n: CORONAL if n > 5 else list(AXIAL))
    message = _refused(tmp_path, MixedOrientation)
    assert "2 orientations: 6 axial: " in message
    assert f"2 coronal: {_name(paths, 6)}, {_name(paths, 7)}." in message


def test_a_localizer_in_the_series_is_named(tmp_path):
    paths = ct_series(
        tmp_path,
        ImageType=lambda n: ["ORIGINAL", "PRIMARY", "LOCALIZER" if n == 0 else "AXIAL"],
        ImageOrientationPatient=lambda n: CORONAL if n == 0 else list(AXIAL),
    )
    assert f"1 of 8 slices: {_name(paths, 0)}." in _refused(tmp_path, LocalizerInSeries)


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("ImagePositionPatient", None),
        ("ImagePositionPatient", [1, 2]),
        ("ImageOrientationPatient", None),
        ("PixelSpacing", None),
        ("PixelSpacing", [0, 1]),
    ],
)
def test_slices_without_place_are_named(tmp_path, keyword, value):
    sound = {
        "ImagePositionPatient": lambda n: [0, 0, 2.5 * n],
        "ImageOrientationPatient": lambda n: list(AXIAL),
        "PixelSpacing": lambda n: [1, 1],
    }[keyword]
    paths = ct_series(tmp_path, **{keyword: lambda n: value if n in (2, 4) else sound(n)})
    message = _refused(tmp_path, NoPosition)
    expected = f"{keyword} is missing or unusable in 2 of 8 slices: {_name(paths, 2)}, {_name(paths, 4)}."
    assert expected in message


def test_an_orientation_that_is_none_is_named(tmp_path):
    ct_series(tmp_path, ImageOrientationPatient=[1, 0, 0, 0.3, 1, 0])
    assert "not two unit vectors at a right angle in 8 of 8 slices" in _refused(tmp_path, NoPosition)
    shutil.rmtree(tmp_path)
    ct_series(tmp_path, ImageOrientationPatient=[0, 0, 0, 0, 0, 0])
    _refused(tmp_path, NoPosition)


@pytest.mark.parametrize(
    ("keyword", "value", "words"),
    [
        ("AcquisitionNumber", lambda n: n // 4, "AcquisitionNumber tells them apart: 0, 1."),
        (
            "TemporalPositionIdentifier",
            lambda n: n // 4,
            "TemporalPositionIdentifier tells them apart: 0, 1.",
        ),
        ("EchoTime", lambda n: (4.6, 2.3)[n // 4], "EchoTime tells them apart: 2.3, 4.6."),
        ("StudyID", lambda n: str(n // 4), "No common attribute tells them apart."),
    ],
)
def test_two_phases_at_one_position_say_what_tells_them_apart(tmp_path, keyword, value, words):
    attributes = {"AcquisitionNumber": 1, keyword: value}
    paths = ct_series(tmp_path, ImagePositionPatient=lambda n: [0, 0, 2.5 * (n % 4)], **attributes)
    message = _refused(tmp_path, OverlappingPhases)
    assert (
        f"4 of 4 positions hold 2 slices each, the first of them {_name(paths, 0)}, {_name(paths, 4)}."
        in message
    )
    assert words in message


def test_one_doubled_slice_is_named(tmp_path):
    paths = ct_series(tmp_path, ImagePositionPatient=lambda n: [0, 0, 2.5 * min(n, 6)])
    message = _refused(tmp_path, OverlappingPhases)
    assert (
        f"1 of 7 positions hold 2 slices each, the first of them {_name(paths, 6)}, {_name(paths, 7)}"
        in message
    )


@pytest.mark.parametrize(
    ("change", "content"), [(lambda ds: None, "the same"), (lambda ds: ds.pop("KVP"), "different")]
)
def test_the_same_instance_in_two_files_is_named(tmp_path, change: Callable, content: str) -> None:
    paths = ct_series(tmp_path)
    copy = tmp_path / "copy.dcm"
    dataset = dcmread(paths[2])
    change(dataset)
    dataset.save_as(copy)
    message = _refused(tmp_path, DuplicateInstances)
    assert "copy.dcm" in message
    assert paths[2].name in message
    assert message.endswith(f"with {content} content.")
    assert issubclass(DuplicateInstances, OverlappingPhases)


@pytest.mark.parametrize(
    ("keyword", "value", "words"),
    [
        (
            "PixelSpacing",
            lambda n: [1, 1.2] if n == 3 else [1, 1],
            "PixelSpacing is 1.0 x 1.0 in 7; 1.0 x 1.2 in 1",
        ),
        (
            "FrameOfReferenceUID",
            lambda n: "1.2.3" if n == 3 else "1.2.4",
            "FrameOfReferenceUID is 1.2.4 in 7; 1.2.3",
        ),
        ("FrameOfReferenceUID", lambda n: None if n == 3 else "1.2.4", "missing in 1"),
        ("Rows", lambda n: 8 if n == 3 else 16, "Rows is 16 in 7; 8 in 1"),
        ("Columns", lambda n: 8 if n == 3 else 16, "Columns is 16 in 7; 8 in 1"),
    ],
)
def test_slices_on_another_grid_are_named(tmp_path, keyword, value, words):
    paths = ct_series(tmp_path, **{keyword: value})
    message = _refused(tmp_path, MixedGeometry)
    assert words in message
    assert message.endswith(f"Unlike most are {_name(paths, 3)}.")


@pytest.mark.parametrize(
    "attributes",
    [
        {"RescaleSlope": None, "RescaleIntercept": None},
        {"RescaleIntercept": lambda n: None if n == 3 else -1024},
        {"RescaleSlope": lambda n: 0 if n == 3 else 1},
    ],
)
def test_a_ct_without_rescale_is_refused(tmp_path, attributes):
    paths = ct_series(tmp_path, **attributes)
    message = _refused(tmp_path, NoRescale)
    assert _name(paths, 3) in message


def test_an_empty_series_is_no_volume():
    with pytest.raises(NotAVolume, match="The series is empty"):
        read_volume(Series("1.2", "1.3", ()))


def test_many_slices_are_not_all_listed(tmp_path):
    ct_series(tmp_path, slices=12, ImagePositionPatient=None)
    message = _refused(tmp_path, NoPosition)
    assert message.count("InstanceNumber") == 5
    assert message.endswith("and 7 more.")


def test_nothing_is_decoded_of_a_series_that_cannot_be_a_volume(tmp_path):
    paths = ct_series(tmp_path, ImagePositionPatient=None)
    (series,) = find_instances(tmp_path).series
    for path in paths:
        path.unlink()
    with pytest.raises(NoPosition):
        read_volume(series)
