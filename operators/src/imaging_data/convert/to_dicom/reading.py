# SPDX-License-Identifier: Apache-2.0
"""What is read of each kind of file: datasets with its pixels and their place, for `writer.write_series`."""

from collections.abc import Iterable
from dataclasses import replace
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from ...errors import ImagingDataError
from ..grids import Affine
from . import arrays, nifti, pictures, video
from .cross_sections import CrossSections
from .tree import VOLUMES, Item
from .voxels import Voxels, check_shape
from .writer import NewSeries

OWN_PLACE = "It says itself where it lies, so the spacing or affine that was given does not count."


class UnequalSlices(ImagingDataError):
    """The slices of the folder are not grey pictures of one size and depth."""

    hint = "Put the slices of each volume into a folder of their own."


def images_of(
    item: Item, series: NewSeries, affine: Affine | None
) -> tuple[Iterable[Dataset], tuple[str, ...]]:
    """The datasets of one item but a slide, and sentences about what is not certain.

    affine: LPS mm of index (slice, row, column), for what does not say where it lies; with it, the pictures of a
    folder are a volume.  Raises UnreadableInput, TooLarge and others of this package, some while iterated.
    """
    if item.ending in VOLUMES or (item.stacked and affine is not None):
        voxels = _voxels(item, affine)
        return CrossSections.of(voxels, series.modality, series.attributes, item.written), voxels.notes
    if item.ending in video.ENDINGS:
        return video.video_to_dicom(item.paths[0]), ()
    files = (pictures.secondary_captures(pictures.read_pages(path)) for path in item.paths)
    return chain.from_iterable(files), ()


def _voxels(item: Item, affine: Affine | None) -> Voxels:
    path = item.paths[0]
    if item.ending in arrays.NUMPY_ENDINGS:
        return arrays.read_numpy(path, affine)
    if item.ending in VOLUMES:
        voxels = nifti.read_nifti(path) if item.ending in nifti.ENDINGS else arrays.read_itk(path)
        return voxels if affine is None else replace(voxels, notes=(*voxels.notes, OWN_PLACE))
    assert affine is not None
    return Voxels(_stacked(item), affine)


def _stacked(item: Item) -> NDArray[Any]:
    """(1, slices, rows, columns) of the pictures of a folder, which are all grey and of one size."""
    slices: list[NDArray[Any]] = []
    for path in item.paths:
        for page in pictures.read_pages(path):
            first = slices[0] if slices else page.samples
            if page.samples.ndim != 2 or (page.samples.shape, page.samples.dtype) != (
                first.shape,
                first.dtype,
            ):
                raise UnequalSlices(f"{path.name} is the first that is not.")
            slices.append(page.samples if page.photometric == "MONOCHROME2" else ~page.samples)
            check_shape((1, len(slices), *first.shape))
    return np.stack(slices)[np.newaxis]
