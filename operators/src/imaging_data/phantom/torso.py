# SPDX-License-Identifier: Apache-2.0
"""A torso from the lungs to the kidneys, with organs that are told apart; what networks are trained on.

z is 0 at the diaphragm's dome.  The seed varies sizes, places, fat, the contrast phase and how the patient
lies; liver and stomach lie under the dome, bowel with gas or contrast in front, ribs round the chest.
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
    Placed,
    Point,
    Shape,
    Side,
    Stripes,
)
from .vessels import branches

ORGANS = (
    "lung_left",
    "lung_right",
    "liver",
    "spleen",
    "kidney_left",
    "kidney_right",
    "vertebrae",
    "heart",
    "aorta",
)
Z_RANGE = (-185.0, 151.0)  # covers all organs but vertebrae and aorta wholly
FIELD_OF_VIEW_MM = 396.0
PHASES = (0.0, 0.4, 1.0)  # how much contrast medium the blood holds
SIDES = {"right": -1, "left": +1}
LONG = (-400.0, 400.0)


class Torso:
    """The measures of one torso, drawn from the seed; lengths in mm."""

    def __init__(self, seed: int) -> None:
        self.draw = np.random.default_rng([seed, 3])
        u = self.draw.uniform
        self.scene = Scene("torso", organs=ORGANS)
        self.contrast = float(self.draw.choice(PHASES))
        self.scale = u(0.9, 1.04)
        self.degrees = u(-7, 7)
        self.move: Point = (u(-10, 10), u(-10, 10), u(-6, 6))
        self.cavity = Bell((0, 0, u(26, 36)), (u(122, 140), u(84, 98), u(86, 100)), -400)
        self.fat = u(6, 28)
        self.muscle = u(12, 18)
        self.dome = {"right": u(-4, 8), "left": u(-14, 0)}
        self.fat_hu = u(-115, -90)

    def material(self, name: str, hu: float, organ: str = "") -> int:
        """A material of the scene; that of a lung counts for its side too."""
        lung = organ.removeprefix("lung_") if organ.startswith("lung_") else ""
        return self.scene.material(name, hu, lung, organ)

    def paint(self, shape: Shape, label: int, *over: str) -> None:
        """Lay `label` on, as the patient lies, over the materials whose names begin with one of `over`."""
        within = [k for k, each in enumerate(self.scene.materials) if each.name.startswith(over or "")]
        self.scene.paint(Placed(shape, self.degrees, self.move), label, frozenset(within) if over else None)

    def blob(self, centre: Point, radii: Point, jitter: float = 5, spread: float = 0.15) -> Ellipsoid:
        """An ellipsoid whose place varies by some mm, and each radius by the part `spread`."""
        x, y, z = np.asarray(centre) + self.draw.normal(0, jitter, 3).clip(-2 * jitter, 2 * jitter)
        a, b, c = np.asarray(radii) * self.draw.uniform(1 - spread, 1 + spread, 3)
        return Ellipsoid(_scaled((x, y, z), self.scale), _scaled((a, b, c), self.scale))

    def enhanced(self, native: float, least: float, most: float) -> float:
        """HU of a tissue that contrast medium brightens by `least` to `most` when there is all of it."""
        return float(native + self.draw.uniform(-6, 6) + self.contrast * self.draw.uniform(least, most))

    def under(self, side: str, gap: float = 0) -> Shape:
        """What lies below the diaphragm of one side, `gap` mm under it."""
        return Outside(self.above(side, -gap))

    def above(self, side: str, gap: float = 0) -> AboveDome:
        """What lies above the diaphragm of one side, `gap` mm over it."""
        rx, ry, _ = self.cavity.radii
        top = SIDES[side] * 0.45 * rx * self.scale, -4.0, (self.dome[side] + gap) * self.scale
        return AboveDome(top, (0.62 * rx * self.scale, ry * self.scale), 42 * self.scale)

    def within(self, wall: float = 0) -> Bell:
        """The cavity of chest and abdomen, wider by `wall` mm all round."""
        x, y, z = self.cavity.radii
        return replace(
            self.cavity,
            centre=_scaled(self.cavity.centre, self.scale),
            radii=_scaled((x + wall, y + wall, z + wall), self.scale),
        )


def torso(seed: int) -> Scene:
    """A torso phantom whose `organs` are ORGANS; another seed is another patient."""
    body = Torso(seed)
    _table(body)
    _wall(body)
    _abdomen(body)
    _chest(body)
    _kidneys(body)
    _spine(body)
    _aorta(body)
    _ribs(body)
    return body.scene


def torso_grid(slices: int = 112, rows: int = 132) -> Grid:
    """A grid for `torso`, 3 mm by default: from over the apices of the lungs to under the kidneys."""
    return Grid.over((slices, rows, rows), Z_RANGE, FIELD_OF_VIEW_MM)


def _table(body: Torso) -> None:
    back = (body.cavity.radii[1] + body.fat + body.muscle) * body.scale + body.move[1]
    shell, foam = body.scene.material("table top", -450), body.scene.material("table foam", -900)
    body.scene.paint(Box(((-190, 190), (back + 6, back + 46), LONG)), shell)
    body.scene.paint(Box(((-187, 187), (back + 8, back + 44), LONG)), foam)


def _wall(body: Torso) -> None:
    """Skin, fat and muscle round the cavity; in it the fat of the abdomen."""
    rx, ry, _ = body.cavity.radii
    layers = (("skin", 20.0, body.muscle + body.fat), ("fat", body.fat_hu, body.muscle + body.fat - 2))
    for name, hu, out in (*layers, ("muscle", body.draw.uniform(45, 60), body.muscle)):
        radii = (rx + 1.2 * out) * body.scale, (ry + out) * body.scale
        body.paint(Column((0, 0), radii, LONG, 2.4), body.material(name, hu))
    body.paint(body.within(), body.material("fat of the abdomen", body.fat_hu + body.draw.uniform(5, 25)))


def _abdomen(body: Torso) -> None:
    _bowel(body)
    _stomach(body)
    _spleen(body)
    _liver(body)


def _bowel(body: Torso) -> None:
    """Loops of gas, water, soft tissue or oral contrast."""
    draw, u = body.draw, body.draw.uniform
    wall = body.material("bowel wall", 40)
    fillings = [body.material("bowel content", hu) for hu in (-800, 15, 40, 180)]
    for _ in range(14):
        loop = body.blob((u(-90, 90), u(-65, 5), u(-185, -95)), (20, 16, 20), 0, 0.4)
        inner = replace(loop, radii=(loop.radii[0] - 3, loop.radii[1] - 3, loop.radii[2] - 3))
        body.paint(All((loop, body.within(-2))), wall)
        body.paint(All((inner, body.within(-5))), int(draw.choice(fillings, p=(0.3, 0.3, 0.25, 0.15))))


def _stomach(body: Torso) -> None:
    filling, gas = body.material("stomach", 30), body.material("stomach gas", -950)
    shape = body.blob((52, -34, -45), (36, 34, 42), 6, 0.2)
    body.paint(All((shape, body.within(-3), body.under("left", 5))), filling)
    level = shape.centre[1] - body.draw.uniform(-4, 0.9 * shape.radii[1])
    inner = replace(shape, radii=_scaled(shape.radii, 0.9))
    above = Box(((-400, 400), (-400, level), LONG))
    body.paint(All((inner, body.within(-6), body.under("left", 9), above)), gas)


def _spleen(body: Torso) -> None:
    label = body.material("spleen", body.enhanced(48, 50, 90), "spleen")
    shape = body.blob((90, 34, -42), (30, 42, 48))
    body.paint(All((shape, body.within(-3), body.under("left", 5))), label)


def _liver(body: Torso) -> None:
    """A right and a left lobe, pressed against the dome, with a few darker lesions."""
    label = body.material("liver", body.enhanced(56, 30, 60), "liver")
    lesion = body.material("liver lesion", 20 + 20 * body.contrast, "liver")
    right = body.blob((-64, -8, -42), (72, 76, 62))
    left = body.blob((0, -46, -24), (62, 34, 32))
    for lobe, side in ((right, "right"), (left, "right"), (left, "left")):
        halves = (Side(SIDES[side], 0, 0, 0),) if lobe is left else ()
        body.paint(All((lobe, body.within(-3), body.under(side, 5), *halves)), label)
    for _ in range(int(body.draw.integers(0, 4))):
        inside = _scaled(right.radii, 0.5)
        x, y, z = np.asarray(right.centre) + body.draw.uniform(-1, 1, 3) * inside
        radius = float(body.draw.uniform(6, 15))
        body.paint(Ellipsoid((float(x), float(y), float(z)), (radius,) * 3), lesion, "liver")


def _chest(body: Torso) -> None:
    soft = body.material("mediastinum", body.draw.uniform(-70, 30))
    for side, sign in SIDES.items():
        half = Side(sign, 0, 0, -0.01)
        body.paint(All((body.within(), body.above(side, -4), half)), soft)
        _lung(body, side)
    _heart(body)


def _lung(body: Torso, side: str) -> None:
    """Parenchyma and the larger vessels from the hilum, which count for the lung."""
    sign, u, organ = SIDES[side], body.draw.uniform, f"lung_{side}"
    air = body.material(f"{side} parenchyma", u(-900, -780), organ)
    vessel = body.material(f"{side} vessel", body.enhanced(40, 60, 120), organ)
    beside = Side(sign, 0, u(-0.06, 0.06), u(14, 22) * body.scale)
    body.paint(All((body.within(-2), body.above(side), beside)), air)
    hilum = _scaled((sign * 40, 5, 62), body.scale)
    for rod in branches(body.draw, hilum, sign):
        if rod.radius > 2:
            body.paint(Capsule(rod.start, rod.end, rod.radius * body.scale), vessel, side)


def _heart(body: Torso) -> None:
    label = body.material("heart", body.enhanced(42, 60, 150), "heart")
    shape = body.blob((20, -34, 32), (50, 42, 46))
    chest = ("mediastinum", "left", "right")
    body.paint(All((shape, body.within(-4))), label, *chest)


def _kidneys(body: Torso) -> None:
    """Cortex round a darker pelvis."""
    hu = body.enhanced(32, 80, 160)
    for side, sign in SIDES.items():
        cortex = body.material(f"kidney {side}", hu, f"kidney_{side}")
        pelvis = body.material(f"pelvis of the kidney {side}", 0.4 * hu, f"kidney_{side}")
        shape = body.blob((sign * 60, 44, -96 - (6 if side == "right" else 0)), (26, 27, 48), 4)
        x, y, z = shape.centre
        inner = Ellipsoid((x - sign * 6, y, z), _scaled(shape.radii, 0.45))
        body.paint(All((shape, body.within(-3))), cortex)
        body.paint(inner, pelvis, "kidney")


def _spine(body: Torso) -> None:
    """Vertebrae with discs, pedicles, canal and spinous processes, along a gentle curve."""
    u, s = body.draw.uniform, body.scale
    muscle = body.material("back muscle", 50)
    disc, canal = body.material("disc", 85), body.material("spinal canal", 30)
    cortex = body.material("cortical bone", u(400, 900), "vertebrae")
    marrow = body.material("marrow", u(120, 260), "vertebrae")
    radius, high, gap = u(17, 22) * s, u(22, 27) * s, u(5, 8) * s
    y0, bend = (body.cavity.radii[1] - 14) * s, u(3, 9) * s
    for z in np.arange(-230, 230, high + gap):
        y = y0 - bend * float(np.sin(z / 110))
        level, bone = (float(z), float(z + high + gap)), (float(z), float(z + high))
        body.paint(Column((0, y + radius), (2.2 * radius, 1.2 * radius), level), muscle)
        body.paint(Column((0, y + radius + 7 * s), (15 * s, 13 * s), (bone[0], bone[1] - 5 * s)), cortex)
        body.paint(Column((0, y), (1.15 * radius, radius), level), disc)
        body.paint(Column((0, y), (1.15 * radius, radius), bone), cortex)
        body.paint(Column((0, y), (1.15 * radius - 3, radius - 3), bone), marrow)
        body.paint(Column((0, y + radius + 7 * s), (9 * s, 8 * s), level), canal)
        back = y + radius + 16 * s
        spine = Box(((-4 * s, 4 * s), (back, back + 20 * s), (bone[0], bone[0] + 0.6 * high)))
        body.paint(spine, cortex, "muscle", "back muscle", "fat")


def _aorta(body: Torso) -> None:
    """Up from the heart, over the arch and down in front of the spine."""
    label, s = body.material("aorta", body.enhanced(42, 90, 220), "aorta"), body.scale
    radius = float(body.draw.uniform(10, 14)) * s
    x, y = 14 * s, (body.cavity.radii[1] - 42) * s
    top = float(body.draw.uniform(78, 90)) * s
    arch: Point = (4 * s, 0.0, top + radius)
    body.paint(Column((x, y), (radius, radius), (LONG[0], top)), label)
    body.paint(Capsule((-6 * s, -24 * s, 60 * s), (-8 * s, -20 * s, top - 8 * s), radius), label)
    body.paint(Capsule((-8 * s, -20 * s, top - 8 * s), arch, radius), label)
    body.paint(Capsule(arch, (x, y, top - 4 * s), radius), label)


def _ribs(body: Torso) -> None:
    cortex, marrow = body.material("rib", body.draw.uniform(350, 750)), body.material("rib marrow", 180)
    high = Box(((-400, 400), (-400, 400), (-70 * body.scale, 400)))
    for label, deep, wide, over in ((cortex, 9, 9, "muscle"), (marrow, 7, 6, "rib")):
        shell = All((body.within(deep), Outside(body.within(9 - deep)), high))
        body.paint(All((shell, Stripes(26, wide, slope=0.35))), label, over)


def _scaled(point: Point, by: float) -> Point:
    return point[0] * by, point[1] * by, point[2] * by
