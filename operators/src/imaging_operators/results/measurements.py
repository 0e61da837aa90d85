# SPDX-License-Identifier: Apache-2.0
"""Coded numbers for machines: a Comprehensive 3D SR after PS3.16 TID 1500, readable as a text tree too."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from pydicom import Dataset

from ..coding import Code, codes
from ..errors import InvalidResult
from .base import ResultContext
from .segmentation import Segment, Segmentation
from .structured_report import group_identity, measurement_report


@dataclass(frozen=True)
class Measurement:
    """One number.

    name, unit: coded; the unit of scheme UCUM.
    segment: number of the segment that was measured; without one, `site` may say where.
    derivation: how the number was computed, codes.SCT.Mean for one (PS3.16 CID 7464).
    Raises InvalidResult for a value that is not finite.
    """

    name: Code
    value: float
    unit: Code
    segment: int | None = None
    derivation: Code | None = None
    site: Code | None = None

    def __post_init__(self) -> None:
        if not math.isfinite(self.value):
            raise InvalidResult(
                f"The measurement {self.name.meaning!r} is {self.value}.",
                "Leave out what cannot be measured; say why in a TextReport.",
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
        return [
            {
                "name": _plain_name(item),
                "value": float(item.value),
                "unit": item.unit.value,
                "site": self._site_name(item),
            }
            for item in self.items
        ]

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


def _plain_name(item: Measurement) -> str:
    return f"{item.name.meaning} ({item.derivation.meaning})" if item.derivation else item.name.meaning


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
    common: dict[str, Any] = group_identity(context, segment.number if segment else 0, label)
    common["measurements"] = [_number(item) for item in items]
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


def _number(item: Measurement) -> Any:
    from highdicom.sr import Measurement as HighdicomMeasurement

    return HighdicomMeasurement(item.name, float(item.value), item.unit, derivation=item.derivation)


def _referenced_segment(segmentation: Dataset, segment: Segment, context: ResultContext) -> Any:
    from highdicom import UID
    from highdicom.sr import ReferencedSegment, SourceSeriesForSegmentation

    return ReferencedSegment(
        segmentation.SOPClassUID,
        segmentation.SOPInstanceUID,
        segment_number=segment.number,
        source_series=SourceSeriesForSegmentation(UID(context.volume.series.series_instance_uid)),
    )
