# SPDX-License-Identifier: Apache-2.0
"""Lungs are found however the scan lies, where they are cut off, and not where there are none."""

from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
from lungs import find_lungs
from lungs.densitometry import measure

from imaging_data import find_instances, read_volume
from imaging_data.phantom import Grid, thorax, write_series

RIGHT, LEFT = 1, 2
# (slice, row, column), as a reader sees them: trachea, left main bronchus, right bronchus.
AIRWAYS_OF_0001 = ((15, 257, 227), (1, 289, 274), (1, 271, 218))


def volume_in(folder):
    [series] = find_instances(folder).series
    return read_volume(series)


def lungs_in(volume):
    return find_lungs(volume.array, volume.affine, volume.padding)


def ml(lungs, side, voxel_ml):
    return (lungs.labelmap == side).sum() * voxel_ml


def sampled(grid, seed=3, unequal=False):
    rendered = thorax(seed, unequal).render(grid, seed=seed)
    return rendered, find_lungs(rendered.array, grid.affine)


# orientation


@pytest.fixture(scope="module")
def upright(phantom):
    rendered = phantom()
    return rendered, find_lungs(rendered.array, rendered.grid.affine).labelmap


@pytest.mark.parametrize("flipped", [(), (0,), (1, 2), (0, 1, 2)], ids=str)
@pytest.mark.parametrize("axes", list(permutations(range(3))), ids=str)
def test_the_same_lungs_in_every_order_of_voxels(upright, axes, flipped):
    rendered, expected = upright
    turned = np.flip(rendered.array.transpose(axes), flipped)
    affine = rendered.grid.affine.copy()
    affine[:3, :3] = affine[:3, axes]
    for axis in flipped:
        affine[:3, 3] += affine[:3, axis] * (turned.shape[axis] - 1)
        affine[:3, axis] *= -1
    found = find_lungs(turned, affine).labelmap
    assert np.array_equal(np.flip(found, flipped).transpose(np.argsort(axes)), expected)
    assert found.flags.c_contiguous


@pytest.mark.parametrize("position", ["FFS", "HFP", "FFP"])
def test_feet_first_and_prone_series_have_the_same_right_and_left(phantom, upright, tmp_path, position):
    rendered, expected = upright
    write_series(rendered, tmp_path, patient_position=position)
    volume = volume_in(tmp_path)
    labels = lungs_in(volume).labelmap
    for side in (RIGHT, LEFT):
        assert (labels == side).sum() == (expected == side).sum()
        x = (volume.affine @ (*np.mean(np.nonzero(labels == side), axis=1), 1))[0]
        assert (x > 0) == (side == LEFT)


def test_files_in_any_order_give_the_same(upright, phantom, tmp_path):
    rendered, expected = upright
    paths = write_series(rendered, tmp_path)
    for number, path in enumerate(np.random.default_rng(1).permutation(paths)):
        Path(path).rename(tmp_path / f"{number:03}-mixed.dcm")
    assert np.array_equal(lungs_in(volume_in(tmp_path)).labelmap, expected)


def test_thin_slices_and_coarse_pixels(phantom):
    grid = Grid.over((240, 128, 128), (-165, 135), 400, (0, 15))
    rendered, lungs = sampled(grid)
    for side, name in ((RIGHT, "right"), (LEFT, "left")):
        assert ml(lungs, side, grid.voxel_ml) == pytest.approx(rendered.truth[name].volume_ml, rel=0.03)


def test_pixels_that_are_not_square():
    grid = Grid((60, 200, 260), (5.0, 2.0, 400 / 260), (-199.2, -184.0, -162.5))
    rendered, lungs = sampled(grid)
    for side, name in ((RIGHT, "right"), (LEFT, "left")):
        assert ml(lungs, side, grid.voxel_ml) == pytest.approx(rendered.truth[name].volume_ml, rel=0.02)


# lungs that are cut off


@pytest.mark.parametrize(
    ("cut", "where"), [("", ()), ("top", ("above",)), ("bottom", ("below",)), ("both", ("below", "above"))]
)
def test_a_scan_that_ends_within_the_lungs_is_seen(phantom, cut, where):
    rendered = phantom(cut=cut)
    lungs = find_lungs(rendered.array, rendered.grid.affine)
    assert lungs.cut == where
    assert ml(lungs, RIGHT, rendered.grid.voxel_ml) == pytest.approx(
        rendered.truth["right"].volume_ml, rel=0.02
    )


def test_a_small_field_of_view_cuts_the_lungs_at_the_side():
    grid = Grid.over((60, 256, 256), (-165, 135), 200, (10, -10))
    rendered, lungs = sampled(grid)
    assert "at the side" in lungs.cut
    assert ml(lungs, RIGHT, grid.voxel_ml) == pytest.approx(rendered.truth["right"].volume_ml, rel=0.02)


def test_a_field_of_view_that_cuts_only_the_chest_wall_is_no_matter():
    _, lungs = sampled(Grid.over((60, 256, 256), (-165, 135), 300, (0, 0)))
    assert lungs.found
    assert lungs.cut == ()


