# SPDX-License-Identifier: Apache-2.0
"""Voxels on a grid in the patient, whatever file they come from, on their way to DICOM."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from ...checks import check_voxels
from ...errors import TooLarge
from ...values import numbers_of, text_of
from ..errors import ShearedGrid
from ..grids import OFF_GRID, Affine, check_rectangular, spacing_of

SHEARED = 1e-4  # cosine between two axes: of what is made, which must come back within as much
LARGEST_BYTES = 4 << 30
LARGEST_SIDE = 65535  # Rows and Columns are US


@dataclass(frozen=True, eq=False)
class Voxels:
    """One volume or several on one grid.

    array: (volumes, slices, rows, columns), of any real type.
    affine: LPS mm of index (slice, row, column).
    slope, intercept: what makes its numbers real values where the file says so, else None.
    volume_s: seconds from one volume to the next, None where the file does not say.
    notes: sentences about what is not certain.
    """

    array: NDArray[Any]
    affine: Affine
    rescale: tuple[float, float] | None = None
    volume_s: float | None = None
    notes: tuple[str, ...] = ()

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Distances of neighbours (slice, row, column)."""
        return spacing_of(self.affine)

    def real(self) -> NDArray[Any]:
        """The values in float64, the file's own rescale applied; as they are where there is none."""
        if self.rescale is None:
            return self.array
        slope, intercept = self.rescale
        return np.asarray(self.array.astype(np.float64) * slope + intercept)


def check_shape(shape: Sequence[int], size: int = 4) -> None:
    """Raise TooLarge where (volumes, slices, rows, columns) is more than DICOM or this program has room for.

    size: bytes of a value.  To be called before anything of that size is read: a compressed file is soon large.
    """
    if max(shape[-2:]) > LARGEST_SIDE:
        raise TooLarge(f"It has {max(shape[-2:])} rows or columns; DICOM has room for {LARGEST_SIDE}.")
    check_voxels(tuple(shape))
    if math.prod(shape) * size > LARGEST_BYTES:
        raise TooLarge(
            f"It has {math.prod(shape) * size / 2**30:.1f} GiB; {LARGEST_BYTES >> 30} are allowed."
        )


def turned(voxels: Voxels) -> Voxels:
    """The same voxels at the same places, their axes turned as radiologists look at slices.

    Rows run to the patient's left, or to the back in sagittal slices; columns to the back, or to the feet where
    slices are upright; slices follow each other along the normal of the images.  No value changes.
    Raises ShearedGrid.
    """
    check_rectangular(voxels.affine)
    axes = voxels.affine[:3, :3] / np.linalg.norm(voxels.affine[:3, :3], axis=0)
    off = float(np.abs(axes.T @ axes - np.eye(3)).max())
    if off > SHEARED:
        raise ShearedGrid(f"Two axes meet at {np.degrees(np.arccos(off)):.3f} degrees.")
    main = np.abs(axes).argmax(axis=0)  # for each index axis, the patient's axis that it is nearest to
    if main[1] < main[2]:
        voxels, axes, main = _swapped(voxels), axes[:, [0, 2, 1]], main[[0, 2, 1]]
    for axis in (1, 2):
        towards = axes[main[axis], axis]
        if (towards > 0) == (main[axis] == 2):
            voxels = _reversed(voxels, axis)
    right, down = voxels.affine[:3, 2], voxels.affine[:3, 1]
    if np.cross(right, down) @ voxels.affine[:3, 0] < 0:
        voxels = _reversed(voxels, 0)
    return voxels


def _swapped(voxels: Voxels) -> Voxels:
    """Rows for columns."""
    return replace(voxels, array=voxels.array.swapaxes(2, 3), affine=voxels.affine[:, [0, 2, 1, 3]])


def _reversed(voxels: Voxels, axis: int) -> Voxels:
    """One of (slice, row, column) counted from its other end."""
    affine = voxels.affine.copy()
    affine[:, 3] += affine[:, axis] * (voxels.array.shape[axis + 1] - 1)
    affine[:, axis] *= -1
    return replace(voxels, array=np.flip(voxels.array, axis + 1), affine=affine)


def lies_on(template: Dataset, voxels: Voxels) -> bool:
    """Whether the template's image is a slice of this grid: then both share a frame of reference."""
    position = numbers_of(template, "ImagePositionPatient", 3)
    orientation = numbers_of(template, "ImageOrientationPatient", 6)
    spacing, size = numbers_of(template, "PixelSpacing", 2), (template.get("Rows"), template.get("Columns"))
    _, slices, *shape = voxels.array.shape
    if not position or not orientation or not spacing or size != tuple(shape):
        return False
    if not text_of(template, "FrameOfReferenceUID"):
        return False
    right, down = np.reshape(orientation, (2, 3))
    last = np.array(size) - 1
    corners = np.array([(row * last[0], column * last[1]) for row in (0, 1) for column in (0, 1)])
    places = (
        position + np.outer(corners[:, 0], down * spacing[0]) + np.outer(corners[:, 1], right * spacing[1])
    )
    indices = np.linalg.solve(voxels.affine, np.column_stack([places, np.ones(4)]).T)[:3].T
    here = np.rint(indices[0, 0])
    wanted = np.column_stack([np.full(4, here), corners])
    return bool(np.abs(indices - wanted).max() <= OFF_GRID and 0 <= here < slices)
