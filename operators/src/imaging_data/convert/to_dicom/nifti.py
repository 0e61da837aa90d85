# SPDX-License-Identifier: Apache-2.0
"""NIfTI-1 and -2 files as voxels (https://nifti.nimh.nih.gov), read by nibabel."""

from pathlib import Path
from typing import Any

import numpy as np

from ..errors import UnreadableInput
from ..grids import ras_affine
from ..packages import package
from .damage import foreign
from .rescaling import UnsupportedValues
from .voxels import Voxels, check_shape

ENDINGS = (".nii", ".nii.gz")
MILLIMETRES = {"mm": 1.0, "meter": 1000.0, "micron": 0.001, "unknown": 1.0}
SECONDS = {"sec": 1.0, "msec": 1e-3, "usec": 1e-6, "unknown": 1.0}
UNPLACED = (
    "The file does not say where it lies in the patient (qform_code and sform_code are 0): "
    "left and right are as its first axis suggests, and may be the other way round."
)


def read_nifti(path: Path) -> Voxels:
    """The voxels of a NIfTI file, 2-D to 4-D, with its own rescale (scl_slope, scl_inter).

    Raises UnreadableInput for a file that is no NIfTI, cut off or damaged; TooLarge before anything of that
    size is read; UnsupportedValues for colours, complex numbers and more than four dimensions.
    """
    nibabel = package("nibabel")
    damage = (
        nibabel.filebasedimages.ImageFileError,
        nibabel.spatialimages.HeaderDataError,
        nibabel.wrapstruct.WrapStructError,
    )
    with foreign(*damage), np.errstate(all="ignore"):
        for kind in (nibabel.Nifti1Image, nibabel.Nifti2Image):
            if kind.path_maybe_image(path)[0]:
                return _voxels(kind.from_filename(path))
    raise UnreadableInput("It has no header of NIfTI.")


def _voxels(image: Any) -> Voxels:
    shape = _shape(image.shape)
    check_shape(tuple(reversed(shape)), image.get_data_dtype().itemsize)
    if image.get_data_dtype().kind not in "iuf":
        raise UnsupportedValues(f"They are of type {image.get_data_dtype()}.")
    raw = image.dataobj.get_unscaled().reshape(shape, order="F")
    units, time_unit = image.header.get_xyzt_units()
    slope, intercept = image.dataobj.slope, image.dataobj.inter
    placed = int(image.header["qform_code"]) or int(image.header["sform_code"])
    lengths = np.diag([MILLIMETRES.get(units, 1.0)] * 3 + [1.0])
    step = float(image.header["pixdim"][4]) * SECONDS.get(time_unit, 1.0)
    return Voxels(
        raw.T,  # (volume, slice, row, column)
        ras_affine(lengths @ image.affine),
        None if (slope, intercept) == (1, 0) else (float(slope), float(intercept)),
        step if shape[3] > 1 and 0 < step < float("inf") else None,
        () if placed else (UNPLACED,),
    )


def _shape(shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    """(column, row, slice, volume)."""
    while len(shape) > 4 and shape[-1] == 1:
        shape = shape[:-1]
    if not shape or len(shape) > 4 or min(shape) < 1:
        raise UnsupportedValues(f"Its dimensions are {' x '.join(map(str, shape)) or 'none'}.")
    columns, rows, slices, volumes = (*shape, 1, 1, 1)[:4]
    return columns, rows, slices, volumes
