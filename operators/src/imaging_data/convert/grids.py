# SPDX-License-Identifier: Apache-2.0
"""Where voxels lie in the patient, in the ways in which formats say it, and arrays from one grid to another.

DICOM counts millimetres to the left, back and head (LPS), and here an index is (slice, row, column); NIfTI and
MONAI count to the right, front and head (RAS), and an index there is (column, row, slice).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import AnotherGrid, ShearedGrid

Affine = NDArray[np.float64]  # (4, 4), from a voxel's index to millimetres

LPS_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
TURNED = np.array([[0, 0, 1, 0], [0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1]], np.float64)
SHEARED = 1e-3  # cosine between two axes, as `checks.SAME_DIRECTION` lets slices be
OFF_GRID = 0.02  # voxels: two grids whose corners are nearer than this are one


def ras_affine(affine: Affine) -> Affine:
    """LPS of index (slice, row, column) as RAS of index (column, row, slice); the same way back."""
    return LPS_RAS @ affine @ TURNED


def spacing_of(affine: Affine) -> tuple[float, float, float]:
    """The distance in mm of neighbours along each axis."""
    first, second, third = np.linalg.norm(affine[:3, :3], axis=0)
    return float(first), float(second), float(third)


def check_rectangular(affine: Affine) -> None:
    """Raise ShearedGrid unless the three axes are finite, have a length, and are at right angles."""
    if affine.shape != (4, 4) or not np.isfinite(affine).all():
        raise ShearedGrid("The affine is not 4 x 4 finite numbers.")
    lengths = np.linalg.norm(affine[:3, :3], axis=0)
    if not lengths.all():
        raise ShearedGrid("An axis has no length.")
    axes = affine[:3, :3] / lengths
    off = float(np.abs(axes.T @ axes - np.eye(3)).max())
    if off > SHEARED:
        angle = np.degrees(np.arccos(min(off, 1.0)))
        raise ShearedGrid(f"Two axes meet at {angle:.2f} degrees.")


@dataclass(frozen=True, eq=False)
class Grid:
    """shape: voxels along (slice, row, column).  affine: LPS mm of that index."""

    shape: tuple[int, int, int]
    affine: Affine

    def taken_from(
        self, array: NDArray[Any], affine: Affine, nearest: bool = False, outside: float = 0
    ) -> NDArray[Any]:
        """`array`, whose index `affine` places in LPS mm, on this grid: axes turned and reversed as needed.

        nearest: of another grid, the voxel nearest to each of this one's, `outside` where it has none;
        without it Raises AnotherGrid, saying how the grids differ.
        """
        if array.ndim != 3:
            raise AnotherGrid(f"The array has {array.ndim} dimensions; 3 are needed.")
        try:
            places = np.linalg.inv(affine) @ self.affine  # of this grid's indices in the array
        except np.linalg.LinAlgError:
            raise ShearedGrid("An axis has no length.") from None
        turned = self._turned(array, places)
        if turned is not None:
            return turned
        if nearest:
            return self._nearest(array, places, outside)
        raise AnotherGrid(self._difference(array, places))

    def _turned(self, array: NDArray[Any], places: Affine) -> NDArray[Any] | None:
        """The array with axes exchanged and reversed; None where that does not bring it onto this grid."""
        steps = np.rint(places[:3, :3]).astype(int)
        if not np.array_equal(np.abs(steps).sum(axis=0), [1, 1, 1]) or abs(np.linalg.det(steps)) != 1:
            return None
        axes = np.abs(steps).argmax(axis=0)
        signs = steps[axes, range(3)]
        turned = array.transpose(axes)[tuple(slice(None, None, int(sign)) for sign in signs)]
        if turned.shape != self.shape:
            return None
        wanted = np.eye(4)
        wanted[:3, :3] = steps
        wanted[axes, 3] = np.where(signs < 0, np.array(self.shape) - 1, 0)
        return turned if _furthest(places - wanted, self.shape) <= OFF_GRID else None

    def _nearest(self, array: NDArray[Any], places: Affine, outside: float) -> NDArray[Any]:
        found = np.full(self.shape, outside, array.dtype)
        rows, columns = np.indices(self.shape[1:])
        for index in range(self.shape[0]):
            here = places @ np.stack(
                [np.full(rows.size, index), rows.ravel(), columns.ravel(), np.ones(rows.size)]
            )
            at = np.rint(here[:3]).astype(int)
            inside = ((at >= 0) & (at < np.array(array.shape)[:, None])).all(axis=0)
            found[index].reshape(-1)[inside] = array[tuple(at[:, inside])]
        return found

    def _difference(self, array: NDArray[Any], places: Affine) -> str:
        shapes = (" x ".join(map(str, shape)) for shape in (array.shape, self.shape))
        theirs, ours = spacing_of(self.affine @ np.linalg.inv(places)), spacing_of(self.affine)
        spacings = (" x ".join(f"{size:.4g}" for size in sizes) for sizes in (theirs, ours))
        return (
            "Its voxels are {} of {} mm; those of the series {} of {} mm (slice, row, column), "
            "or they lie elsewhere.".format(
                *(one for pair in zip(shapes, spacings, strict=True) for one in pair)
            )
        )


def _furthest(matrix: Affine, shape: tuple[int, int, int]) -> float:
    """The greatest value that `matrix` gives at a corner of an array of `shape`."""
    corners = np.array([(*corner, 1) for corner in np.ndindex(2, 2, 2)], np.float64)
    corners[:, :3] *= np.array(shape) - 1
    return float(np.abs(matrix[:3] @ corners.T).max())
