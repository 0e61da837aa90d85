# SPDX-License-Identifier: Apache-2.0
"""Coded numbers for machines: a Comprehensive 3D SR after PS3.16 TID 1500, readable as a text tree too."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from pydicom import Dataset

from ..coding import Code, codes
from ..errors import InvalidResult
from .base import ResultContext
from .marks import Mark, check_inside, image_at
from .segmentation import Segment, Segmentation
from .structured_report import group_identity, measurement_report


@dataclass(frozen=True)
class Measurement:
    """One number.

    name, unit: coded; the unit of scheme UCUM.
    segment: number of the segment that was measured; without one, `site` may say where.
    derivation: how the number was computed, codes.SCT.Mean for one (PS3.16 CID 7464).
    slices: the slices it was measured on; 0 for a radiograph.
    mark: the point or line in one image that it was measured at.
    points: the same in a volume, as voxels (slice, row, column); one is a point, several are a line.
    Raises InvalidResult for a value that is not finite, or with more than one of slices, mark and points.
    """

    name: Code
    value: float
    unit: Code
    segment: int | None = None
    derivation: Code | None = None
    site: Code | None = None
    slices: tuple[int, ...] = ()
    mark: Mark | None = None
    points: tuple[tuple[float, float, float], ...] = ()

    def __post_init__(self) -> None:
        if not math.isfinite(self.value):
            raise InvalidResult(
                f"The measurement {self.name.meaning!r} is {self.value}.",
                "Leave out what cannot be measured; say why in a TextReport.",
            )
        if sum(map(bool, (self.slices, self.mark, self.points))) > 1:  # TID 320
            raise InvalidResult(
                f"The measurement {self.name.meaning!r} has a place in several ways.",
                "Give slices, or a mark, or points.",
            )


@dataclass(frozen=True, eq=False)
class Measurements:
    """Numbers, those of a segment with a reference to it.

    segmentation: the Segmentation that `segment` numbers refer to; it is written too.
    title: of PS3.16 CID 7021.  Not 126000: viewers then expect coordinates in every group and show nothing.
    procedure: what was reported on, of PS3.16 CID 100; by default the one of the source's Modality.
    findings: plain sentences for results.json.
    Raises InvalidResult without any item, or for a segment that the segmentation does not have.
    """

    items: Sequence[Measurement]
    segmentation: Segmentation | None = None
    title: Code = codes.cid7021.OncologyMeasurementReport
    procedure: Code | None = None
    findings: tuple[str, ...] = ()
    kind: ClassVar[str] = "measurements"

    def __post_init__(self) -> None:
        if not self.items:
            raise InvalidResult("Measurements without any item.", "Return no Measurements then.")
        if self.title == codes.cid7021.ImagingMeasurementReport:
            raise InvalidResult("Measurements titled 126000 stay blank in viewers.", "Leave the title out.")
        known = set(range(1, len(self.segmentation.segments) + 1)) if self.segmentation else set()
        unknown = {item.segment for item in self.items} - known - {None}
        if unknown:
            raise InvalidResult(f"Measurements of segments {unknown}, which the segmentation does not have.")

    def segment_of(self, item: Measurement) -> Segment | None:
        """The segment that `item` was measured on."""
        if self.segmentation is None or item.segment is None:
            return None
        return self.segmentation.segment(item.segment)

    def plain(self) -> list[dict[str, Any]]:
        """The numbers as results.json lists them."""
        return [plain_measurement(item, self._site_name(item)) for item in self.items]

    def _site_name(self, item: Measurement) -> str:
        segment = self.segment_of(item)
        if segment is not None:
            return segment.label
        return item.site.meaning if item.site else ""

    def to_dicom(self, context: ResultContext) -> Dataset:
        """The structured report.  Its segmentation must have been encoded before."""
        segmentation = None if self.segmentation is None else context.encoded_as(self.segmentation)
        groups = [_group(items, self, context, segmentation) for items in _grouped(self.items)]
        return measurement_report(context, groups, self.title, self.procedure)


def plain_measurement(item: Measurement, site: str) -> dict[str, Any]:
    """One number as results.json lists it."""
    name = f"{item.name.meaning} ({item.derivation.meaning})" if item.derivation else item.name.meaning
    return {"name": name, "value": float(item.value), "unit": item.unit.value, "site": site}


def _grouped(items: Iterable[Measurement]) -> list[list[Measurement]]:
    """One group for each segment or site, in the order of first mention."""
    groups: dict[object, list[Measurement]] = {}
    for item in items:
        groups.setdefault((item.segment, None if item.segment else item.site), []).append(item)
    return list(groups.values())


def _group(
    items: list[Measurement], result: Measurements, context: ResultContext, segmentation: Dataset | None
) -> Any:
    from highdicom.sr import (
        FindingSite,
        MeasurementsAndQualitativeEvaluations,
        VolumetricROIMeasurementsAndQualitativeEvaluations,
    )

    first = items[0]
    segment = result.segment_of(first)
    label = segment.label if segment else (first.site.meaning if first.site else context.info.name)
    uid = context.run.tracking_uid(segment.number if segment else 0, label)
    common: dict[str, Any] = group_identity(context, uid, label)
    common["measurements"] = [_number(item, context) for item in items]
    if segment is None or segmentation is None:
        sites = [FindingSite(first.site)] if first.site else None
        return MeasurementsAndQualitativeEvaluations(finding_sites=sites, **common)
    return VolumetricROIMeasurementsAndQualitativeEvaluations(
        referenced_segment=_referenced_segment(segmentation, segment, context),
        finding_type=segment.property_type,
        finding_category=segment.category,
        finding_sites=[FindingSite(segment.property_type, segment.laterality)],
        **common,
    )


def measurement_item(item: Measurement, images: Any = None, coordinates: Any = None) -> Any:
    """The NUM of TID 300 with its unit and derivation, and the images and coordinates it was inferred from."""
    from highdicom.sr import Measurement as HighdicomMeasurement

    return HighdicomMeasurement(
        item.name,
        float(item.value),
        item.unit,
        derivation=item.derivation,
        referenced_images=images or None,
        referenced_coordinates=coordinates or None,
    )


def _number(item: Measurement, context: ResultContext) -> Any:
    coordinates = [_in_image(item.mark, context)] if item.mark else []
    coordinates += [_in_patient(item.points, context)] if item.points else []
    return measurement_item(item, _images(item.slices, context), coordinates)


def _images(slices: Iterable[int], context: ResultContext) -> list[Any]:
    from highdicom.sr import SourceImageForMeasurement

    places = [image_at(context.source, index) for index in slices]
    return [
        SourceImageForMeasurement(place.instance.sop_class_uid, place.instance.sop_instance_uid, place.frames)
        for place in places
    ]


def _in_image(mark: Mark, context: ResultContext) -> Any:
    """SCOORD (PS3.3 C.18.6)."""
    from highdicom.sr import CoordinatesForMeasurement, SourceImageForRegion

    place = image_at(context.source, mark.slice_index)
    check_inside(mark, context.source)
    uids = place.instance.sop_class_uid, place.instance.sop_instance_uid
    return CoordinatesForMeasurement(
        mark.graphic_type, mark.graphic_data, SourceImageForRegion(*uids, place.frames)
    )


def _in_patient(points: Sequence[tuple[float, float, float]], context: ResultContext) -> Any:
    """SCOORD3D (PS3.3 C.18.9): millimetres in the patient.  Raises InvalidResult where there is no such."""
    from highdicom.sr import CoordinatesForMeasurement3D

    volume = context.source.volume
    if volume.frame_of_reference_uid is None:
        raise InvalidResult("Points in the patient, of a source without a frame of reference.", "Use a Mark.")
    places = np.asarray(points, np.float64) @ volume.affine[:3, :3].T + volume.affine[:3, 3]
    kind = "POINT" if len(points) == 1 else "POLYLINE"
    return CoordinatesForMeasurement3D(kind, places, volume.frame_of_reference_uid)


def _referenced_segment(segmentation: Dataset, segment: Segment, context: ResultContext) -> Any:
    from highdicom import UID
    from highdicom.sr import ReferencedSegment, SourceSeriesForSegmentation

    return ReferencedSegment(
        segmentation.SOPClassUID,
        segmentation.SOPInstanceUID,
        segment_number=segment.number,
        source_series=SourceSeriesForSegmentation(UID(context.volume.series.series_instance_uid)),
    )
