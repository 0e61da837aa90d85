# SPDX-License-Identifier: Apache-2.0
"""What the tests of totalsegmentator share: the app's package on the path, phantoms with their truth, Dice."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from imaging_data import Volume, find_instances, read_volume
from imaging_data.phantom import Rendered, torso, torso_grid, write_series

APP = Path(__file__).parents[2] / "apps" / "totalsegmentator"
# The organs of the phantom whose classes the small network was trained as (scripts/testmodels).
CLASS_OF = {
    "lung_left": "lung_lower_lobe_left",
    "lung_right": "lung_lower_lobe_right",
    "vertebrae": "vertebrae_L1",
}
ORGANS = ("liver", "spleen", "kidney_left", "kidney_right", "lung_left", "lung_right")


@cache
def rendered(seed: int, slices: int = 84, rows: int = 160) -> Rendered:
    """A torso that the networks were not trained on, 4 mm by 2.5 mm."""
    return torso(seed).render(torso_grid(slices, rows), seed=seed, factor=1)


def written(seed: int, folder: Path, **options: str) -> Path:
    """The same as a DICOM series in `folder`."""
    write_series(rendered(seed), folder, **options)
    return folder


def volume_in(folder: Path) -> Volume:
    """The volume of the one series in `folder`."""
    [series] = find_instances(folder).series
    return read_volume(series)


def dice(some: NDArray[np.bool_], others: NDArray[np.bool_]) -> float:
    """1 for the same voxels, 0 for none in common."""
    return float(2 * (some & others).sum() / max(1, some.sum() + others.sum()))


@dataclass(frozen=True)
class Scored:
    """Dice by organ of a labelmap against a phantom's truth."""

    by_organ: dict[str, float]

    @classmethod
    def of(cls, labelmap: NDArray[np.integer], names: tuple[str, ...], truth: Rendered) -> "Scored":
        """names: the class of label 1, 2 and so on."""
        numbers = {name: number for number, name in enumerate(names, start=1)}
        return cls({
            organ: dice(truth.labelmap == truth.organs[organ], labelmap == numbers.get(CLASS_OF.get(organ, organ), -1))
            for organ in ORGANS
        })  # fmt: skip
