# SPDX-License-Identifier: Apache-2.0
"""A tilted or uneven series on a regular grid: values and labels keep their place in the patient."""

import math
import tempfile
from pathlib import Path

import numpy as np
import pytest
from builders import ct_series
from hypothesis import given, settings
from hypothesis import strategies as st

from imaging_data import (
    GantryTilt,
    MissingSlices,
    MixedGeometry,
    TooFewSlices,
    TooLarge,
    UnevenSpacing,
    Volume,
    checks,
    find_instances,
    read_volume,
)
from imaging_data.slices import slices_of

GRADIENT, AT_ORIGIN = np.array([1.7, -2.3, 3.1]), 40.0  # of a value that is linear in the patient
STEP = 0.01  # RescaleSlope


def series_in(folder: Path):
    [series] = find_instances(folder).series
    return series


def linear(points: np.ndarray) -> np.ndarray:
    return points @ GRADIENT + AT_ORIGIN


def linear_series(folder: Path, heights: list[float], tilt_degrees: float = 0.0, order=None, turn: int = 1):
    """Slices of 12 x 10 pixels whose every value is linear in its place in the patient, straight above each other.

    heights: z of each slice.  tilt_degrees: of the slices about x.  turn: 1 or -1, the direction of columns.
    """
    angle = math.radians(tilt_degrees)
    right, down = np.array([1.0, 0, 0]), turn * np.array([0.0, math.cos(angle), math.sin(angle)])
    rows, columns = np.indices((12, 10)) * np.array([0.9, 0.7]).reshape(2, 1, 1)
    plane = rows[..., None] * down + columns[..., None] * right
    values = np.stack([linear(plane + np.array([5.0, -3.0, height])) for height in heights])
    stored = np.rint((values + 100) / STEP).astype(np.uint16)
    order = list(range(len(heights))) if order is None else order
    ct_series(
        folder,
        slices=len(heights),
        rows=12,
        columns=10,
        spacing=(2.0, 0.9, 0.7),
        pixels=stored[order],
        ImageOrientationPatient=[f"{value:.9f}" for value in (*right, *down)],
        ImagePositionPatient=lambda index: [5.0, -3.0, heights[order[index]]],
        RescaleSlope=STEP,
        RescaleIntercept=-100,
    )
    return series_in(folder)


def points_of(volume: Volume) -> np.ndarray:
    """Where each voxel lies in the patient (slices, rows, columns, 3)."""
    places = np.stack([*np.indices(volume.shape), np.ones(volume.shape)], axis=-1)
    return (places @ volume.affine.T)[..., :3]


def assert_linear(volume: Volume, share: float) -> None:
    """Every voxel that is no padding has the value of its place, and they are `share` of all at least."""
    inside = np.ones(volume.shape, bool) if volume.padding is None else ~volume.padding
    assert inside.mean() >= share
    off = np.abs(volume.array - linear(points_of(volume)))[inside]
    assert off.max() < 2 * STEP


@pytest.mark.parametrize("degrees", [-20, 5, 12.5])
@pytest.mark.parametrize("turn", [1, -1])
def test_a_tilt_is_sheared_back(tmp_path, degrees, turn):
    series = linear_series(tmp_path, [2.0 * n for n in range(8)], degrees, turn=turn)
    with pytest.raises(GantryTilt):
        read_volume(series)
    volume = read_volume(series, resample=True)
    assert volume.source_shape == (8, 12, 10)
    assert volume.shape[0] == 8
    assert volume.shape[1] > 12
    steps = volume.affine[:3, :3]
    assert np.allclose(steps.T @ steps, np.diag(np.square(volume.spacing_mm)), atol=1e-9)
    assert volume.spacing_mm[0] == pytest.approx(2.0 * math.cos(math.radians(degrees)))
    assert_linear(volume, 0.5)


@pytest.mark.parametrize("heights", [[0, 2, 4, 6, 9, 12, 15], [0, 3, 6, 8, 10, 12], [0, 1.5, 4, 5.5, 8]])
def test_uneven_slices_are_put_on_a_grid_as_fine_as_the_narrowest(tmp_path, heights):
    series = linear_series(tmp_path, heights)
    with pytest.raises(UnevenSpacing):
        read_volume(series)
    volume = read_volume(series, resample=True)
    narrowest = min(np.diff(heights))
    assert volume.spacing_mm[0] == pytest.approx(narrowest, rel=0.1)
    assert volume.shape[1:] == (12, 10)
    assert (volume.affine @ [volume.shape[0] - 1, 0, 0, 1])[2] == pytest.approx(heights[-1])
    assert not volume.padding.any()
    assert_linear(volume, 1.0)


@pytest.mark.parametrize(
    ("heights", "tilt", "error"),
    [
        ([0, 2, 4, 8, 10], 0, MissingSlices),
        ([0, 2, 4, 8, 10], 10, MissingSlices),
        ([0, 2, 4.1, 5.9, 9.7, 12.0], 0, MissingSlices),
        ([0, 2, 5, 7, 9.4, 13.6], 0, UnevenSpacing),
    ],
)
def test_a_slice_that_may_be_missing_is_never_filled_in(tmp_path, heights, tilt, error):
    with pytest.raises(error) as raised:
        read_volume(linear_series(tmp_path, heights, tilt), resample=True)
    assert "InstanceNumber" in str(raised.value)
    assert raised.value.hint


