# SPDX-License-Identifier: Apache-2.0
"""Where voxels lie: affine, spacing and order, for any orientation, and the tolerances."""

import tempfile
from pathlib import Path

import numpy as np
import pytest
from builders import AXIAL, ct_series
from highdicom import get_volume_from_series
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import dcmread

from imaging_data import (
    MixedOrientation,
    NotAVolume,
    NoThickness,
    UnevenSpacing,
    Volume,
    find_instances,
    read_volume,
)

CORONAL, SAGITTAL = (1, 0, 0, 0, 0, -1), (0, 1, 0, 0, 0, -1)


def _read(folder: Path) -> Volume:
    (series,) = find_instances(folder).series
    return read_volume(series)


def test_non_square_pixels_lie_where_the_attributes_say(tmp_path):
    """PixelSpacing is row spacing first, then column spacing (PS3.3 section 10.7.1.1)."""
    ct_series(tmp_path, 4, 5, 7, spacing=(3.0, 0.5, 0.8), ImagePositionPatient=lambda n: [10, 20, 30 + 3 * n])
    volume = _read(tmp_path)
    assert volume.spacing_mm == (3.0, 0.5, 0.8)
    assert np.allclose(volume.affine @ [0, 0, 0, 1], [10, 20, 30, 1])
    assert np.allclose(volume.affine @ [2, 0, 0, 1], [10, 20, 36, 1])
    assert np.allclose(volume.affine @ [0, 4, 0, 1], [10, 22, 30, 1])
    assert np.allclose(volume.affine @ [0, 0, 6, 1], [14.8, 20, 30, 1])


def test_axial_slices_run_towards_the_head_whatever_their_order(tmp_path):
    ct_series(
        tmp_path, 6, ImagePositionPatient=lambda n: [0, 0, -2.5 * n], InstanceNumber=lambda n: (n * 5) % 6
    )
    volume = _read(tmp_path)
    heights = [volume.source_of(n).dataset.ImagePositionPatient[2] for n in range(6)]
    assert heights == sorted(heights)
    assert volume.affine[2, 0] == 2.5


@pytest.mark.parametrize(("orientation", "towards"), [(CORONAL, (0, 1, 0)), (SAGITTAL, (-1, 0, 0))])
def test_slices_run_along_the_normal(tmp_path, orientation, towards):
    normal = np.array(towards, float)
    ct_series(
        tmp_path,
        5,
        ImageOrientationPatient=list(orientation),
        ImagePositionPatient=lambda n: (normal * 2.5 * (4 - n)).tolist(),
    )
    volume = _read(tmp_path)
    assert np.allclose(volume.affine[:3, 0], normal * 2.5)
    assert [volume.source_of(n).dataset.InstanceNumber for n in range(5)] == [5, 4, 3, 2, 1]


@st.composite
def grids(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, tuple[float, float, float]]:
    """A rotation, an origin and a spacing."""
    angles = [draw(st.floats(-3.1, 3.1)) for _ in range(3)]
    rotation = np.eye(3)
    for axis, angle in enumerate(angles):
        turn, (first, second) = np.eye(3), [k for k in range(3) if k != axis]
        turn[first, first] = turn[second, second] = np.cos(angle)
        turn[first, second], turn[second, first] = -np.sin(angle), np.sin(angle)
        rotation = rotation @ turn
    origin = np.array([draw(st.floats(-500, 500)) for _ in range(3)])
    return rotation, origin, tuple(draw(st.floats(0.3, 8)) for _ in range(3))


@settings(max_examples=20, deadline=None)
@given(grids(), st.permutations(range(5)))
def test_every_voxel_of_an_oblique_series_lies_where_its_own_instance_says(grid, order):
    rotation, origin, spacing = grid
    right, down, normal = rotation.T
    with tempfile.TemporaryDirectory() as name:
        ct_series(
            Path(name),
            5,
            3,
            4,
            spacing=tuple(round(mm, 6) for mm in spacing),
            ImageOrientationPatient=[f"{value:.10f}" for value in (*right, *down)],
            ImagePositionPatient=lambda n: [f"{v:.6f}" for v in origin + normal * spacing[0] * order[n]],
        )
        volume = _read(Path(name))
        reference = get_volume_from_series([dcmread(one.path) for one in volume.series.instances])
    for index in range(5):
        dataset = volume.source_of(index).dataset
        for row, column in ((0, 0), (2, 3)):
            step = right * dataset.PixelSpacing[1] * column + down * dataset.PixelSpacing[0] * row
            expected = np.array(dataset.ImagePositionPatient, float) + step
            assert np.allclose((volume.affine @ [index, row, column, 1])[:3], expected, atol=1e-4)
    assert np.allclose(reference.flip_spatial(0).affine, volume.affine, atol=1e-4)
    assert np.array_equal(reference.flip_spatial(0).array, volume.array)


