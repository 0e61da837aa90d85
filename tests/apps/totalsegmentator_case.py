# SPDX-License-Identifier: Apache-2.0
"""What the tests of totalsegmentator share: the app's package on the path, phantoms with their truth, Dice."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from highdicom.seg import segread
from numpy.typing import NDArray
from result_files import Written

from imaging_data import Volume, find_instances, read_volume
from imaging_data.phantom import Grid, Rendered, torso, torso_grid, write_series

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


def kinds(result: Written) -> list[str]:
    """What a run made, in its order."""
    return [each["kind"] for each in result.document["results"]]


def segmented(result: Written, grid: Grid) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
    """The labelmap of a run's SEG on a phantom's grid, and the class of each label."""
    segmentation = segread(result.folder / "segmentation-0.dcm")
    names = [str(item.SegmentLabel).replace(" ", "_") for item in segmentation.SegmentSequence]
    volume = segmentation.get_volume(combine_segments=True, skip_overlap_checks=True)
    whole = np.zeros(grid.shape, np.uint8)
    to_grid = np.linalg.inv(grid.affine) @ volume.affine
    found = np.argwhere(volume.array)
    places = np.rint(np.c_[found, np.ones(len(found))] @ to_grid.T)[:, :3].astype(int)
    whole[tuple(places.T)] = volume.array[tuple(found.T)]
    return whole, tuple(names)


def dice(some: NDArray[np.bool_], others: NDArray[np.bool_]) -> float:
    """1 for the same voxels, 0 for none in common."""
    return float(2 * (some & others).sum() / max(1, some.sum() + others.sum()))


@dataclass(frozen=True)
class Scored:
    """Dice by organ of a labelmap against a phantom's truth."""

    by_organ: dict[str, float]

    @classmethod
    def of(
        cls,
        labelmap: NDArray[np.integer],
        names: tuple[str, ...],
        truth: Rendered,
        class_of: Mapping[str, str] = CLASS_OF,
    ) -> "Scored":
        """names: the class of label 1, 2 and so on.  class_of: the class of an organ that is called otherwise."""
        numbers = {name: number for number, name in enumerate(names, start=1)}
        return cls({
            organ: dice(truth.labelmap == truth.organs[organ], labelmap == numbers.get(class_of.get(organ, organ), -1))
            for organ in ORGANS
        })  # fmt: skip