def test_a_slice_shifted_on_its_own_is_no_tilt(tmp_path):
    ct_series(tmp_path, ImagePositionPatient=lambda n: [3 if n == 5 else 0, 0, 2.5 * n])
    with pytest.raises(MixedGeometry):
        read_volume(series_in(tmp_path), resample=True)


def test_a_regular_series_is_left_as_it_is(tmp_path):
    ct_series(tmp_path)
    plain, resampled = (read_volume(series_in(tmp_path), resample=resample) for resample in (False, True))
    assert resampled.resampling is None
    assert np.array_equal(plain.array, resampled.array)
    labels = np.zeros(plain.shape, np.uint8)
    assert plain.labels_on_source(labels) is labels


def test_padding_stays_padding(tmp_path):
    pixels = np.full((5, 8, 8), 500, np.uint16)
    pixels[:, 0] = 0
    heights = [0, 2, 4, 7, 10]
    ct_series(
        tmp_path,
        slices=5,
        rows=8,
        columns=8,
        pixels=pixels,
        PixelPaddingValue=0,
        ImagePositionPatient=lambda n: [0, 0, heights[n]],
    )
    volume = read_volume(series_in(tmp_path), resample=True)
    assert volume.padding[:, 0].all()
    assert not volume.padding[:, 1:].any()
    assert np.unique(volume.array).tolist() == [-524.0]


@st.composite
def slanted(draw: st.DrawFn) -> dict:
    gaps = draw(st.lists(st.floats(1.5, 2.4), min_size=4, max_size=6))
    return {
        "heights": np.round(np.cumsum([0.0, *gaps]), 3).tolist(),
        "tilt_degrees": draw(st.floats(-25, 25)),
        "turn": draw(st.sampled_from([1, -1])),
        "order": draw(st.permutations(range(len(gaps) + 1))),
    }


@settings(max_examples=25, deadline=None)
@given(slanted())
def test_whatever_the_slant_values_and_labels_keep_their_place(slant):
    with tempfile.TemporaryDirectory() as name:
        volume = read_volume(linear_series(Path(name), **slant), resample=True)
    if volume.resampling is None:  # regular within the tolerances
        return
    assert_linear(volume, 0.3)
    # A label that is told from the patient's coordinates alone comes back where it lies, by half a voxel.
    numbers = np.floor(points_of(volume) @ np.array([0, 1, 1.0]) / 4).astype(int) % 2 + 1
    labels = volume.labels_on_source(numbers)
    assert labels.shape == volume.source_shape
    reach = np.linalg.norm(volume.spacing_mm) / 2 + 1e-3
    by_uid = {one.instance.sop_instance_uid: one for one in slices_of(volume.series)}
    for (instance, _), plane in zip(volume.sources, labels, strict=True):
        one = by_uid[instance.sop_instance_uid]
        rows, columns = np.indices(plane.shape)
        points = (
            one.position
            + rows[..., None] * one.orientation[1] * one.pixel_spacing[0]
            + columns[..., None] * one.orientation[0] * one.pixel_spacing[1]
        )
        along = points @ np.array([0, 1, 1.0])
        sure = np.abs(along - 4 * np.rint(along / 4)) > reach * math.sqrt(2)
        assert np.array_equal(plane[sure], (np.floor(along / 4).astype(int) % 2 + 1)[sure])


def test_labels_of_another_shape_are_refused(tmp_path):
    volume = read_volume(linear_series(tmp_path, [0, 2, 4, 7]), resample=True)
    with pytest.raises(ValueError, match="the labelmap has shape"):
        volume.labels_on_source(np.zeros(volume.source_shape))


def test_too_few_slices_are_named(tmp_path):
    ct_series(tmp_path, slices=3)
    assert read_volume(series_in(tmp_path), at_least=3).shape[0] == 3
    with pytest.raises(TooFewSlices, match="It has 3 where at least 4 are needed") as raised:
        read_volume(series_in(tmp_path), at_least=4)
    assert raised.value.hint


def test_a_series_too_large_is_named_before_a_pixel_is_read(tmp_path, monkeypatch):
    paths = ct_series(tmp_path, slices=5)
    series = series_in(tmp_path)
    for instance, path in zip(series.instances, paths, strict=True):  # 5 slices that say they are huge: 5 GB
        instance.dataset.Rows = instance.dataset.Columns = 23000
        path.unlink()
    with pytest.raises(
        TooLarge, match=r"5 x 23000 x 23000 voxels take 9\.9 GiB, at most 4 are read"
    ) as raised:
        read_volume(series)
    assert raised.value.hint


def test_a_grid_too_large_is_named(tmp_path, monkeypatch):
    series = linear_series(tmp_path, [2.0 * n for n in range(8)], 20)
    monkeypatch.setattr(checks, "LARGEST_VOXELS", 8 * 12 * 10)
    with pytest.raises(TooLarge, match="voxels"):
        read_volume(series, resample=True)
