# SPDX-License-Identifier: Apache-2.0
"""Analytic solids that phantoms are built of.

Coordinates are patient coordinates in mm (PS3.3 §C.7.6.2.1.1): x towards the patient's left, y towards the
back, z towards the head.  A solid answers for one axial plane at a time: `inside(x, y, z)` takes x of shape
(1, columns), y of shape (rows, 1) and one z, and returns a boolean (rows, columns).
"""

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Bools = NDArray[np.bool_]
Point = tuple[float, float, float]
Bounds = tuple[tuple[float, float], tuple[float, float], tuple[float, float]]


class Shape(Protocol):
    """What every solid offers."""

    @property
    def bounds(self) -> Bounds:
        """The box round the solid, ((x0, x1), (y0, y1), (z0, z1)) in mm; nothing of it lies outside."""
        ...

    def inside(self, x: Floats, y: Floats, z: float) -> Bools:
        """Which points of the plane at `z` lie in the solid."""
        ...


@dataclass(frozen=True)
class Ellipsoid:
    """A superellipsoid along the axes; `power` 2 is the ellipsoid, higher is boxier."""

    centre: Point
    radii: Point
    power: float = 2.0

    @property
    def bounds(self) -> Bounds:
        (a, d), (b, e), (c, f) = zip(self.centre, self.radii, strict=True)
        return (a - d, a + d), (b - e, b + e), (c - f, c + f)

    def inside(self, x: Floats, y: Floats, z: float) -> Bools:
        return _term(x, self, 0) < 1 - _term(z, self, 2) - _term(y, self, 1)


@dataclass(frozen=True)
class Column:
    """An elliptical cylinder along z from `z_range[0]` to `z_range[1]`."""

    centre: tuple[float, float]
    radii: tuple[float, float]
    z_range: tuple[float, float]
    power: float = 2.0

    @property
    def bounds(self) -> Bounds:
        (a, d), (b, e) = zip(self.centre, self.radii, strict=True)
        return (a - d, a + d), (b - e, b + e), self.z_range

    def inside(self, x: Floats, y: Floats, z: float) -> Bools:
        return _term(x, self, 0) < 1 - _term(y, self, 1)


@dataclass(frozen=True)
class Bell:
    """A chest cavity: a superelliptical cylinder below `centre`'s z, half a superellipsoid above it."""

    centre: Point
    radii: Point
    bottom: float
    power: float = 2.5

    @property
    def bounds(self) -> Bounds:
        (a, d), (b, e), (c, f) = zip(self.centre, self.radii, strict=True)
        return (a - d, a + d), (b - e, b + e), (self.bottom, c + f)

    def inside(self, x: Floats, y: Floats, z: float) -> Bools:
        above = _term(max(z, self.centre[2]), self, 2)
        return _term(x, self, 0) < 1 - above - _term(y, self, 1)


@dataclass(frozen=True)
class Box:
    """A block along the axes."""

    bounds: Bounds

    def inside(self, x: Floats, y: Floats, z: float) -> Bools:
        (x0, x1), (y0, y1), _ = self.bounds
        return ((x >= x0) & (x < x1)) & ((y >= y0) & (y < y1))


@dataclass(frozen=True)
class Capsule:
    """A round rod with round ends: what lies within `radius` of the line from `start` to `end`."""

    start: Point
    end: Point
    radius: float

    @property
    def bounds(self) -> Bounds:
        low, high, r = np.minimum(self.start, self.end), np.maximum(self.start, self.end), self.radius
        x, y, z = ((float(a) - r, float(b) + r) for a, b in zip(low, high, strict=True))
        return x, y, z

    def inside(self, x: Floats, y: Floats, z: float) -> Bools:
        dx, dy, dz = (b - a for a, b in zip(self.start, self.end, strict=True))
        px, py, pz = x - self.start[0], y - self.start[1], z - self.start[2]
        length_2 = dx * dx + dy * dy + dz * dz
        along = np.clip((px * dx + py * dy + pz * dz) / max(length_2, 1e-9), 0, 1)
        off = (px - along * dx) ** 2 + (py - along * dy) ** 2 + (pz - along * dz) ** 2
        return np.asarray(off < self.radius**2)


