# SPDX-License-Identifier: Apache-2.0
"""A chest: everything that makes lungs hard to measure, with known volumes.

z is 0 at the carina.  Lungs of different shape meet in front of the mediastinum with 0.4 mm of pleura between
them; the main bronchi open into them; vessels branch from the hila; stomach and bowel hold gas under the
diaphragm; the table has a core of foam as light as lung.
"""

from dataclasses import replace

import numpy as np

from .grid import Grid
from .scene import Scene
from .shapes import (
    AboveDome,
    All,
    Bell,
    Box,
    Capsule,
    Column,
    Ellipsoid,
    Outside,
    Point,
    Side,
    Stripes,
)
from .vessels import Rod, branches

Z_RANGE = (-165.0, 135.0)  # covers the lungs wholly
FIELD_OF_VIEW_MM = 400.0
PARENCHYMA_HU = (-888, -836)  # front and back of a patient lying on the back
LAYERS = 14
SIDES = {"right": -1, "left": +1}


class Chest:
    """The measures of one chest, drawn from the seed; lengths in mm."""

    def __init__(self, seed: int, unequal: bool) -> None:
        self.draw = np.random.default_rng([seed, 1])
        u = self.draw.uniform
        self.cavity = Bell((0, 0, u(-15, -5)), (u(112, 122), u(78, 86), u(98, 108)), -155)
        self.wall = u(22, 28)
        self.midline = u(-3, 3) + (16 if unequal else 0)  # the small lung draws the mediastinum over
        self.lean = u(-0.06, 0.06)
        self.dome = {"right": u(-82, -72), "left": u(-100, -88) + (55 if unequal else 0)}
        self.hilum = {"right": (self.midline - 40, 8, -24), "left": (self.midline + 42, 10, -28)}


def thorax(seed: int, unequal: bool = False) -> Scene:
    """A chest phantom.  `unequal`: a small left lung, its diaphragm high, the mediastinum drawn over."""
    chest = Chest(seed, unequal)
    scene = Scene("thorax")
    _table(scene, chest)
    _body(scene, chest)
    for side in SIDES:
        _lung(scene, chest, side)
    _mediastinum(scene, chest)
    for side in SIDES:
        _vessels_and_nodule(scene, chest, side)
    _spine_and_ribs(scene, chest)
    _airways(scene, chest)
    _abdomen_gas(scene, chest)
    return scene


def thorax_grid(slices: int = 120, rows: int = 512, cut: str = "") -> Grid:
    """A grid for `thorax`; `cut` "top" leaves the apices out, "bottom" the bases, "both" both.

    Raises ValueError for another `cut`.
    """
    if cut not in ("", "top", "bottom", "both"):
        raise ValueError(f"cut is {cut!r}; it can be top, bottom, both or empty")
    low = -40.0 if cut in ("bottom", "both") else Z_RANGE[0]
    high = 40.0 if cut in ("top", "both") else Z_RANGE[1]
    return Grid.over((slices, rows, rows), (low, high), FIELD_OF_VIEW_MM, (0, 15))


def _table(scene: Scene, chest: Chest) -> None:
    back = chest.cavity.radii[1] + chest.wall
    shell, foam = scene.material("table top", -450), scene.material("table foam", -900)
    scene.paint(Box(((-190, 190), (back + 3, back + 48), (-400, 400))), shell)
    scene.paint(Box(((-187, 187), (back + 5, back + 46), (-400, 400))), foam)


def _body(scene: Scene, chest: Chest) -> None:
    rx, ry, _ = chest.cavity.radii
    skin, fat, muscle = scene.material("skin", 20), scene.material("fat", -100), scene.material("muscle", 50)
    for label, depth in ((skin, 0), (fat, 2), (muscle, chest.wall - 14)):
        out = chest.wall - depth
        scene.paint(Column((0, 0), (rx + 1.6 * out, ry + out), (-400, 400), 2.4), label)
    scene.paint(Column((0, 0), (rx, ry), (-400, -20), 2.5), scene.material("abdomen", 30))


def _lung(scene: Scene, chest: Chest, side: str) -> None:
    """Parenchyma in layers from light in front to dense at the back, emphysema in it."""
    rx, ry, _ = chest.cavity.radii
    sign, u = SIDES[side], chest.draw.uniform
    dome = AboveDome((sign * 0.42 * rx + chest.midline / 2, -6, chest.dome[side]), (0.6 * rx, ry), u(36, 44))
    shape = All((chest.cavity, Side(sign, chest.midline, chest.lean, 0.2), dome))
    labels = [scene.material(f"{side} parenchyma", hu, side) for hu in np.linspace(*PARENCHYMA_HU, LAYERS)]
    scene.paint(shape, labels[0], layers=tuple(np.linspace(-ry, ry, LAYERS + 1)[1:-1]))
    parenchyma = scene.labels_of(side)
    emphysema = scene.material(f"{side} emphysema", -1000, side)
    for _ in range(int(chest.draw.integers(5, 15))):
        centre = chest.midline + sign * u(28, 95), u(-60, 50), u(-40, 75)
        scene.paint(Ellipsoid(centre, (u(8, 20), u(8, 20), u(9, 24))), emphysema, parenchyma)


