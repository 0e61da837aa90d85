# SPDX-License-Identifier: Apache-2.0
"""The diffusion weighting of MR volumes (PS3.3 section C.8.13.5.9), and as FSL's bval and bvec files say it."""

from collections.abc import Sequence

import numpy as np

from ..convert.from_dicom.stored import Layout
from ..convert.grids import Affine
from ..slices import Slice
from ..values import items_of, numbers_of

# b-value in s/mm2, and a direction in the patient (LPS), 0 without one
Gradient = tuple[float, float, float, float]
UNIT = 0.01  # how far from 1 a direction's length may be


def gradients_of(layout: Layout) -> list[Gradient]:
    """The gradient of each volume; none where a volume lacks it, its slices differ in it, or all are unweighted.

    A weighted volume without direction, such as a trace image, lacks it.
    """
    found = [_gradient(one) for one in layout.slices]
    each = layout.grid.shape[0]
    volumes = [set(found[first : first + each]) for first in range(0, len(found), each)]
    gradients = [one for several in volumes if len(several) == 1 for one in several if one is not None]
    weighted = any(gradient[0] > 0 for gradient in gradients)
    return gradients if weighted and len(gradients) == len(volumes) else []


def _gradient(one: Slice) -> Gradient | None:
    macros = [macro for groups in one.groups for macro in items_of(groups, "MRDiffusionSequence")[:1]]
    places = [*macros, one.dataset]
    weight = next((b for place in places if (b := numbers_of(place, "DiffusionBValue", 1))), None)
    if weight is None or weight[0] < 0:
        return None
    if weight[0] == 0:
        return (0.0, 0.0, 0.0, 0.0)
    places = [
        item for place in places for item in (*items_of(place, "DiffusionGradientDirectionSequence"), place)
    ]
    found = (numbers_of(place, "DiffusionGradientOrientation", 3) for place in places)
    direction = next((numbers for numbers in found if numbers), None)
    if direction is None or abs(np.linalg.norm(direction) - 1) > UNIT:
        return None
    return (weight[0], *direction)  # type: ignore[return-value]  # three numbers


def bval_and_bvec(gradients: Sequence[Gradient], affine: Affine) -> tuple[str, str]:
    """Both files' texts for a NIfTI file with the axes of `affine` (LPS mm of index slice, row, column).

    FSL wants a direction along the file's axes, with the first reversed where they are right-handed.
    """
    table = np.array(gradients)
    axes = affine[:3, 2::-1]  # column, row, slice, as the file has them
    axes = axes / np.linalg.norm(axes, axis=0)
    directions = table[:, 1:] @ axes
    if np.linalg.det(axes) > 0:
        directions[:, 0] *= -1
    rows = [table[:, 0], *directions.T]
    bval, *bvec = (" ".join(f"{number + 0:.8g}" for number in row) + "\n" for row in rows)
    return bval, "".join(bvec)
