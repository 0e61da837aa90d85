# SPDX-License-Identifier: Apache-2.0
"""The parts that the lungs are found with, against scipy and against numbers worked out by hand."""

import numpy as np
import pytest
from lungs.airways import find_airways
from lungs.body import find_body
from lungs.densitometry import measure
from lungs.finding import Lungs
from lungs.levels import Level, block_any, box_of
from lungs.morphology import block_mean, close_planes, dilate, erode, grow_labels
from lungs.orientation import Orientation
from lungs.regions import lung_regions
from lungs.sides import LEFT, RIGHT, highest_way, ridges, split_contacts
from scipy import ndimage

MM = (2.0, 2.0, 2.0)


def random_mask(part=0.3, shape=(7, 30, 26)):
    return np.random.default_rng(1).random(shape) < part


# morphology


@pytest.mark.parametrize("steps", [1, 3])
def test_dilation_is_that_of_scipy(steps):
    mask = random_mask(0.02)
    assert np.array_equal(dilate(mask, steps), ndimage.binary_dilation(mask, iterations=steps))


def test_dilation_along_some_axes_stays_in_them():
    mask = np.zeros((5, 5, 5), bool)
    mask[2, 2, 2] = True
    assert dilate(mask, 1, (0,)).sum() == 3
    assert dilate(mask, 1, (1, 2)).sum() == 5
    assert mask.sum() == 1


def test_erosion_is_that_of_scipy_with_full_surroundings():
    mask = random_mask(0.9)
    assert np.array_equal(erode(mask), ndimage.binary_erosion(mask, border_value=1))


def test_closing_fills_what_is_narrower_than_twice_the_radius():
    mask = np.ones((1, 60, 60), bool)
    mask[0, 25:35, :30] = False  # a notch 10 wide, open to the left
    assert close_planes(mask, (6, 6))[0, 30, 15]
    assert not close_planes(mask, (4, 4))[0, 30, 15]


def test_closing_takes_nothing_away_and_leaves_what_is_convex():
    y, x = np.ogrid[:64, :64]
    disc = ((y - 32) ** 2 + (x - 30) ** 2 < 20**2)[None]
    closed = close_planes(disc, (7, 7))
    assert not (disc & ~closed).any()
    assert closed.sum() < 1.03 * disc.sum()
    mask = random_mask()
    assert not (mask & ~close_planes(mask, (3, 2))).any()


def test_closing_nothing_is_nothing():
    assert not close_planes(np.zeros((2, 9, 9), bool), (3, 3)).any()


def test_block_means_leave_out_what_fills_no_block():
    array = np.random.default_rng(2).normal(size=(5, 11, 9)).astype(np.float32)
    means = block_mean(array, (2, 3, 4))
    assert means.shape == (2, 3, 2)
    assert means[1, 2, 1] == pytest.approx(array[2:4, 6:9, 4:8].mean(), abs=1e-6)


def test_labels_grow_side_by_side_and_no_further_than_allowed():
    labels = np.array([[[1, 0, 0, 0, 0, 2, 0, 0]]], np.uint8)
    within = np.array([[[1, 1, 1, 1, 1, 1, 1, 0]]], bool)
    assert grow_labels(labels, within, 1).tolist() == [[[1, 1, 0, 0, 2, 2, 2, 0]]]
    assert grow_labels(labels, within, 9).tolist() == [[[1, 1, 1, 2, 2, 2, 2, 0]]]


# levels


def test_block_any_is_the_maximum_of_whole_blocks():
    mask = random_mask(0.05, (5, 9, 8))
    blocks = block_any(mask, (2, 3, 4))
    assert blocks.shape == (2, 3, 2)
    for z, y, x in np.ndindex(blocks.shape):
        assert blocks[z, y, x] == mask[2 * z : 2 * z + 2, 3 * y : 3 * y + 3, 4 * x : 4 * x + 4].any()


