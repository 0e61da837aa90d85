# SPDX-License-Identifier: Apache-2.0
"""The written contours of a structure set, filled again and compared with the labelmap they were drawn from.

The last look before contours leave, as guard.py is for frames; nothing here is shared with what draws them.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from imaging_data.parts import split
from imaging_data.polygons import filled
from imaging_data.slices import Slice

from ..errors import WrongGeometry
from .guard import name_of, source_slices

if TYPE_CHECKING:
    from imaging_data import Volume

OFF_PLANE_MM = 0.01
Points = NDArray[np.float64]


def check_contours(
    content: bytes, volume: "Volume", labelmap: NDArray[Any], names: Mapping[int, str]
) -> None:
    """Raises WrongGeometry unless the contours enclose the voxels of `labelmap` and no others.

    labelmap: on the source's slices.  names: of its segments, by number.
    """
    slices = source_slices(volume)
    places = {(one.instance.sop_instance_uid, one.frame): index for index, one in enumerate(slices)}
    drawn = 0
    for number, index, polygons in _drawn(split(content).dataset, places, names):
        one, name = slices[index], name_of(number, names)
        loops = [_pixels(points, one, name) for points in polygons]
        rows, columns = _box(loops, labelmap.shape[1:], f"A contour of {name} on {one.name}")
        found = filled([loop - [rows.start, columns.start] for loop in loops], _shape(rows, columns))
        if not np.array_equal(found, labelmap[index, rows, columns] == number):
            wanted = labelmap[index] == number
            raise WrongGeometry(_difference(filled(loops, wanted.shape), wanted, one, name))
        drawn += int(np.count_nonzero(found))
    marked = int(np.count_nonzero(labelmap))
    if drawn != marked:
        raise WrongGeometry(f"The contours enclose {drawn} voxels, the app marked {marked}.")


def _drawn(
    dataset: Dataset, places: Mapping[tuple[str, int], int], names: Mapping[int, str]
) -> Iterator[tuple[int, int, list[Points]]]:
    """Region, slice and the contours (points, 3) of the region on that slice."""
    for region in dataset.ROIContourSequence:
        number = int(region.ReferencedROINumber)
        polygons: dict[int, list[Points]] = defaultdict(list)
        for contour in region.get("ContourSequence", ()):
            [image] = contour.ContourImageSequence
            source = str(image.ReferencedSOPInstanceUID), int(image.get("ReferencedFrameNumber", 1))
            if source not in places:
                raise WrongGeometry(
                    f"A contour of {name_of(number, names)} names {source[0]}, no source of it."
                )
            values = contour.get_item("ContourData").value
            polygons[places[source]].append(np.array(values.split(b"\\"), np.float64).reshape(-1, 3))
        for index, several in polygons.items():
            yield number, index, several


def _pixels(points: Points, one: Slice, name: str) -> Points:
    """Rows and columns (points, 2) on the source slice, by its own header."""
    right, down = one.orientation
    offsets = points - one.position
    off = float(np.abs(offsets @ np.cross(right, down)).max())
    if off > OFF_PLANE_MM:
        raise WrongGeometry(f"A contour of {name} lies {off:.4g} mm off {one.name}, which it names.")
    return np.stack([offsets @ down / one.pixel_spacing[0], offsets @ right / one.pixel_spacing[1]], axis=1)


def _box(loops: Sequence[Points], shape: tuple[int, ...], name: str) -> tuple[slice, slice]:
    """The rows and columns that the polygons reach; WrongGeometry where they leave the image."""
    low = np.floor(np.min([loop.min(axis=0) for loop in loops], axis=0)).astype(int)
    high = np.ceil(np.max([loop.max(axis=0) for loop in loops], axis=0)).astype(int)
    if (low < -1).any() or (high > shape).any():
        raise WrongGeometry(f"{name} leaves the image.")
    low, high = np.maximum(low, 0), np.minimum(high, np.array(shape) - 1)
    return slice(int(low[0]), int(high[0]) + 1), slice(int(low[1]), int(high[1]) + 1)


def _shape(rows: slice, columns: slice) -> tuple[int, int]:
    return rows.stop - rows.start, columns.stop - columns.start


def _difference(found: NDArray[np.bool_], wanted: NDArray[np.bool_], one: Slice, name: str) -> str:
    spacing = one.pixel_spacing
    middles = [np.argwhere(mask).mean(axis=0) * spacing if mask.any() else None for mask in (found, wanted)]
    if middles[0] is None or middles[1] is None:
        return f"The contours of {name} on {one.name} are where the app marked nothing."
    off = float(np.linalg.norm(middles[0] - middles[1]))
    return (
        f"{name} is off by {off:.4g} mm at its centroid on {one.name}, where its contours enclose "
        f"{np.count_nonzero(found)} voxels of {np.count_nonzero(wanted)}."
    )
