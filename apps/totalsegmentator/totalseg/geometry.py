# SPDX-License-Identifier: Apache-2.0
"""From a Volume to the NIfTI order that TotalSegmentator takes, and back.

A Volume is (slice, row, column) in LPS millimetres, a NIfTI image (column, row, slice) in RAS; canonical means
that its axes run to the patient's right-to-left, back-to-front and foot-to-head, as near as the grid allows.
"""

from typing import Any

import nibabel
import numpy as np
from nibabel.orientations import apply_orientation, axcodes2ornt, io_orientation, ornt_transform
from numpy.typing import NDArray

from imaging_operators import Volume

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
RAS = axcodes2ornt("RAS")


def to_nifti(volume: Volume) -> Any:
    """The volume as a `nibabel.Nifti1Image` in memory, sharing its array."""
    return nibabel.Nifti1Image(volume.array.T, nifti_affine(volume))


def nifti_affine(volume: Volume) -> NDArray[np.float64]:
    """From index (column, row, slice, 1) to RAS mm."""
    return LPS_TO_RAS @ volume.affine[:, [2, 1, 0, 3]]


def to_canonical(volume: Volume) -> Any:
    """The volume as a canonical NIfTI image, a view of its array."""
    return nibabel.as_closest_canonical(to_nifti(volume))


def from_nifti(labels: NDArray[Any]) -> NDArray[Any]:
    """Labels on the grid of `to_nifti`, as (slices, rows, columns)."""
    return labels.T


def from_canonical(labels: NDArray[Any], volume: Volume) -> NDArray[Any]:
    """Labels on the grid of `to_canonical`, as (slices, rows, columns) of `volume`."""
    here = io_orientation(nifti_affine(volume))
    return from_nifti(apply_orientation(labels, ornt_transform(RAS, here)))
