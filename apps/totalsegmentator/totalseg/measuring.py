# SPDX-License-Identifier: Apache-2.0
"""Volume and mean value of each class, from exactly the voxels of the segmentation."""

from dataclasses import dataclass

import numpy as np

from imaging_operators import Volume

from .segmenting import Found


@dataclass(frozen=True)
class Numbers:
    """Of one class: ml, the mean of the unfiltered voxels, and whether the scan's first or last slice cuts it."""

    name: str
    volume_ml: float
    mean: float
    cut: bool


def measure(volume: Volume, found: Found) -> list[Numbers]:
    """One entry for each of `found.names`, in their order."""
    count = len(found.names) + 1
    voxels, sums = np.zeros(count, np.int64), np.zeros(count)
    for labels, values in zip(found.labelmap, volume.array, strict=True):  # a plane fits in the cache
        voxels += np.bincount(labels.ravel(), minlength=count)
        sums += np.bincount(labels.ravel(), values.ravel(), minlength=count)
    ends = np.bincount(found.labelmap[[0, -1]].ravel(), minlength=count)
    voxel_ml = float(np.prod(volume.spacing_mm)) / 1000
    return [
        Numbers(name, float(voxels[k] * voxel_ml), float(sums[k] / voxels[k]), bool(ends[k]))
        for k, name in enumerate(found.names, start=1)
    ]
