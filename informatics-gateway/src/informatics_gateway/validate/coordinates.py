# SPDX-License-Identifier: Apache-2.0
"""What reports and structure sets point at is on the images they name, or inside the source's volume."""

from collections.abc import Iterator, Mapping

import numpy as np
from pydicom import Dataset

from imaging_data.values import items_of, numbers_of, values_of

from ..errors import InvalidResult
from .objects import ResultObject
from .sources import Grid, Plane, Sources, Vector

OFF_PLANE_MM = 0.01  # how far a contour's point may be off its slice
EDGE = 0.5 + 1e-3  # pixels: the image's edge lies half a pixel outside the middle of its outermost pixels
PLANAR = ("CLOSED_PLANAR", "OPEN_PLANAR", "CLOSEDPLANAR_XOR")


def check_report(dataset: Dataset, sources: Sources, others: Mapping[str, ResultObject]) -> None:
    """Each SCOORD lies on its image, each SCOORD3D inside the volume (PS3.3 sections C.18.6 and C.18.9).

    others: the job's results by SOPInstanceUID, whose pixels may be pointed at, too.
    """
    for item in _content_items(dataset):
        kind = item.get("ValueType")
        if kind == "SCOORD":
            _check_on_image(item, sources, others)
        elif kind == "SCOORD3D":
            for point in _points(item, "GraphicData", 3):
                _check_inside(point, sources)


def check_structures(dataset: Dataset, sources: Sources) -> None:
    """Each contour of a structure set lies on one source slice, and names that one if any (C.8.8.6)."""
    for roi in items_of(dataset, "StructureSetROISequence"):
        if roi.get("ReferencedFrameOfReferenceUID") not in sources.frames_of_reference:
            raise InvalidResult("it has a region whose ReferencedFrameOfReferenceUID is not the source's.")
    for roi in items_of(dataset, "ROIContourSequence"):
        for contour in items_of(roi, "ContourSequence"):
            _check_contour(contour, sources)


def _content_items(item: Dataset) -> Iterator[Dataset]:
    for child in items_of(item, "ContentSequence"):
        yield child
        yield from _content_items(child)


def _points(item: Dataset, keyword: str, size: int) -> list[Vector]:
    numbers = np.array([float(value) for value in values_of(item, keyword)])
    if not len(numbers) or len(numbers) % size or not np.isfinite(numbers).all():
        raise InvalidResult(f"its {keyword} has {len(numbers)} numbers, not {size} for each point.")
    return list(numbers.reshape(-1, size))


def _check_on_image(item: Dataset, sources: Sources, others: Mapping[str, ResultObject]) -> None:
    images = [
        image
        for child in items_of(item, "ContentSequence")
        if child.get("ValueType") == "IMAGE"
        for image in items_of(child, "ReferencedSOPSequence")
    ]
    if not images:
        raise InvalidResult("its SCOORD does not say on which image it lies.")
    for image in images:
        rows, columns = _size(str(image.get("ReferencedSOPInstanceUID", "")), sources, others)
        for column, row in _points(item, "GraphicData", 2):
            if not (0 <= column <= columns and 0 <= row <= rows):
                raise InvalidResult(f"its SCOORD lies outside the image of {rows} rows, {columns} columns.")


def _size(uid: str, sources: Sources, others: Mapping[str, ResultObject]) -> tuple[int, int]:
    if uid in others:
        rows, columns = (
            numbers_of(others[uid].dataset, keyword, 1) or (0,) for keyword in ("Rows", "Columns")
        )
        return int(rows[0]), int(columns[0])
    plane = sources.planes.get((uid, 1))
    return (plane.rows, plane.columns) if plane else (0, 0)


def _check_inside(point: Vector, sources: Sources) -> None:
    nearest = sources.nearest(point)
    if nearest is None or not _over(*nearest, point, sources.reach):
        raise InvalidResult("it points outside the source's volume.")


def _over(plane: Plane, grid: Grid, point: Vector, within_mm: float) -> bool:
    row, column, off = grid.pixel(point)
    inside = -EDGE <= row <= plane.rows - 1 + EDGE and -EDGE <= column <= plane.columns - 1 + EDGE
    return inside and abs(off) <= within_mm + OFF_PLANE_MM


def _check_contour(contour: Dataset, sources: Sources) -> None:
    points = _points(contour, "ContourData", 3)
    if contour.get("ContourGeometricType") not in PLANAR:
        for point in points:
            _check_inside(point, sources)
        return
    nearest = sources.nearest(points[0])
    if nearest is None or not all(_over(*nearest, point, 0.0) for point in points):
        raise InvalidResult("it has a contour that does not lie on a slice of the source.")
    for image in items_of(contour, "ContourImageSequence"):
        frame = int((numbers_of(image, "ReferencedFrameNumber", 1) or (1,))[0])
        named = sources.planes.get((str(image.get("ReferencedSOPInstanceUID", "")), frame))
        if named is None or named.grid is None or not _over(named, named.grid, points[0], 0.0):
            raise InvalidResult("it has a contour that names another image than the one it lies on.")
