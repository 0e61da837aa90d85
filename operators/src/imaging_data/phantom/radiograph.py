# SPDX-License-Identifier: Apache-2.0
"""A procedural frontal chest radiograph with findings that can be switched on, each with its true place.

Lengths are in halves of the image's side: x from -1 (the image's left, the patient's right) to 1, y from -1
(head) to 1.  Grey values go up with what X-rays meet on their way.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
FINDINGS = ("Effusion", "Mass", "Cardiomegaly", "Pneumothorax")
SOFT = 0.02  # width over which an edge passes from 0 to 1
RIGHT, LEFT = -1, 1
BONE, HEART, SPINE, VESSELS = 0.06, 0.30, 0.26, 0.05
LUNG = -0.42  # what air takes from the tissue round it


@dataclass(frozen=True, eq=False)
class ChestRadiograph:
    """array: float32 (side, side), 0 to 1, 1 bright.  places: where each finding is, as float32, 0 to 1."""

    array: Floats
    places: dict[str, Floats] = field(default_factory=dict)


def chest_radiograph(seed: int, findings: Collection[str] = (), side: int = 512) -> ChestRadiograph:
    """The chest of patient `seed` with `findings` (of FINDINGS), in side x side pixels.

    The same seed is the same patient with or without a finding.  Raises ValueError for another finding.
    """
    unknown = set(findings) - set(FINDINGS)
    if unknown:
        raise ValueError(f"the phantom has no {', '.join(sorted(unknown))}; it has {', '.join(FINDINGS)}")
    patient = _Patient(np.random.default_rng(seed), side)
    drawn = patient.draw(set(findings))
    return ChestRadiograph(drawn, {name: patient.places[name] for name in FINDINGS if name in findings})


def _edge(distance: NDArray[Any]) -> Floats:
    """1 inside (distance below 0), 0 outside."""
    return np.asarray(1 / (1 + np.exp(np.clip(distance / SOFT * 4, -30, 30))), np.float32)


class _Patient:
    """One patient: all that is random is drawn in one order, whatever the findings."""

    def __init__(self, random: np.random.Generator, side: int) -> None:
        self.random = random
        span = np.linspace(-1, 1, side, dtype=np.float32)
        turn, scale = random.normal(0, 0.03), random.uniform(0.92, 1.08)
        dx, dy = random.normal(0, 0.03, 2)
        across, down = span[None, :] - dx, span[:, None] - dy
        self.x: Floats = ((np.cos(turn) * across + np.sin(turn) * down) / scale).astype(np.float32)
        self.y: Floats = ((np.cos(turn) * down - np.sin(turn) * across) / scale).astype(np.float32)
        self.places: dict[str, Floats] = {}
        self.lung_width, self.apex = random.uniform(0.30, 0.36), random.uniform(-0.78, -0.70)
        self.dome = {RIGHT: random.uniform(0.42, 0.50), LEFT: random.uniform(0.48, 0.56)}
        self.heart = random.uniform(0.24, 0.30)
        self.big_heart = random.uniform(0.40, 0.48)
        self.choices = random.random(12)
        self.exposure, self.gamma = random.uniform(0.9, 1.1), random.uniform(0.8, 1.25)
        self.noise = random.uniform(0.008, 0.02)
        self.vessels = _clouds(random, side)
        self.grain = random.standard_normal((side, side), np.float32)

    def draw(self, findings: set[str]) -> Floats:
        lungs = {side: self.lung(side) for side in (RIGHT, LEFT)}
        both = lungs[RIGHT] + lungs[LEFT]
        grey = self.body() + LUNG * both + self.skeleton(both)
        grey += VESSELS * self.vessels * both
        steps: dict[str, Callable[[dict[int, Floats]], Floats]] = {
            "Pneumothorax": self.pneumothorax,
            "Effusion": self.effusion,
            "Mass": self.mass,
            "Cardiomegaly": lambda _: self.cardiac(self.big_heart),
        }
        added = {name: step(lungs) for name, step in steps.items() if name in findings}
        grey += sum(added.values(), np.zeros_like(grey))
        if "Cardiomegaly" not in findings:
            grey += self.cardiac(self.heart)
        grey = np.clip(grey * self.exposure, 0, 1) ** self.gamma + self.noise * self.grain
        return np.asarray(np.clip(grey, 0, 1), np.float32)

    def body(self) -> Floats:
        width = 0.95 - 0.25 * np.clip(-self.y - 0.55, 0, 1)
        inside = _edge(np.abs(self.x) - width)
        spine = np.exp(-((self.x / 0.11) ** 2))
        return np.asarray(inside * (0.62 + 0.05 * self.y) + SPINE * spine * inside, np.float32)

    def lung(self, side: int) -> Floats:
        """A lung: an ellipse, cut by the diaphragm's dome below."""
        centre, middle = side * 0.40, (self.apex + 0.75) / 2
        ellipse = ((self.x - centre) / self.lung_width) ** 2 + ((self.y - middle) / 0.78) ** 2
        dome = self.y - (self.dome[side] + 1.6 * (self.x - side * 0.36) ** 2)
        inside: Floats = _edge((np.sqrt(ellipse) - 1) * 0.3) * _edge(dome)
        return inside

    def skeleton(self, lungs: Floats) -> Floats:
        """Ribs, which run down to the sides, and clavicles."""
        ribs = np.clip(np.sin(2 * np.pi * (self.y * 5.5 - 1.3 * self.x**2)), 0, 1)
        clavicle = np.abs(self.y - (self.apex + 0.12 - 0.18 * np.abs(self.x))) - 0.02
        return np.asarray(BONE * ribs * (0.3 + 0.7 * lungs) + BONE * _edge(clavicle), np.float32)

    def cardiac(self, half_width: float) -> Floats:
        """The heart, more to the left; the place of cardiomegaly is all of it."""
        heart = np.sqrt(((self.x - 0.32 * half_width) / half_width) ** 2 + ((self.y - 0.28) / 0.30) ** 2) - 1
        self.places["Cardiomegaly"] = _edge(heart * 0.25)
        return np.asarray(HEART * self.places["Cardiomegaly"], np.float32)

    def effusion(self, lungs: dict[int, Floats]) -> Floats:
        """Fluid in the lower part of one lung, its meniscus rising to the side."""
        side = self._side(0)
        level = self.dome[side] - 0.16 - 0.28 * self.choices[1]
        fluid = _edge(level - 0.25 * np.clip(side * self.x - 0.3, 0, 1) - self.y) * lungs[side]
        self.places["Effusion"] = fluid
        return np.asarray(-0.9 * LUNG * fluid, np.float32)

    def mass(self, lungs: dict[int, Floats]) -> Floats:
        """A round opacity within one lung."""
        side, radius = self._side(2), 0.08 + 0.06 * self.choices[3]
        x, y = side * (0.36 + 0.16 * self.choices[4]), -0.45 + 0.60 * self.choices[5]
        self.places["Mass"] = _edge(np.hypot(self.x - x, self.y - y) - radius) * lungs[side]
        return np.asarray(0.26 * self.places["Mass"], np.float32)

    def pneumothorax(self, lungs: dict[int, Floats]) -> Floats:
        """Air without vessels round a lung that has drawn back, behind the line of its pleura."""
        side = self._side(6)
        middle, width = (self.apex + 0.75) / 2, 0.62 + 0.16 * self.choices[7]
        inner = ((self.x - side * 0.30) / (self.lung_width * width)) ** 2 + (
            (self.y - middle - 0.12) / 0.62
        ) ** 2
        distance = (np.sqrt(inner) - 1) * 0.25
        air = (1 - _edge(distance)) * lungs[side] * _edge(self.y - 0.15)
        line = np.exp(-((distance / 0.012) ** 2)) * lungs[side] * _edge(self.y - 0.15)
        self.places["Pneumothorax"] = air
        return np.asarray(air * (-0.10 - VESSELS * self.vessels) + 0.12 * line, np.float32)

    def _side(self, choice: int) -> int:
        return LEFT if self.choices[choice] < 0.5 else RIGHT


def _clouds(random: np.random.Generator, side: int) -> Floats:
    """Smooth noise of several sizes, the same whatever the number of pixels."""
    clouds = np.zeros((side, side))
    for size in (6, 12, 24, 48):
        grid = random.standard_normal((size, size))
        at = np.linspace(0, size - 1.001, side)
        low = at.astype(int)
        part = at - low
        rows = grid[low] * (1 - part[:, None]) + grid[low + 1] * part[:, None]
        clouds += rows[:, low] * (1 - part) + rows[:, low + 1] * part
    return (clouds / 2).astype(np.float32)
