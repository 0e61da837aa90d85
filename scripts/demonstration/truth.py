# SPDX-License-Identifier: Apache-2.0
"""What is true of a phantom, beside what an app has measured."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np

from imaging_data.phantom import LungTruth, Rendered

# What an app calls a number, and what the phantom's truth calls it.
LUNG_NUMBERS = {
    "volume": "volume_ml",
    "mean": "mean_hu",
    "percentile": "percentile_15_hu",
    "950": "laa_950_percent",
}


class Truth(Protocol):
    """True numbers, by the words of an app's measurement."""

    def __bool__(self) -> bool:
        """Whether anything is known."""

    def number(self, site: str, name: str) -> float | None:
        """The true number for a measurement; None when it is not known."""


@dataclass(frozen=True)
class LungNumbers:
    """Of each lung, "left" and "right", and of both, "total"."""

    lungs: Mapping[str, LungTruth]

    def __bool__(self) -> bool:
        return bool(self.lungs)

    def number(self, site: str, name: str) -> float | None:
        """By the side in the site's name and the word in the number's."""
        side = next((side for side in ("left", "right") if side in site.lower()), "total")
        known = next((field for word, field in LUNG_NUMBERS.items() if word in name.lower()), None)
        return None if known is None or side not in self.lungs else float(getattr(self.lungs[side], known))


@dataclass(frozen=True)
class OrganVolumes:
    """Volumes in ml, by the organ's name, such as "kidney_left"."""

    volumes_ml: Mapping[str, float]

    @classmethod
    def of(cls, rendered: Rendered) -> Self:
        """Counted in the phantom's own labelmap."""
        counts = np.bincount(rendered.labelmap.ravel(), minlength=256) * rendered.grid.voxel_ml
        return cls({name: float(counts[number]) for name, number in rendered.organs.items()})

    def __bool__(self) -> bool:
        return bool(self.volumes_ml)

    def number(self, site: str, name: str) -> float | None:
        """Of a volume whose site has the words of an organ's name."""
        words = site.lower().replace("_", " ").split()
        known = [organ for organ in self.volumes_ml if set(organ.split("_")) == set(words)]
        return self.volumes_ml[known[0]] if known and "volume" in name.lower() else None
