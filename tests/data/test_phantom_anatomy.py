# SPDX-License-Identifier: Apache-2.0
"""The thorax phantom holds what makes lungs hard to measure, and where it should be."""

import numpy as np
import pytest

from imaging_data.phantom import thorax, thorax_grid

SEEDS = [(1, False), (2, True), (3, False), (4, True)]


@pytest.fixture(scope="module", params=SEEDS, ids=lambda p: f"{p[0]}{'-unequal' if p[1] else ''}")
def phantom(request):
    seed, unequal = request.param
    scene, grid = thorax(seed, unequal), thorax_grid(75, 200)
    return scene, grid, np.stack([plane.copy() for plane in scene.planes(grid)])


def is_lung(scene, labels, *sides):
    wanted = [material.lung in sides for material in scene.materials]
    return np.array(wanted)[labels]


def of_material(scene, labels, name):
    return np.array([name in material.name for material in scene.materials])[labels]


def ml(grid, mask):
    return mask.sum() * grid.voxel_ml


def test_left_is_left_and_right_is_right(phantom):
    scene, grid, labels = phantom
    _, _, x = grid.coordinates
    middle = {side: (is_lung(scene, labels, side).sum((0, 1)) * x).sum() for side in ("left", "right")}
    assert middle["right"] < 0 < middle["left"]


def test_the_lungs_differ_in_shape(phantom):
    scene, _, labels = phantom
    left, right = (is_lung(scene, labels, side) for side in ("left", "right"))
    overlap = (left[..., ::-1] & right).sum() / right.sum()
    assert overlap < 0.95


def test_the_lungs_touch_in_front_of_the_mediastinum(phantom):
    scene, grid, labels = phantom
    left, right = (is_lung(scene, labels, side) for side in ("left", "right"))
    touching = right[..., :-1] & left[..., 1:]
    _, y, _ = grid.coordinates
    assert touching.any((1, 2)).sum() * grid.spacing_mm[0] > 40
    in_front = touching.any((0, 2)) & (y < -50)
    assert in_front.sum() * grid.spacing_mm[1] > 10


def test_the_main_bronchi_open_into_the_lungs(phantom):
    scene, _, labels = phantom
    lumen = of_material(scene, labels, "airway lumen")
    for side in ("left", "right"):
        lung = is_lung(scene, labels, side)
        assert any((np.roll(lumen, step, axis) & lung).any() for axis in range(3) for step in (-1, 1))


@pytest.mark.parametrize(
    ("name", "least_ml"),
    [
        ("airway lumen", 40),
        ("left vessel", 20),
        ("right vessel", 20),
        ("left nodule", 0.5),
        ("right nodule", 0.5),
        ("left emphysema", 20),
        ("right emphysema", 20),
        ("bowel gas", 60),
        ("table foam", 1000),
        ("cortical bone", 100),
        ("marrow", 100),
        ("oesophageal gas", 0.05),
    ],
)
def test_it_is_there(phantom, name, least_ml):
    scene, grid, labels = phantom
    assert ml(grid, of_material(scene, labels, name)) > least_ml


def test_no_gas_of_the_bowel_touches_a_lung(phantom):
    scene, _, labels = phantom
    gas = of_material(scene, labels, "bowel gas")
    lung = is_lung(scene, labels, "left", "right")
    assert not any((np.roll(gas, step, axis) & lung).any() for axis in range(3) for step in (-1, 1))


def test_the_grid_covers_the_lungs_wholly(phantom):
    scene, _, labels = phantom
    lung = is_lung(scene, labels, "left", "right")
    inner = lung[1:-1, 1:-1, 1:-1]
    assert inner.sum() == lung.sum()


def test_the_small_lung_is_much_smaller():
    truth = thorax(2, unequal=True).render(thorax_grid(30, 96)).truth
    assert truth["left"].volume_ml < 0.6 * truth["right"].volume_ml


@pytest.mark.parametrize(("cut", "ends"), [("top", (-1,)), ("bottom", (0,)), ("both", (0, -1))])
def test_a_cut_grid_ends_within_the_lungs(cut, ends):
    scene, grid = thorax(1), thorax_grid(30, 96, cut)
    lung = np.stack([is_lung(scene, plane, "left", "right") for plane in scene.planes(grid)])
    assert all(lung[end].any() for end in ends)
    assert lung[0].any() == (0 in ends)


def test_another_cut_is_refused():
    with pytest.raises(ValueError, match="'sideways'"):
        thorax_grid(cut="sideways")
