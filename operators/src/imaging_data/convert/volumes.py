# SPDX-License-Identifier: Apache-2.0
"""Volumes to and from the arrays and images of other packages, which are imported where they are used.

Each `from_` function takes `like`: the volume that the values were made of.  Then the result lies on its grid,
whatever the order of the axes came to be, and knows its source; values on another grid are AnotherGrid.  Without
it the volume has no source: its `series` is empty.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..instances import Series
from ..volume import Volume
from .errors import NotAnImage
from .from_dicom.volumes import ending_of, itk_image
from .grids import Affine, Grid, check_rectangular, ras_affine, spacing_of
from .packages import package
from .to_dicom.arrays import itk_affine, read_itk
from .to_dicom.nifti import read_nifti

NO_SERIES = Series("", "", ())


def from_numpy(array: NDArray[Any], affine: NDArray[Any], like: Volume | None = None) -> Volume:
    """A volume of `array` (slices, rows, columns); `affine` gives LPS mm of that index.

    Slices that run against the normal of the images are reversed.  Raises ShearedGrid, AnotherGrid, and
    NotAnImage unless the array has three dimensions of real numbers.
    """
    affine = np.asarray(affine, np.float64)
    check_rectangular(affine)
    if array.ndim != 3 or array.dtype.kind not in "fiub" or not array.size:
        raise NotAnImage(f"It has shape {array.shape} and is of {array.dtype}.")
    if like is not None:
        return like.with_array(Grid(like.shape, like.affine).taken_from(array, affine))
    if np.linalg.det(affine[:3, [2, 1, 0]]) < 0:  # row direction x column direction is the normal
        array = array[::-1]
        last = affine[:, 0] * (len(array) - 1)
        affine = np.column_stack([-affine[:, 0], affine[:, 1], affine[:, 2], affine[:, 3] + last])
    return Volume(
        array=np.ascontiguousarray(array, np.float32),
        affine=affine,
        spacing_mm=spacing_of(affine),
        series=NO_SERIES,
        frame_of_reference_uid=None,
        sources=(),
    )


def to_nifti(volume: Volume) -> Any:
    """A `nibabel.Nifti1Image` (columns, rows, slices) that shares the array."""
    affine = ras_affine(volume.affine)
    image = package("nibabel").Nifti1Image(volume.array.transpose(2, 1, 0), affine)
    image.set_sform(affine, code="scanner")
    image.set_qform(affine, code="scanner")
    return image


def from_nifti(image: Any, like: Volume | None = None) -> Volume:
    """Of a nibabel image with three dimensions, its rescale applied.  Raises as `from_numpy`."""
    return from_numpy(np.asarray(image.dataobj).T, ras_affine(image.affine), like)


def to_simpleitk(volume: Volume) -> Any:
    """A `SimpleITK.Image` of float32; its physical points are LPS mm."""
    return itk_image(volume.array, Grid(volume.shape, volume.affine))


def from_simpleitk(image: Any, like: Volume | None = None) -> Volume:
    """Of a `SimpleITK.Image` with three dimensions and one value for each voxel.  Raises as `from_numpy`."""
    return from_numpy(package("SimpleITK").GetArrayFromImage(image), itk_affine(image), like)


def to_xarray(volume: Volume) -> Any:
    """An `xarray.DataArray` (slice, row, column) that shares the array.

    Coordinates are mm from the first voxel along each axis; attrs["affine"] gives LPS mm of an index.
    """
    names = ("slice", "row", "column")
    places = {
        name: np.arange(count) * step
        for name, count, step in zip(names, volume.shape, volume.spacing_mm, strict=True)
    }
    return package("xarray").DataArray(volume.array, places, names, attrs={"affine": volume.affine})


def from_xarray(array: Any, like: Volume | None = None) -> Volume:
    """Of a `DataArray` that `to_xarray` made, its dimensions in any order.  Raises as `from_numpy`, NotAnImage."""
    if set(array.dims) != {"slice", "row", "column"} or "affine" not in array.attrs:
        raise NotAnImage(
            f"Its dimensions are {', '.join(map(str, array.dims))}, or it has no attrs['affine']."
        )
    return from_numpy(array.transpose("slice", "row", "column").values, array.attrs["affine"], like)


def to_monai(volume: Volume) -> tuple[NDArray[np.float32], Affine]:
    """What a MONAI MetaTensor is made of: `MetaTensor(*to_monai(volume))`.

    The array (1, columns, rows, slices), shared, and the affine (RAS mm), as MONAI's LoadImage has them.
    """
    return volume.array.transpose(2, 1, 0)[np.newaxis], ras_affine(volume.affine)


def from_monai(tensor: Any, like: Volume | None = None) -> Volume:
    """Of a MetaTensor ([1,] columns, rows, slices) on the CPU.  Raises as `from_numpy`."""
    array = np.asarray(tensor)
    array = array[0] if array.ndim == 4 and len(array) == 1 else array
    return from_numpy(array.T, ras_affine(np.asarray(tensor.affine, np.float64)), like)


def read_image(path: Path) -> tuple[NDArray[Any], Affine]:
    """The values of a `.nii`, `.nii.gz`, `.nrrd` or `.mha` file, and LPS mm of their index.

    ([volumes,] slices, rows, columns); with NIfTI's own rescale.  Raises UnreadableInput, UnknownFormat.
    """
    voxels = read_nifti(path) if ending_of(path).startswith(".nii") else read_itk(path)
    array = voxels.real()
    return (array[0] if len(array) == 1 else array), voxels.affine
