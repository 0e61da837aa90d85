# SPDX-License-Identifier: Apache-2.0
"""The torso phantom: organs with numbers, where they belong, in as many variants as there are seeds."""

import json

import numpy as np
import pytest
from scipy import ndimage

from imaging_data import find_instances, read_volume
from imaging_data.phantom import Grid, torso, torso_grid, write_series
from imaging_data.phantom.__main__ import main
from imaging_data.phantom.scene import Scene
from imaging_data.phantom.shapes import Box, Ellipsoid, Placed, Stripes
from imaging_data.phantom.torso import ORGANS

LEAST_ML = {"liver": 500, "spleen": 60, "heart": 120, "aorta": 50, "vertebrae": 150}
LEAST_ML |= {f"lung_{side}": 600 for side in ("left", "right")}
LEAST_ML |= {f"kidney_{side}": 50 for side in ("left", "right")}
SEEDS = range(1, 13)


@pytest.fixture(scope="module")
def phantoms():
    return [torso(seed).render(torso_grid(56, 66), seed=seed, factor=1) for seed in SEEDS]


def mask(rendered, organ):
    return rendered.labelmap == rendered.organs[organ]


def centre(rendered, organ):
    """In patient coordinates: (x, y, z)."""
    return (rendered.grid.affine @ (*np.argwhere(mask(rendered, organ)).mean(0), 1))[:3]


def test_organs_have_the_numbers_of_their_order(phantoms):
    assert phantoms[0].organs == {organ: number for number, organ in enumerate(ORGANS, 1)}
    assert phantoms[0].labelmap.dtype == np.uint8
    assert phantoms[0].labelmap.shape == phantoms[0].array.shape


@pytest.mark.parametrize("organ", ORGANS)
def test_every_patient_has_it_in_a_likely_size(phantoms, organ):
    volumes = [mask(each, organ).sum() * each.grid.voxel_ml for each in phantoms]
    assert min(volumes) > LEAST_ML[organ]
    assert np.std(volumes) > 0.05 * np.mean(volumes)


@pytest.mark.parametrize("organ", [organ for organ in ORGANS if organ not in ("vertebrae", "aorta")])
def test_the_grid_covers_it_wholly(phantoms, organ):
    assert all(mask(each, organ)[1:-1, 1:-1, 1:-1].sum() == mask(each, organ).sum() for each in phantoms)


def test_left_is_left_and_up_is_up(phantoms):
    for each in phantoms:
        at = {organ: centre(each, organ) for organ in ORGANS}
        assert at["kidney_right"][0] < at["vertebrae"][0] < at["kidney_left"][0]
        assert at["lung_right"][0] < at["lung_left"][0]
        assert at["liver"][0] < at["spleen"][0]
        assert at["heart"][1] < at["vertebrae"][1]
        assert at["kidney_right"][2] < at["liver"][2] < at["lung_right"][2]


@pytest.mark.parametrize("organ", ["liver", "spleen", "kidney_left", "kidney_right", "heart", "aorta"])
def test_it_is_nearly_one_piece(phantoms, organ):
    for each in phantoms:
        pieces, count = ndimage.label(mask(each, organ), np.ones((3, 3, 3)))
        assert np.bincount(pieces.ravel(), minlength=count + 1)[1:].max() > 0.95 * mask(each, organ).sum()


def test_contrast_phases_differ(phantoms):
    aortas = [np.median(each.array[mask(each, "aorta")]) for each in phantoms]
    assert min(aortas) < 60
    assert max(aortas) > 130


def test_the_same_seed_is_the_same_patient(phantoms):
    again = torso(1).render(torso_grid(56, 66), seed=1, factor=1)
    assert np.array_equal(again.labelmap, phantoms[0].labelmap)
    assert np.array_equal(again.array, phantoms[0].array)


def test_the_labelmap_is_what_lies_at_the_centre_of_a_voxel():
    scene = Scene("test", organs=("cube",))
    scene.paint(Box(((-8, 8), (-8, 8), (-8, 8))), scene.material("cube", 50, organ="cube"))
    for factor in (1, 3):
        labelmap = scene.render(Grid.over((10, 10, 10), (-20, 20), 40), factor=factor).labelmap
        assert (labelmap == 1)[3:7, 3:7, 3:7].all()
        assert labelmap.sum() == 4**3


def test_an_organ_that_the_scene_does_not_tell_apart_is_refused():
    with pytest.raises(ValueError, match="'spleen' is not one of the organs liver"):
        Scene("test", organs=("liver",)).material("spleen", 50, organ="spleen")


def test_a_placed_solid_is_turned_about_z_and_moved():
    rod = Placed(Box(((0, 20), (-2, 2), (-2, 2))), 90, (5, 0, 7))
    x, y = np.meshgrid(np.arange(-30.0, 31), np.arange(-30.0, 31))
    inside = rod.inside(x[:1], y[:, :1], 7)
    assert np.allclose([x[inside].mean(), y[inside].mean()], [5, 9.5], atol=0.6)
    assert np.allclose(rod.bounds, ((3, 7), (0, 20), (5, 9)))
    assert Placed(Stripes(5, 2), 9, (0, 0, 1)).bounds[0] == (-np.inf, np.inf)


def test_a_placed_solid_lies_within_its_bounds():
    solid = Placed(Ellipsoid((10, 3, 0), (12, 5, 6)), 30, (1, 2, 3))
    grid = Grid.over((40, 60, 60), (-15, 15), 60)
    z, y, x = grid.coordinates
    inside = np.stack([solid.inside(x[None], y[:, None], float(plane)) for plane in z])
    (x0, x1), (y0, y1), (z0, z1) = solid.bounds
    at = np.argwhere(inside)
    assert z0 <= z[at[:, 0]].min() <= z[at[:, 0]].max() <= z1
    assert y0 <= y[at[:, 1]].min() <= y[at[:, 1]].max() <= y1
    assert x0 <= x[at[:, 2]].min() <= x[at[:, 2]].max() <= x1
    assert inside.sum() * grid.voxel_ml * 1000 == pytest.approx(4 / 3 * np.pi * 12 * 5 * 6, rel=0.05)


def test_it_is_written_as_a_series(tmp_path):
    rendered = torso(3).render(torso_grid(8, 40), seed=3, factor=1)
    write_series(rendered, tmp_path)
    [series] = find_instances(tmp_path).series
    volume = read_volume(series)
    assert np.array_equal(volume.array, rendered.array)
    assert np.allclose(volume.affine, rendered.grid.affine, atol=1e-3)
    assert series.instances[0].dataset.BodyPartExamined == "CHESTABDOMEN"


def test_the_command_makes_it(tmp_path, capsys):
    assert main([str(tmp_path), "--kind", "torso", "--slices", "6", "--rows", "40", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["kind"] == "torso"
    assert set(report["truth"]) == {"left", "right", "total"}
