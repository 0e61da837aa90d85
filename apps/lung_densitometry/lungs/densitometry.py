# SPDX-License-Identifier: Apache-2.0
"""The numbers of a lung, from the HU of its voxels as they were scanned: nothing is smoothed or left out."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .finding import Lungs
from .sides import LEFT, RIGHT

LOW_ATTENUATION_HU = -950


@dataclass(frozen=True)
class Numbers:
    """Of one lung, or both: volume with the vessels in it, density in HU, part below -950 HU."""

    volume_ml: float
    mean_hu: float
    percentile_15_hu: float
    laa_950_percent: float


def measure(hu: NDArray[np.float32], lungs: Lungs, voxel_ml: float) -> dict[str, Numbers]:
    """The numbers of "right", "left" and "both" lungs, of those that there are."""
    sides = {"right": hu[lungs.labelmap == RIGHT], "left": hu[lungs.labelmap == LEFT]}
    found = {side: voxels for side, voxels in sides.items() if voxels.size}
    if found:
        found["both"] = np.concatenate(list(found.values()))
    return {side: _numbers(voxels, voxel_ml) for side, voxels in found.items()}


def _numbers(voxels: NDArray[np.float32], voxel_ml: float) -> Numbers:
    return Numbers(
        volume_ml=voxels.size * voxel_ml,
        mean_hu=float(voxels.mean(dtype=np.float64)),
        percentile_15_hu=float(np.percentile(voxels, 15)),
        laa_950_percent=100 * float((voxels < LOW_ATTENUATION_HU).mean()),
    )