def test_a_table_at_the_edge_of_a_round_field_of_view_is_no_lung():
    grid = Grid.over((20, 256, 256), (-100, 90), 280, (10, -10))
    rendered = thorax(3).render(grid, seed=3)
    rows, columns = np.ogrid[-1:1:256j, -1:1:256j]
    padding = np.broadcast_to(rows**2 + columns**2 > 1, rendered.array.shape)
    lungs = find_lungs(np.where(padding, -2000, rendered.array), grid.affine, padding)
    _, y, _ = grid.coordinates
    foam = (rendered.array < -800) & ~padding & (y > 112)[:, None]
    assert foam.sum() * grid.voxel_ml > 100
    assert lungs.found
    assert not lungs.labelmap[foam].any()
    assert "at the side" not in lungs.cut


def test_a_single_slice_is_cut_above_and_below():
    _, lungs = sampled(Grid.over((1, 256, 256), (0, 5), 400, (0, 15)))
    assert lungs.found
    assert lungs.cut == ("below", "above")


def test_the_real_chest_of_16_slices_is_cut_off(samples):
    volume = volume_in(samples / "ct_chest_lidc_0001")
    lungs = lungs_in(volume)
    assert lungs.cut == ("below", "above")
    numbers = measure(volume.array, lungs, float(np.prod(volume.spacing_mm)) / 1000)
    for side in ("right", "left"):
        assert 400 < numbers[side].volume_ml < 520
        assert -860 < numbers[side].mean_hu < -800


def test_the_airways_and_the_table_of_the_real_chest_are_not_lung(samples):
    volume = volume_in(samples / "ct_chest_lidc_0001")
    labels = lungs_in(volume).labelmap
    assert not labels[:, 430:].any()  # table and blanket
    for slice_index, row, column in AIRWAYS_OF_0001:
        assert volume.array[slice_index, row, column] < -900
        assert labels[slice_index, row - 2 : row + 3, column - 2 : column + 3].max() == 0


# no lungs


def test_the_real_abdomen_has_none(samples):
    lungs = lungs_in(volume_in(samples / "ct_abdomen_completed"))
    assert not lungs.found
    assert lungs.cut == ()


def test_an_abdomen_with_bowel_gas_and_the_tips_of_the_lungs_has_none():
    rendered, lungs = sampled(Grid.over((20, 256, 256), (-165, -115), 400, (0, 15)))
    assert 0 < rendered.truth["total"].volume_ml < 50
    assert not lungs.found


def test_a_head_has_none(head_phantom):
    assert not find_lungs(head_phantom.array, head_phantom.grid.affine).found


@pytest.mark.parametrize("hu", [-1000, -850, 0, 40])
def test_the_same_hu_everywhere_is_no_lung(hu):
    lungs = find_lungs(np.full((12, 64, 64), hu, np.float32), np.diag([2.0, 2.0, 2.0, 1.0]))
    assert not lungs.found


@pytest.mark.parametrize("shape", [(0, 64, 64), (1, 1, 1), (2, 3, 5)])
def test_next_to_no_voxels_are_no_lung(shape):
    lungs = find_lungs(np.zeros(shape, np.float32), np.eye(4))
    assert lungs.labelmap.shape == shape
    assert lungs.labelmap.dtype == np.uint8
    assert not lungs.found


def test_padding_is_not_lung(phantom, upright):
    rendered, expected = upright
    rows, columns = np.ogrid[-1:1:256j, -1:1:256j]
    padding = np.broadcast_to(rows**2 + columns**2 > 1, rendered.array.shape)
    hu = np.where(padding, -2000, rendered.array)
    assert np.array_equal(find_lungs(hu, rendered.grid.affine, padding).labelmap, expected)
    assert np.array_equal(find_lungs(hu, rendered.grid.affine).labelmap, expected)


def test_padding_that_cuts_the_lungs_is_not_lung():
    grid = Grid.over((60, 256, 256), (-165, 135), 200, (10, -10))
    rendered = thorax(3).render(grid, seed=3)
    rows, columns = np.ogrid[-1:1:256j, -1:1:256j]
    padding = np.broadcast_to(rows**2 + columns**2 > 1, rendered.array.shape)
    lungs = find_lungs(np.where(padding, -2000, rendered.array), grid.affine, padding)
    assert "at the side" in lungs.cut
    assert not lungs.labelmap[padding].any()
    lung = ~padding & (find_lungs(rendered.array, grid.affine).labelmap > 0)
    assert (lungs.labelmap[lung] > 0).mean() > 0.9


# one lung


def test_a_single_lung_is_found_on_its_side(phantom):
    scene = thorax(3)
    grid = phantom().grid
    tissue = next(k for k, material in enumerate(scene.materials) if material.name == "muscle")
    hu = phantom().array.copy()
    right = [k for k, material in enumerate(scene.materials) if material.lung == "right"]
    for k, plane in enumerate(scene.planes(grid)):
        hu[k][np.isin(plane, right)] = scene.materials[tissue].hu
    labels = find_lungs(hu, grid.affine).labelmap
    assert not (labels == RIGHT).any()
    assert ml(find_lungs(hu, grid.affine), LEFT, grid.voxel_ml) > 1800
