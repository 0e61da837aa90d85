# SPDX-License-Identifier: Apache-2.0
"""What TotalSegmentator's labels become: SEG, coded measurements, a table, a picture, contours on request."""

from collections.abc import Iterator
from typing import Any

from imaging_operators import (
    Measurement,
    Measurements,
    RTStruct,
    SecondaryCapture,
    Segment,
    Segmentation,
    TextReport,
    Volume,
    codes,
)

from .coding import coded
from .measuring import Numbers, measure
from .picture import draw
from .segmenting import Found
from .table import findings_of, text_of
from .tasks import Job

Results = list[Any]


def report(volume: Volume, job: Job, found: Found, rtstruct: bool = False) -> Results:
    """All results; without any class there is no SEG, and the report says so.  rtstruct: contours too."""
    segments, numbers = _segments(job, found), measure(volume, found)
    results: Results = []
    if segments:
        segmentation = Segmentation(found.labelmap, segments)
        results += [segmentation, Measurements(list(_items(job, numbers)), segmentation)]
        if rtstruct:
            results.append(RTStruct(segmentation))
    results.append(TextReport("TotalSegmentator", text_of(job, found, numbers), findings_of(job, found)))
    colors = [segment.color or (255, 255, 255) for segment in segments]
    caption = f"TotalSegmentator {job.task}, coronal and axial overlay"
    return [*results, SecondaryCapture(draw(volume, found, colors), caption)]


def _segments(job: Job, found: Found) -> list[Segment]:
    known = coded(job.task)
    segments = []
    for number, name in enumerate(found.names, start=1):
        each, label = known[name], name.replace("_", " ")
        segments.append(
            Segment(number, each.property_type, label, each.category, each.color, each.laterality)
        )
    return segments


def _items(job: Job, numbers: list[Numbers]) -> Iterator[Measurement]:
    """Volume in cm3, which is ml, and on CT the mean HU; the digits that mean something."""
    hu = codes.UCUM.HounsfieldUnit
    for number, each in enumerate(numbers, start=1):
        yield Measurement(codes.SCT.Volume, round(each.volume_ml, 1), codes.UCUM.CubicCentimeter, number)
        if job.modality == "CT":
            mean = round(each.mean, 1)
            yield Measurement(codes.DCM.AttenuationCoefficient, mean, hu, number, codes.SCT.Mean)
