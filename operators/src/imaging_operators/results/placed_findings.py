# SPDX-License-Identifier: Apache-2.0
"""Findings with a place that viewers step to: a TID 1500 SR titled 126000, an outline in every group."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from pydicom import Dataset

from ..coding import Code, codes
from ..errors import InvalidResult
from .base import ResultContext
from .marks import Mark, check_inside, image_at
from .measurements import Measurement, measurement_item, plain_measurement
from .structured_report import group_identity, measurement_report


@dataclass(frozen=True)
class PlacedFinding:
    """One finding, outlined on its key image.

    finding: what it is, coded.
    outline: a closed line, or a point, on the image that shows it best.
    measurements: few numbers; their own places are left aside, the outline is it.
    label: what a viewer shows; without one, the meaning of `finding`.
    site: where in the body; laterality: codes.SCT.Left or codes.SCT.Right.
    Raises InvalidResult for a line that is not closed.
    """

    finding: Code
    outline: Mark
    measurements: Sequence[Measurement] = ()
    label: str = ""
    site: Code | None = None
    laterality: Code | None = None

    def __post_init__(self) -> None:
        if not self.label:
            object.__setattr__(self, "label", self.finding.meaning)
        if len(self.outline.points) > 1 and not self.outline.is_closed:
            raise InvalidResult(f"The outline of {self.label!r} is not closed.", "Repeat its first point.")


@dataclass(frozen=True, eq=False)
class PlacedFindings:
    """Findings with a place, in a report of their own: a viewer shows its groups as annotations.

    One group without a place would blank the whole report in a viewer, so numbers of segments are for
    Measurements.  procedure: of PS3.16 CID 100; by default the one of the source's Modality.
    Raises InvalidResult without any finding.
    """

    items: Sequence[PlacedFinding]
    findings: tuple[str, ...] = ()
    procedure: Code | None = None
    kind: ClassVar[str] = "placed-findings"

    def __post_init__(self) -> None:
        if not self.items:
            raise InvalidResult("PlacedFindings without any finding.", "Return no PlacedFindings then.")

    def plain(self) -> list[dict[str, Any]]:
        """The numbers as results.json lists them."""
        return [plain_measurement(number, item.label) for item in self.items for number in item.measurements]

    def to_dicom(self, context: ResultContext) -> Dataset:
        """The structured report.  Raises InvalidResult for an outline that is in no image of the source."""
        groups = [_group(number, item, context) for number, item in enumerate(self.items, start=1)]
        return measurement_report(context, groups, codes.cid7021.ImagingMeasurementReport, self.procedure)


def _group(number: int, item: PlacedFinding, context: ResultContext) -> Any:
    from highdicom.sr import FindingSite, PlanarROIMeasurementsAndQualitativeEvaluations

    return PlanarROIMeasurementsAndQualitativeEvaluations(
        referenced_region=_region(item.outline, context),
        finding_type=item.finding,
        finding_sites=[FindingSite(item.site, item.laterality)] if item.site else None,
        measurements=[measurement_item(each) for each in item.measurements],
        **group_identity(context, context.tracking_uid(number, item.label), item.label),
    )


def _region(outline: Mark, context: ResultContext) -> Any:
    from highdicom.sr import ImageRegion, SourceImageForRegion

    place = image_at(context.source, outline.slice_index)
    check_inside(outline, context.source)
    image = SourceImageForRegion(place.instance.sop_class_uid, place.instance.sop_instance_uid, place.frames)
    return ImageRegion(outline.graphic_type, outline.graphic_data, image)