@dataclass(frozen=True)
class Side:
    """The half space left (`sign` +1) or right (-1) of a leaning sagittal plane, `gap` mm away from it.

    The plane is x = `at` + `lean` * y.
    """

    sign: int
    at: float
    lean: float
    gap: float

    @property
    def bounds(self) -> Bounds:
        return _everywhere()

    def inside(self, x: Floats, y: Floats, z: float) -> Bools:
        return self.sign * x > self.gap + self.sign * (self.at + self.lean * y)


@dataclass(frozen=True)
class AboveDome:
    """What lies above a diaphragm: a paraboloid from `top` down, lower by `drop` mm at `radii` from it."""

    top: Point
    radii: tuple[float, float]
    drop: float

    @property
    def bounds(self) -> Bounds:
        return _everywhere()

    def inside(self, x: Floats, y: Floats, z: float) -> Bools:
        across = ((x - self.top[0]) / self.radii[0]) ** 2
        along = ((y - self.top[1]) / self.radii[1]) ** 2
        return across > (self.top[2] - z) / self.drop - along


@dataclass(frozen=True)
class Stripes:
    """Every `period` mm a stripe of `width` mm along z, lower by `slope` mm for each mm towards the front."""

    period: float
    width: float
    slope: float = 0.0

    @property
    def bounds(self) -> Bounds:
        return _everywhere()

    def inside(self, x: Floats, y: Floats, z: float) -> Bools:
        return np.broadcast_to(np.mod(z - self.slope * y, self.period) < self.width, (y.shape[0], x.shape[1]))


@dataclass(frozen=True)
class All:
    """What lies in every one of `parts`."""

    parts: tuple[Shape, ...]

    @property
    def bounds(self) -> Bounds:
        each = np.array([part.bounds for part in self.parts])
        low, high = each[..., 0].max(0), each[..., 1].min(0)
        x, y, z = ((float(a), float(b)) for a, b in zip(low, high, strict=True))
        return x, y, z

    def inside(self, x: Floats, y: Floats, z: float) -> Bools:
        mask = self.parts[0].inside(x, y, z)
        for part in self.parts[1:]:
            mask = mask & part.inside(x, y, z)
        return mask


@dataclass(frozen=True)
class Outside:
    """Everything that is not in `part`."""

    part: Shape

    @property
    def bounds(self) -> Bounds:
        return _everywhere()

    def inside(self, x: Floats, y: Floats, z: float) -> Bools:
        low, high = self.part.bounds[2]
        if low <= z <= high:
            return ~self.part.inside(x, y, z)
        return np.ones((y.shape[0], x.shape[1]), bool)


@dataclass(frozen=True)
class Placed:
    """`part` turned by `degrees` about the z axis (from the patient's left towards the back), then moved."""

    part: Shape
    degrees: float
    move: Point

    @property
    def bounds(self) -> Bounds:
        (x0, x1), (y0, y1), (z0, z1) = self.part.bounds
        z = z0 + self.move[2], z1 + self.move[2]
        if not np.isfinite((x0, x1, y0, y1)).all():
            return (*_everywhere()[:2], z)
        cos, sin = self._turn
        corners = [(cos * x - sin * y, sin * x + cos * y) for x in (x0, x1) for y in (y0, y1)]
        low, high = np.min(corners, 0) + self.move[:2], np.max(corners, 0) + self.move[:2]
        return (float(low[0]), float(high[0])), (float(low[1]), float(high[1])), z

    def inside(self, x: Floats, y: Floats, z: float) -> Bools:
        cos, sin = self._turn
        x, y = x - self.move[0], y - self.move[1]
        return self.part.inside(cos * x + sin * y, cos * y - sin * x, z - self.move[2])

    @property
    def _turn(self) -> tuple[float, float]:
        return math.cos(math.radians(self.degrees)), math.sin(math.radians(self.degrees))


def _term(value: Floats | float, shape: Ellipsoid | Column | Bell, axis: int) -> Floats:
    return np.abs((np.asarray(value) - shape.centre[axis]) / shape.radii[axis]) ** shape.power


def _everywhere() -> Bounds:
    return (-math.inf, math.inf), (-math.inf, math.inf), (-math.inf, math.inf)