def _mediastinum(scene: Scene, chest: Chest) -> None:
    m, ry = chest.midline, chest.cavity.radii[1]
    fat, blood = scene.material("mediastinal fat", -80), scene.material("blood", 45)
    scene.paint(Column((m, 6), (24, ry - 20), (-400, 400)), fat)
    scene.paint(Ellipsoid((m + 18, -28, -52), (54, 44, 48)), blood)
    descending, arch = (m + 18, 44.0), (m + 2.0, 8.0, 52.0)
    scene.paint(Column(descending, (12, 12), (-400, 40)), blood)
    scene.paint(Capsule((m - 6, -26, -10), (m - 8, -22, 44), 14), blood)
    scene.paint(Capsule((m - 8, -22, 44), arch, 13), blood)
    scene.paint(Capsule(arch, (*descending, 38), 12), blood)
    scene.paint(Column((m - 24, -14), (9, 8), (-10, 120)), blood)
    scene.paint(Column((m - 2, 36), (8, 6), (-110, 400)), scene.material("oesophagus", 40))
    scene.paint(Capsule((m - 2, 36, 55), (m - 2, 36, 62), 2.5), scene.material("oesophageal gas", -1000))


def _vessels_and_nodule(scene: Scene, chest: Chest, side: str) -> None:
    label = scene.material(f"{side} vessel", 40, side)
    lung = scene.labels_of(side)
    for rod in branches(chest.draw, chest.hilum[side], SIDES[side]):
        scene.paint(Capsule(rod.start, rod.end, rod.radius), label, lung)
    u, radius = chest.draw.uniform, chest.draw.uniform(6, 9)
    place = chest.midline + SIDES[side] * u(55, 80), u(-20, 30), u(10, 40)
    scene.paint(Ellipsoid(place, (radius,) * 3), scene.material(f"{side} nodule", 35, side), lung)


def _spine_and_ribs(scene: Scene, chest: Chest) -> None:
    (rx, ry, rz), z = chest.cavity.radii, (-400.0, 400.0)
    disc, marrow = scene.material("disc", 80), scene.material("marrow", 180)
    cortex = scene.material("cortical bone", 700)
    scene.paint(Column((0, ry - 14), (19, 16), z), disc)
    scene.paint(All((Column((0, ry - 14), (19, 16), z), Stripes(30, 24))), cortex)
    scene.paint(All((Column((0, ry - 14), (17, 14), z), Stripes(30, 24))), marrow)
    scene.paint(Column((0, ry + 8), (4, 9), z), cortex)
    muscle = frozenset(k for k, material in enumerate(scene.materials) if material.name == "muscle")
    for label, deep, high in ((cortex, 9, 9), (marrow, 7, 6)):
        outer, inner = deep, 9 - deep
        shell = replace(chest.cavity, radii=(rx + outer, ry + outer, rz + outer))
        within = Outside(replace(chest.cavity, radii=(rx + inner, ry + inner, rz + inner)))
        scene.paint(All((shell, within, Stripes(26, high, slope=0.35))), label, muscle)
        muscle |= {cortex}
    scene.paint(Ellipsoid((0, -ry - 6, 0), (16, 5, 85)), marrow)


def _airways(scene: Scene, chest: Chest) -> None:
    """Trachea and main bronchi: walls first, then the lumen, which opens into the lungs."""
    m, u = chest.midline, chest.draw.uniform
    wall, lumen = scene.material("airway wall", 30), scene.material("airway lumen", -1000)
    carina: Point = (m, 12, 0)
    rods = [Rod((m / 2, 14, 400), carina, u(9.5, 11))]
    rods += [Rod(carina, chest.hilum[side], u(6.5, 7.5)) for side in SIDES]
    for rod in rods:
        scene.paint(Capsule(rod.start, rod.end, rod.radius + 1.5), wall)
    for rod in rods:
        scene.paint(Capsule(rod.start, rod.end, rod.radius), lumen)
    for rod in rods[1:]:
        scene.paint(Capsule(rod.end, rod.beyond(4), rod.radius - 1), lumen)


def _abdomen_gas(scene: Scene, chest: Chest) -> None:
    """Stomach and bowel: gas with 4 mm of wall and diaphragm round it."""
    u, left = chest.draw.uniform, chest.dome["left"]
    wall, gas = scene.material("bowel wall", 40), scene.material("bowel gas", -1000)
    below: list[tuple[Point, Point]] = [((56, -18, left - 32), (30, 30, 26))]
    for x in (-80, -30, 30, 85):
        below.append(((x, u(-50, -20), u(-165, -140)), (u(14, 26), u(12, 20), u(12, 22))))
    soft = {"abdomen", "bowel wall"}
    within = frozenset(k for k, each in enumerate(scene.materials) if each.name in soft or each.lung)
    for centre, (rx, ry, rz) in below:
        scene.paint(Ellipsoid(centre, (rx + 4, ry + 4, rz + 4)), wall, within)
    for centre, radii in below:
        scene.paint(Ellipsoid(centre, radii), gas, within)
