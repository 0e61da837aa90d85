# SPDX-License-Identifier: Apache-2.0
"""RT Structure Sets as label maps: each region's contours filled on the slices of the series they lie on.

PS3.3 sections A.19, C.8.8.5 and C.8.8.6.  A pixel belongs to a region when its middle lies inside an odd number of
the region's contours on that slice, so a hole may be a contour within another or a keyhole.
"""

from collections import defaultdict
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.dataelem import RawDataElement

from ...errors import UnreadableInstance, UnsupportedPixels, naming
from ...instances import SeriesInstance
from ...polygons import filled
from ...values import items_of, numbers_of, text_of
from ..errors import AnotherGrid
from ..grids import Affine, Grid
from .codes import code_in
from .layers import LabelledSegment, Labels, Masks, layered

STRUCTURE_SET = "1.2.840.10008.5.1.4.1.1.481.3"
FILLED = ("CLOSED_PLANAR", "CLOSEDPLANAR_XOR")
OFF_SLICE = 0.25  # of the slices' distance: a contour that lies further off belongs to another series

Contours = dict[int, list[NDArray[np.float64]]]  # by slice: (points, 2), row and column


def read_contours(instance: SeriesInstance, reference: Grid) -> Labels:
    """The regions of a structure set on the grid of the series that they were drawn on.

    Regions without closed contours are kept, without voxels.  Raises AnotherGrid, naming the region by its
    number, when a contour lies between the slices or beyond them; UnsupportedPixels for another kind of object;
    UnreadableInstance for damaged contours.
    """
    with naming(instance.path.name):
        header = instance.dataset
        if text_of(header, "SOPClassUID") != STRUCTURE_SET:
            raise UnsupportedPixels("It is no RT Structure Set.")
        drawn: dict[int, Contours] = defaultdict(dict)
        for region in items_of(header, "ROIContourSequence"):
            number = _number(region, "ReferencedROINumber")
            drawn[number] = _contours(region, number, reference)

        def masks_of(segment: LabelledSegment) -> Masks:
            return {at: filled(loops, reference.shape[1:]) for at, loops in drawn[segment.number].items()}

        return layered(reference, _regions(header), masks_of)


def referenced_series(header: Dataset) -> list[str]:
    """The SeriesInstanceUID of each series that a structure set was drawn on, or a segmentation made of."""
    places = [header]
    for frame in items_of(header, "ReferencedFrameOfReferenceSequence"):
        for study in items_of(frame, "RTReferencedStudySequence"):
            places += items_of(study, "RTReferencedSeriesSequence")
    places += items_of(header, "ReferencedSeriesSequence")
    return [uid for place in places[1:] if (uid := text_of(place, "SeriesInstanceUID"))]


def _regions(header: Dataset) -> Iterable[LabelledSegment]:
    """What the regions are, by their number; their codes stand with the observations (PS3.3 C.8.8.8)."""
    observed = {
        numbers_of(item, "ReferencedROINumber", 1): item
        for item in items_of(header, "RTROIObservationsSequence")
    }
    seen = set()
    for item in items_of(header, "StructureSetROISequence"):
        number = _number(item, "ROINumber")
        if number in seen or not 0 < number < 1 << 16:
            raise UnreadableInstance("Its regions do not have numbers from 1, each its own.")
        seen.add(number)
        about = observed.get((float(number),), Dataset())
        yield LabelledSegment(
            number=number,
            label=text_of(item, "ROIName"),
            kind=code_in(about, "RTROIIdentificationCodeSequence"),
            algorithm=text_of(item, "ROIGenerationAlgorithm"),
        )


def _number(item: Dataset, keyword: str) -> int:
    number = numbers_of(item, keyword, 1)
    if number is None:
        raise UnreadableInstance(f"A region has no {keyword}.")
    return int(number[0])


def _contours(region: Dataset, number: int, grid: Grid) -> Contours:
    contours: Contours = defaultdict(list)
    inverse: Affine = np.linalg.inv(grid.affine).astype(np.float64)
    for item in items_of(region, "ContourSequence"):
        if text_of(item, "ContourGeometricType") in FILLED:
            points = _points(item, number)
            at, polygon = _on_slice(points, inverse, grid, number)
            contours[at].append(polygon)
    return contours


def _points(item: Dataset, number: int) -> NDArray[np.float64]:
    """ContourData as (points, 3), LPS mm; parsed as one text, since there may be millions."""
    element = item.get_item("ContourData")
    value = element.value if isinstance(element, RawDataElement) else None
    texts = value.split(b"\\") if isinstance(value, bytes) else text_of(item, "ContourData").split("\\")
    try:
        points = np.array(texts, np.float64)
    except ValueError:
        points = np.empty(0)
    if points.size < 9 or points.size % 3 or not np.isfinite(points).all():
        raise UnreadableInstance(f"A contour of region {number} is no polygon of three points or more.")
    return points.reshape(-1, 3)


def _on_slice(
    points: NDArray[np.float64], inverse: Affine, grid: Grid, number: int
) -> tuple[int, NDArray[np.float64]]:
    """The slice that a contour lies on, and its points there (points, 2)."""
    indices = points @ inverse[:3, :3].T + inverse[:3, 3]
    at = float(np.rint(indices[:, 0].mean()))
    off = float(np.abs(indices[:, 0] - at).max())
    if off > OFF_SLICE or not 0 <= at < grid.shape[0]:
        where = f"{off:.2f} slices off the nearest one" if off > OFF_SLICE else "beyond the series"
        raise AnotherGrid(
            f"A contour of region {number} lies {where}.", hint="Give the series it was drawn on."
        )
    return int(at), indices[:, 1:]
