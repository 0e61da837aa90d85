# SPDX-License-Identifier: Apache-2.0
"""The phantoms' truth follows from their shapes, and their image from the same shapes."""

import math
import tracemalloc

import numpy as np
import pytest

from imaging_data.phantom import Grid, head, head_grid, thorax, thorax_grid
from imaging_data.phantom.scene import Scene
from imaging_data.phantom.shapes import (
    AboveDome,
    All,
    Bell,
    Box,
    Capsule,
    Column,
    Ellipsoid,
    Outside,
    Side,
    Stripes,
)
from imaging_data.phantom.truth import Material, lung_truths

CUBE = Grid.over((60, 60, 60), (-30, 30), 60)  # 1 mm voxels
CELL = ((-20, 20), (-20, 20), (-20, 20))
SHAPES = {
    "ellipsoid": (Ellipsoid((1, 2, 3), (20, 12, 9)), 4 / 3 * math.pi * 20 * 12 * 9),
    "column": (Column((2, -1), (10, 15), (-20, 20)), math.pi * 10 * 15 * 40),
    "bell": (Bell((0, 0, 0), (12, 10, 20), -20, 2), math.pi * 12 * 10 * 20 * (1 + 2 / 3)),
    "box": (Box(((-10, 10), (-5, 15), (-20, 5))), 20 * 20 * 25),
    "capsule": (Capsule((-10, -6, -8), (10, 6, 8), 6), math.pi * 36 * math.hypot(20, 12, 16) + 288 * math.pi),
    "half of an ellipsoid": (
        All((Ellipsoid((0, 0, 0), (20, 20, 20)), Side(1, 0, 0, 0))),
        2 / 3 * math.pi * 20**3,
    ),
    "shell": (
        All((Ellipsoid((0, 0, 0), (20, 20, 20)), Outside(Ellipsoid((0, 0, 0), (15, 15, 15))))),
        4 / 3 * math.pi * (20**3 - 15**3),
    ),
    "stripes": (All((Box(CELL), Stripes(10, 3, 0.5))), 40**3 * 0.3),
    "above a dome": (
        All((Column((0, 0), (20, 20), (-20, 20)), AboveDome((0, 0, 0), (20, 20), 20))),
        math.pi * 400 * 20 + math.pi * 400 * 20 / 2,  # above the top, and round the paraboloid
    ),
}


def one_lung(shape):
    scene = Scene("test")
    scene.paint(shape, scene.material("lung", -850, "left"))
    return scene


@pytest.mark.parametrize(("shape", "mm3"), SHAPES.values(), ids=SHAPES)
def test_a_solid_has_the_volume_that_geometry_says(shape, mm3):
    truth = one_lung(shape).render(CUBE).truth["left"]
    assert truth.volume_ml == pytest.approx(mm3 / 1000, rel=0.01)


@pytest.mark.parametrize(("shape", "_mm3"), SHAPES.values(), ids=SHAPES)
def test_a_solid_lies_within_its_bounds(shape, _mm3):
    z, y, x = CUBE.coordinates
    inside = np.stack([shape.inside(x[None], y[:, None], float(plane)) for plane in z])
    (x0, x1), (y0, y1), (z0, z1) = shape.bounds
    in_box = ((z >= z0) & (z <= z1))[:, None, None] & (
        ((y >= y0) & (y <= y1))[:, None] & ((x >= x0) & (x <= x1))
    )
    planes = in_box.any((1, 2))
    assert not (inside[planes] & ~in_box[planes]).any()


def test_a_voxel_is_the_mean_of_what_is_in_it():
    scene = one_lung(Box(((-10.5, 10.5), (-10.5, 10.5), (-10.5, 10.5))))
    image = scene.render(Grid.over((30, 30, 30), (-30, 30), 60), noise_hu=0, factor=4).array
    assert set(np.unique(image)) <= {-1000.0 + 150 * eighths / 64 for eighths in range(65)} | set(
        np.unique(np.rint(image))
    )
    assert image[15, 15, 15] == -850
    assert image.sum(dtype=float) == pytest.approx(30**3 * -1000 + 21**3 / 8 * 150, rel=1e-3)


def test_the_truth_does_not_come_from_the_image():
    scene, grid = thorax(5), thorax_grid(20, 64)
    quiet, loud = (scene.render(grid, noise_hu=noise) for noise in (0, 300))
    for side in ("left", "right", "total"):
        assert quiet.truth[side].volume_ml == loud.truth[side].volume_ml
        assert quiet.truth[side].laa_950_percent == loud.truth[side].laa_950_percent


def test_the_truth_hardly_depends_on_the_grid():
    scene = thorax(4)
    coarse, fine = (scene.render(thorax_grid(*size)).truth for size in ((40, 128), (75, 200)))
    for side in ("left", "right"):
        assert coarse[side].volume_ml == pytest.approx(fine[side].volume_ml, rel=0.003)
        assert coarse[side].laa_950_percent == pytest.approx(fine[side].laa_950_percent, abs=0.1)


def test_the_percentile_is_that_of_the_materials_seen_through_noise():
    materials = [Material("air", -1000), Material("a", -980, "left"), Material("b", -860, "left")]
    truth = lung_truths(materials, np.array([5.0, 1.0, 9.0]), 20)["left"]
    draw = np.random.default_rng(1)
    voxels = np.repeat([-980.0, -860.0], [100_000, 900_000]) + draw.normal(0, 20, 1_000_000)
    assert truth.percentile_15_hu == pytest.approx(np.percentile(voxels, 15), abs=0.3)
    assert truth.mean_hu == pytest.approx(-872)
    assert truth.laa_950_percent == pytest.approx(10)


def test_the_image_has_the_noise_that_was_asked_for():
    scene = thorax(1)
    grid = thorax_grid(12, 96)
    quiet, noisy = (scene.render(grid, noise, seed=9).array for noise in (0, 20))
    tissue = quiet > -900  # in air it is cut off at -1024, as on a scanner
    assert (noisy - quiet)[tissue].std() == pytest.approx(20, rel=0.02)
    assert noisy.min() == -1024


def test_the_same_seed_is_the_same_patient_and_another_another():
    grid = thorax_grid(12, 64)
    first, again, other = (thorax(seed).render(grid, seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(first.array, again.array)
    assert first.truth == again.truth
    assert first.truth != other.truth


def test_rendering_needs_little_more_memory_than_the_image():
    grid = thorax_grid(60, 192)
    tracemalloc.start()
    try:
        rendered = thorax(1).render(grid)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2.2 * rendered.array.nbytes  # the finer grid alone would be seven times the image


def test_progress_rises_to_one():
    told = []
    thorax(1).render(thorax_grid(8, 32), progress=told.append)
    assert told == sorted(told)
    assert told[-1] == 1


def test_a_head_has_no_lung_but_much_air_within():
    scene = head(1)
    rendered = scene.render(head_grid(44, 128))
    assert rendered.truth == {}
    air = scene.materials.index(next(m for m in scene.materials if m.name == "air within the head"))
    ml = sum((plane == air).sum() for plane in scene.planes(rendered.grid)) * rendered.grid.voxel_ml
    assert ml > 60
