# SPDX-License-Identifier: Apache-2.0
"""The true numbers of a phantom's lungs, from the volumes of the materials they are made of."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

EMPHYSEMA_HU = -950  # LAA-950: low-attenuation area, the part of the lung below this


@dataclass(frozen=True)
class Material:
    """What a solid is made of.

    lung: "left" or "right" when its volume belongs to a lung.  organ: the one of `Scene.organs` it is part of.
    """

    name: str
    hu: float
    lung: str = ""
    organ: str = ""


@dataclass(frozen=True)
class LungTruth:
    """One lung, or both: vessels and nodules within included, trachea and main bronchi not."""

    volume_ml: float
    mean_hu: float
    percentile_15_hu: float  # of the materials seen through the image's noise
    laa_950_percent: float  # volume of materials below -950 HU


def lung_truths(
    materials: Sequence[Material], ml: NDArray[np.float64], noise_hu: float
) -> dict[str, LungTruth]:
    """The truth for "left", "right" and "total" from the volume in ml of each material; {} without lung."""
    sides = np.array([material.lung for material in materials])
    hu = np.array([material.hu for material in materials], float)
    wanted = {"left": sides == "left", "right": sides == "right", "total": sides != ""}
    return {name: _truth(hu[of], ml[of], noise_hu) for name, of in wanted.items() if ml[of].sum() > 0}


def _truth(hu: NDArray[np.float64], ml: NDArray[np.float64], noise_hu: float) -> LungTruth:
    return LungTruth(
        volume_ml=float(ml.sum()),
        mean_hu=float(np.average(hu, weights=ml)),
        percentile_15_hu=_percentile(hu, ml / ml.sum(), noise_hu, 0.15),
        laa_950_percent=float(100 * ml[hu < EMPHYSEMA_HU].sum() / ml.sum()),
    )


def _percentile(hu: NDArray[np.float64], parts: NDArray[np.float64], noise_hu: float, wanted: float) -> float:
    """Where the sum of one Gaussian a material, weighted by `parts`, reaches `wanted`; by bisection."""
    low, high = float(hu.min()) - 5 * noise_hu - 1, float(hu.max()) + 5 * noise_hu + 1
    while high - low > 0.01:
        middle = (low + high) / 2
        below = sum(p * _below((middle - h) / max(noise_hu, 1e-6)) for h, p in zip(hu, parts, strict=True))
        low, high = (middle, high) if below < wanted else (low, middle)
    return (low + high) / 2


def _below(z: float) -> float:
    return 0.5 * (1 + math.erf(z / math.sqrt(2)))