def test_a_coarser_level_keeps_volume_and_comes_back():
    level = Level(np.zeros((8, 40, 40), np.float32), np.zeros((8, 40, 40), bool), (2.5, 0.7, 0.7))
    coarser = level.coarser(2.8)
    assert coarser.factors == (1, 4, 4)
    assert coarser.spacing_mm == pytest.approx((2.5, 2.8, 2.8))
    assert coarser.voxel_ml == pytest.approx(16 * level.voxel_ml)
    assert coarser.enlarge(np.ones(coarser.hu.shape)).shape == level.hu.shape


def test_a_box_has_its_margin_within_the_array():
    mask = np.zeros((9, 9, 9), bool)
    assert box_of(mask, 2) is None
    mask[1, 4:6, 8] = True
    assert box_of(mask, 2) == (slice(0, 4), slice(2, 8), slice(6, 9))


# orientation


def test_an_oblique_volume_is_turned_to_the_nearest_axes():
    angle = np.deg2rad(20)
    affine = np.eye(4)
    affine[:3, 0] = (0, 3 * np.sin(angle), 3 * np.cos(angle))  # slices mostly towards the head
    affine[:3, 1] = (0, -0.8 * np.cos(angle), 0.8 * np.sin(angle))  # rows mostly towards the front
    affine[:3, 2] = (0.7, 0, 0)
    orientation = Orientation.of(affine)
    assert orientation.axes == (0, 1, 2)
    assert orientation.flipped == (1,)
    assert orientation.spacing_mm == pytest.approx((3, 0.8, 0.7))


def test_turning_back_undoes_the_turn():
    affine = np.array([[0, 0, -1, 0], [2, 0, 0, 0], [0, -3, 0, 0], [0, 0, 0, 1.0]])
    array = np.arange(24).reshape(2, 3, 4)
    orientation = Orientation.of(affine)
    turned = orientation.turn(array)
    assert turned.base is not None  # a view
    assert np.array_equal(orientation.turn_back(turned), array)


# the body


def torso(table=False):
    """A round body of 50 voxels with two lungs, in air, on a table if asked."""
    y, x = np.ogrid[:64, :64]
    plane = np.full((64, 64), -1000.0, np.float32)
    plane[(y - 28) ** 2 + (x - 32) ** 2 < 25**2] = 40
    for column in (20, 44):
        plane[((y - 28) / 12) ** 2 + ((x - column) / 7) ** 2 < 1] = -850
    if table:
        plane[51:63, 2:62] = -300
        plane[53:62, 3:61] = -900
    return np.stack([plane] * 20)


def test_the_table_and_its_foam_are_no_part_of_the_body():
    body = find_body(Level(torso(table=True), None, (3.0, 3.0, 3.0)))
    assert not body.hollow[:, 55:].any()
    assert not body.tissue[:, 58:, 5:20].any()
    assert body.hollow[:, 28, 20].all()
    assert not body.cut.any()
    assert body.middle == pytest.approx(32, abs=0.6)


def test_lungs_that_are_joined_part_in_the_middle():
    hu = torso()
    hu[:, 24:32, 24:40] = -850
    level = Level(hu, None, (3.0, 3.0, 3.0))
    body = find_body(level)
    nothing = np.zeros(hu.shape, bool)
    regions = lung_regions(level, body, nothing, nothing)
    assert (regions[:, 28, 18] == RIGHT).all()
    assert (regions[:, 28, 46] == LEFT).all()
    assert abs((regions == RIGHT).sum() - (regions == LEFT).sum()) < 0.05 * (regions > 0).sum()


def test_gas_is_not_taken_for_a_lung():
    hu = torso()
    hu[hu == -850] = -1000
    hu[:, :, 32:][torso()[:, :, 32:] == -850] = -850
    level = Level(hu, None, (3.0, 3.0, 3.0))
    nothing = np.zeros(hu.shape, bool)
    regions = lung_regions(level, find_body(level), nothing, nothing)
    assert not (regions == RIGHT).any()
    assert (regions == LEFT).any()


# airways


