# SPDX-License-Identifier: Apache-2.0
"""NIfTI-1 and -2 files as voxels (https://nifti.nimh.nih.gov), read by nibabel."""

from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ShearedGrid, UnreadableInput
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
TWO_PLACES = (
    "The file says two places in the patient (its qform and its sform differ): that of the sform was taken; "
    "look at left and right."
)
APART_MM = 0.1  # how far the two may put a voxel from each other


def read_nifti(path: Path) -> Voxels:
    """The voxels of a NIfTI file, 2-D to 4-D, with its own rescale (scl_slope, scl_inter).

    Raises UnreadableInput for a file that is no NIfTI, cut off or damaged; TooLarge before anything of that
    size is read; UnsupportedValues for colours, complex numbers and more than four dimensions; ShearedGrid where
    the place follows from voxel sizes that are none.
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
                with nibabel.openers.ImageOpener(path) as file:
                    _check_header(kind.header_class.from_fileobj(file, check=False))
                return _voxels(kind.from_filename(path))
    raise UnreadableInput("It has no header of NIfTI.")


def _check_header(header: Any) -> None:
    """As the file says it, since nibabel takes 1 mm for a size of 0, and the header for voxels that are elsewhere."""
    if not bytes(header["magic"]).startswith(b"n+"):
        raise UnreadableInput("Its voxels are in another file (.img).", "Save both as one `.nii`.")
    sizes = header["pixdim"][1 : 1 + min(3, int(header["dim"][0]))]
    if not header["sform_code"] and not (sizes > 0).all():
        raise ShearedGrid("A voxel has a size that is not above 0 mm.")


def _notes(image: Any) -> tuple[str, ...]:
    qform, sform = image.header.get_qform(coded=True)[0], image.header.get_sform(coded=True)[0]
    if qform is None and sform is None:
        return (UNPLACED,)
    if qform is None or sform is None:
        return ()
    apart = np.abs((qform - sform)[:3] * (*_shape(image.shape)[:3], 1)).max()
    return (TWO_PLACES,) if apart > APART_MM else ()


def _voxels(image: Any) -> Voxels:
    shape = _shape(image.shape)
    check_shape(tuple(reversed(shape)), image.get_data_dtype().itemsize)
    if image.get_data_dtype().kind not in "iuf":
        raise UnsupportedValues(f"They are of type {image.get_data_dtype()}.")
    raw = image.dataobj.get_unscaled().reshape(shape, order="F")
    units, time_unit = image.header.get_xyzt_units()
    slope, intercept = image.dataobj.slope, image.dataobj.inter
    lengths = np.diag([MILLIMETRES.get(units, 1.0)] * 3 + [1.0])
    step = float(image.header["pixdim"][4]) * SECONDS.get(time_unit, 1.0)
    return Voxels(
        raw.T,  # (volume, slice, row, column)
        ras_affine(lengths @ image.affine),
        None if (slope, intercept) == (1, 0) else (float(slope), float(intercept)),
        step if shape[3] > 1 and 0 < step < float("inf") else None,
        _notes(image),
    )


def _shape(shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    """(column, row, slice, volume)."""
    while len(shape) > 4 and shape[-1] == 1:
        shape = shape[:-1]
    if not shape or len(shape) > 4 or min(shape) < 1:
        raise UnsupportedValues(f"Its dimensions are {' x '.join(map(str, shape)) or 'none'}.")
    columns, rows, slices, volumes = (*shape, 1, 1, 1)[:4]
    return columns, rows, slices, volumes
