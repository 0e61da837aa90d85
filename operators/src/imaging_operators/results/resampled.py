# SPDX-License-Identifier: Apache-2.0
"""Whether labels kept their place on the way from a resampled volume to the source's slices.

The way there is by the places that `Resampling` remembers; the look back is by the source's own headers and
the volume's affine alone.
"""

from collections.abc import Mapping
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from imaging_data.slices import Slice

from ..errors import WrongGeometry
from .guard import name_of, on_slice, source_slices

if TYPE_CHECKING:
    from imaging_data import Volume

TIE = 0.01  # voxels: a pixel this near to the border of two voxels may have the label of either


def check_resampled(
    grid: NDArray[Any], source: NDArray[Any], volume: "Volume", names: Mapping[int, str]
) -> None:
    """Raises WrongGeometry unless each marked pixel of `source` has the label of its place in `grid`."""
    if volume.resampling is None:
        return
    for index, one in enumerate(source_slices(volume)):
        rows, columns = np.nonzero(source[index])
        labels = source[index][rows, columns]
        wrong = ~_agree(grid, labels, _places(volume, one, rows, columns))
        if wrong.any():
            number = int(labels[wrong][0])
            raise WrongGeometry(
                f"{name_of(number, names)} is {_off_mm(grid, number, volume, one, rows, columns, labels):.4g} mm "
                f"or more off its place in the volume, on {one.name}."
            )


def _places(volume: "Volume", one: Slice, rows: Any, columns: Any) -> NDArray[np.float64]:
    """The indices (pixels, 3) in the volume of pixels of a source slice."""
    points = np.column_stack([on_slice(one, rows, columns), np.ones(len(rows))])
    places: NDArray[np.float64] = points @ np.linalg.inv(volume.affine).T
    return places[:, :3]


def _agree(grid: NDArray[Any], labels: NDArray[Any], places: NDArray[np.float64]) -> NDArray[np.bool_]:
    agree = np.zeros(len(labels), bool)
    for steps in product((-TIE, TIE), repeat=3):
        nearest = np.clip(np.rint(places + steps).astype(int), 0, np.array(grid.shape) - 1)
        agree |= grid[tuple(nearest.T)] == labels
    return agree


def _off_mm(
    grid: NDArray[Any],
    number: int,
    volume: "Volume",
    one: Slice,
    rows: NDArray[Any],
    columns: NDArray[Any],
    labels: NDArray[Any],
) -> float:
    """From the middle of a segment's pixels on a slice to its nearest voxel in the volume."""
    middle = _places(volume, one, rows, columns)[labels == number].mean(axis=0)
    steps = (np.argwhere(grid == number) - middle) * volume.spacing_mm
    return float(np.linalg.norm(steps, axis=1).min()) if len(steps) else np.inf