def tube(radius=5.0, wall_hu=20.0, height=20):
    """Lung with a tube of gas in it, its wall two voxels thick."""
    y, x = np.ogrid[:40, :60]
    away = np.hypot(y - 20, x - 30)
    plane = np.full((40, 60), -850.0, np.float32)
    plane[away < radius + 2] = wall_hu
    plane[away < radius] = -1000
    hu = np.full((30, 40, 60), -850.0, np.float32)
    hu[-height:] = plane
    return Level(hu, None, (2.5, 1.5, 1.5))


def found_in(level, middle_mm=45.0):
    return find_airways(level, np.ones(level.hu.shape, bool), middle_mm)


def test_a_tube_with_a_wall_is_an_airway_with_its_wall():
    airway = found_in(tube())
    assert airway[20, 20, 30]
    assert airway[20, 20, 36]  # wall
    assert not airway[20, 20, 42]


@pytest.mark.parametrize(
    "level",
    [tube(wall_hu=-850), tube(height=3), tube(radius=1.5), tube(radius=16)],
    ids=["no wall: a bulla", "too short", "too thin", "too wide"],
)
def test_what_is_no_airway_is_not_taken(level):
    assert not found_in(level).any()


def test_a_tube_far_from_the_midline_is_no_trachea():
    assert not found_in(tube(), middle_mm=95.0).any()


# the line between the lungs


def test_the_way_follows_the_ridge_and_pays_for_bends():
    heights = np.zeros((6, 7), np.float32)
    for row, column in enumerate((2, 2, 3, 4, 4, 4)):
        heights[row, column] = 100
    assert highest_way(heights).tolist() == [2, 2, 3, 4, 4, 4]
    heights[:] = 0
    heights[3, 5] = 30  # not worth two steps to the side
    heights[:, 2] = 10
    assert highest_way(heights).tolist() == [2] * 6


def test_a_ridge_is_thin():
    hu = np.full((1, 1, 40), -850, np.float32)
    hu[..., 10] = -600
    hu[..., 20:30] = 0
    height = ridges(hu, 0.75)
    assert height[0, 0, 10] == 250
    assert height[0, 0, 22:28].max() == 0
    assert (ridges(hu, 0.05) == 0).all()


def test_the_border_moves_onto_the_pleura_and_the_pleura_is_neither():
    hu = np.full((2, 30, 60), -850, np.float32)
    hu[..., 33] = -500
    labels = np.full(hu.shape, RIGHT, np.uint8)
    labels[..., 29:] = LEFT  # four voxels beside it
    split_contacts(hu, labels, (2.5, 0.8, 0.8))
    assert (labels[..., :33] == RIGHT).all()
    assert (labels[..., 33] == 0).all()
    assert (labels[..., 34:] == LEFT).all()


# the numbers


def test_the_numbers_by_hand():
    hu = np.array([[[-960, -940, -900, -800, 40, 0]]], np.float32)
    lungs = Lungs(np.array([[[1, 1, 1, 1, 2, 0]]], np.uint8))
    numbers = measure(hu, lungs, 0.5)
    assert list(numbers) == ["right", "left", "both"]
    assert numbers["right"].volume_ml == 2
    assert numbers["right"].mean_hu == -900
    assert numbers["right"].laa_950_percent == 25
    assert numbers["right"].percentile_15_hu == pytest.approx(np.percentile([-960, -940, -900, -800], 15))
    assert numbers["both"].volume_ml == 2.5
    assert numbers["both"].mean_hu == pytest.approx(-712)


def test_minus_950_itself_is_not_below():
    numbers = measure(np.full((1, 1, 4), -950, np.float32), Lungs(np.full((1, 1, 4), 2, np.uint8)), 1)
    assert numbers["left"].laa_950_percent == 0
    assert "right" not in numbers


def test_no_lung_no_numbers():
    assert measure(np.zeros((1, 1, 4), np.float32), Lungs(np.zeros((1, 1, 4), np.uint8)), 1) == {}