def test_highdicom_gets_the_same_volume(tmp_path):
    ct_series(tmp_path, 4, 5, 7, spacing=(3.0, 0.5, 0.8))
    volume = _read(tmp_path)
    other = volume.to_highdicom()
    assert np.array_equal(other.affine, volume.affine)
    assert np.array_equal(other.array, volume.array)
    assert np.shares_memory(other.array, volume.array)
    assert other.frame_of_reference_uid == volume.frame_of_reference_uid
    assert tuple(other.spacing) == pytest.approx(volume.spacing_mm)
    assert other.coordinate_system.value == "PATIENT"


def test_a_single_slice_is_as_thick_as_it_says(tmp_path):
    ct_series(tmp_path / "a", slices=1, spacing=(4.0, 1.0, 1.0))
    ct_series(tmp_path / "b", slices=1, SliceThickness=None, SpacingBetweenSlices=6)
    ct_series(tmp_path / "c", slices=1, SliceThickness=0)
    assert _read(tmp_path / "a").spacing_mm == (4.0, 1.0, 1.0)
    assert _read(tmp_path / "b").spacing_mm[0] == 6.0
    with pytest.raises(NoThickness, match="neither SliceThickness nor SpacingBetweenSlices"):
        _read(tmp_path / "c")


def test_the_spacing_is_measured_not_believed(tmp_path):
    ct_series(tmp_path, slices=4, spacing=(2.0, 1.0, 1.0), SliceThickness=3, SpacingBetweenSlices=5)
    assert _read(tmp_path).spacing_mm[0] == 2.0


def test_positions_rounded_to_a_tenth_of_a_millimetre_are_even_enough(tmp_path):
    ct_series(tmp_path, 40, spacing=(0.625, 1, 1), ImagePositionPatient=lambda n: [0, 0, round(0.625 * n, 1)])
    assert _read(tmp_path).spacing_mm[0] == pytest.approx(0.625, abs=0.005)


@pytest.mark.parametrize(("off_mm", "even"), [(0.12, True), (0.13, False)])
def test_a_slice_may_lie_off_by_five_in_a_hundred_of_the_spacing(tmp_path, off_mm, even):
    ct_series(tmp_path, ImagePositionPatient=lambda n: [0, 0, 2.5 * n + (off_mm if n == 4 else 0)])
    if even:
        assert _read(tmp_path).spacing_mm[0] == 2.5
    else:
        with pytest.raises(
            UnevenSpacing, match=r"2\.63 mm between .*InstanceNumber 4.* and .*InstanceNumber 5"
        ):
            _read(tmp_path)


@pytest.mark.parametrize(("turn", "parallel"), [(0.0009, True), (0.0012, False)])
def test_slices_may_be_turned_by_a_thousandth(tmp_path, turn, parallel):
    turned = [np.cos(turn), np.sin(turn), 0, -np.sin(turn), np.cos(turn), 0]
    ct_series(tmp_path, ImageOrientationPatient=lambda n: turned if n == 3 else list(AXIAL))
    if parallel:
        assert _read(tmp_path).shape[0] == 8
    else:
        with pytest.raises(MixedOrientation):
            _read(tmp_path)


@pytest.mark.parametrize(("lean_mm", "upright"), [(0.49, True), (0.51, False)])
def test_a_stack_may_lean_by_half_a_pixel(tmp_path, lean_mm, upright):
    ct_series(tmp_path, ImagePositionPatient=lambda n: [0, lean_mm * n / 7, 2.5 * n])
    if upright:
        affine = _read(tmp_path).affine[:3, :3]
        assert np.allclose(affine.T @ affine, np.diag(np.diag(affine.T @ affine)), atol=1e-12)
    else:
        with pytest.raises(NotAVolume):
            _read(tmp_path)


def test_an_orientation_that_is_a_little_skewed_gives_a_grid_at_right_angles(tmp_path):
    ct_series(tmp_path, ImageOrientationPatient=[1, 0, 0, 0.0009, 1, 0])
    steps = _read(tmp_path).affine[:3, :3]
    assert np.allclose(steps.T @ steps, np.diag([2.5**2, 1, 1]), rtol=0, atol=1e-12)
