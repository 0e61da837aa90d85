# SPDX-License-Identifier: Apache-2.0
"""A head: skull, brain, sinuses, pharynx and mastoid cells.  Much air within bone, and no lung.

z is 0 at the orbitomeatal plane.  The mastoid cells are finer than a voxel: by partial volume their HU is
that of lung.
"""

import numpy as np

from .grid import Grid
from .scene import Scene
from .shapes import All, Box, Capsule, Column, Ellipsoid, Stripes

Z_RANGE = (-90.0, 130.0)
FIELD_OF_VIEW_MM = 250.0


def head(seed: int) -> Scene:
    """A head phantom; `seed` varies the sizes."""
    draw = np.random.default_rng([seed, 2])
    scene = Scene("head")
    grown = draw.uniform(0.94, 1.06)
    _skull(scene, grown)
    _brain(scene, grown)
    _air(scene, draw, grown)
    return scene


def head_grid(slices: int = 60, rows: int = 512) -> Grid:
    """A grid for `head`: from the chin to over the vertex."""
    return Grid.over((slices, rows, rows), Z_RANGE, FIELD_OF_VIEW_MM)


def _skull(scene: Scene, grown: float) -> None:
    foam, skin = scene.material("head rest", -900), scene.material("skin", 20)
    muscle, bone = scene.material("muscle", 50), scene.material("cortical bone", 1000)
    scene.paint(Box(((-80, 80), (104 * grown, 118), (-90, 130))), foam)
    scene.paint(Ellipsoid((0, 0, 25), (78 * grown, 98 * grown, 95 * grown), 2.2), skin)
    scene.paint(Column((0, -8), (64 * grown, 82 * grown), (-400, 20), 2.3), skin)
    scene.paint(Column((0, -8), (58 * grown, 76 * grown), (-400, 20), 2.3), muscle)
    scene.paint(Ellipsoid((0, 0, 25), (72 * grown, 92 * grown, 89 * grown), 2.2), bone)
    scene.paint(Column((0, -40), (45 * grown, 46 * grown), (-60, 5), 2.5), bone)
    scene.paint(Column((0, -36), (38 * grown, 38 * grown), (-60, 5), 2.5), muscle)


def _brain(scene: Scene, grown: float) -> None:
    fluid, brain = scene.material("cerebrospinal fluid", 8), scene.material("brain", 35)
    skull_base = Box(((-400, 400), (-400, 400), (-5, 400)))
    scene.paint(All((Ellipsoid((0, 0, 25), (66 * grown, 86 * grown, 83 * grown), 2.2), skull_base)), fluid)
    scene.paint(All((Ellipsoid((0, 0, 25), (63 * grown, 83 * grown, 80 * grown), 2.2), skull_base)), brain)
    for side in (-1, 1):
        scene.paint(Capsule((side * 10, -30, 40), (side * 16, 30, 44), 6), fluid)
        scene.paint(Ellipsoid((side * 32, -74 * grown, 2), (12, 12, 12)), fluid)  # the eyes


def _air(scene: Scene, draw: np.random.Generator, grown: float) -> None:
    """Sinuses, the way from the nose to the throat, and mastoid cells on both sides."""
    air, bone = scene.material("air within the head", -1000), scene.material("bone septa", 300)
    sinuses = [((0, -80, 28), (16, 5, 12)), ((0, -30, -2), (14, 10, 9)), ((0, -62, -4), (10, 14, 10))]
    sinuses += [((side * 26, -56, -28), (13, 15, 16)) for side in (-1, 1)]
    for centre, radii in sinuses:
        scene.paint(Ellipsoid(_scaled(centre, grown), _scaled(radii, draw.uniform(0.85, 1.15))), air)
    scene.paint(Box(((-9, 9), (-110 * grown, -34), (-42, -14))), air)
    scene.paint(Capsule((0, -34, -30), (0, -16, -90), 8), air)
    for side in (-1, 1):
        mastoid = Ellipsoid(_scaled((side * 54, 22, -12), grown), (13, 17, 20))
        scene.paint(mastoid, air)
        scene.paint(All((mastoid, Stripes(4, 0.7, slope=0.9))), bone)
        scene.paint(All((mastoid, Stripes(4, 0.7, slope=-0.9))), bone)
        scene.paint(Capsule((side * 90, 8, -8), (side * 52, 4, -8), 3.5), air)


def _scaled(point: tuple[float, float, float], by: float) -> tuple[float, float, float]:
    return point[0] * by, point[1] * by, point[2] * by
