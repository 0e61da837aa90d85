# SPDX-License-Identifier: Apache-2.0
"""A labelmap as results: SEG, coded measurements, a table and a picture."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from imaging_data import Volume

from ..coding import Code, codes
from ..results.base import Result
from ..results.measurements import Measurement, Measurements
from ..results.secondary_capture import SecondaryCapture
from ..results.segmentation import Segment, Segmentation
from ..results.text_report import TextReport
from .description import Description
from .picture import draw
from .tables import SegmentRow

# What a voxel's value is, and its unit; values of other modalities have no name that all agree on.
QUANTITIES: dict[str, tuple[Code, Code, str]] = {
    "CT": (codes.DCM.AttenuationCoefficient, codes.UCUM.HounsfieldUnit, "mean HU"),
    "MR": (codes.DCM.MRSignalIntensity, codes.UCUM.NoUnits, "mean signal"),
}


@dataclass(frozen=True)
class Found:
    """One segment that is there, under its number in the SEG; `mean` is None for other modalities."""

    row: SegmentRow
    segment: Segment
    volume_ml: float
    mean: float | None

    @property
    def remarks(self) -> list[str]:
        """A sentence for each number that is outside what the table calls usual."""
        checked = [
            ("volume", self.volume_ml, self.row.usual_ml, " ml"),
            ("mean", self.mean, self.row.usual_mean, ""),
        ]
        return [
            f"{self.segment.label}: {what} {value:.0f}{unit} is outside the usual {usual[0]:g} to {usual[1]:g}{unit}"
            for what, value, usual, unit in checked
            if value is not None and usual is not None and not usual[0] <= value <= usual[1]
        ]


def segmentation_results(
    description: Description,
    rows: Sequence[SegmentRow],
    volume: Volume,
    labelmap: NDArray[np.unsignedinteger],
) -> list[Result]:
    """All results for a labelmap on the volume's grid.

    Without SEG and measurements when it is empty, and when it is unlikely as a whole: a mask in the viewer and a
    number in a database stand without the sentence that doubts them; table and picture carry it.
    """
    found = list(_found(description, rows, volume, labelmap))
    unlikely = _unlikely(rows, found)
    findings = tuple(_findings(description, rows, found, unlikely))
    segments = [each.segment for each in found]
    shown = _renumbered(labelmap, rows, found)
    results: list[Result] = []
    if found and not unlikely:
        segmentation = Segmentation(shown, segments)
        items = [item for each in found for item in _measurements(description, each)]
        results += [segmentation, Measurements(items, segmentation)]
    results.append(TextReport(description.title, _text(description, found, findings), findings))
    caption = "; ".join([f"{description.title}, coronal and axial overlay", *findings[:3]])
    results.append(SecondaryCapture(draw(volume, shown, segments), caption))
    return results


def _renumbered(
    labelmap: NDArray[np.unsignedinteger], rows: Sequence[SegmentRow], found: Sequence[Found]
) -> NDArray[np.unsignedinteger]:
    """The labelmap with the numbers that the segments have in the SEG, which are without gaps."""
    numbers = np.zeros(len(rows) + 1, labelmap.dtype)
    for each in found:
        numbers[each.row.segment.number] = each.segment.number
    renumbered: NDArray[np.unsignedinteger] = numbers[labelmap]
    return renumbered


def _found(
    description: Description,
    rows: Sequence[SegmentRow],
    volume: Volume,
    labelmap: NDArray[np.unsignedinteger],
) -> Iterator[Found]:
    """One pass over the voxels for the volume and mean of every segment."""
    labels = labelmap.ravel()
    counts = np.bincount(labels, minlength=len(rows) + 1)
    sums = np.bincount(labels, volume.array.ravel(), minlength=len(rows) + 1)
    voxel_ml = float(np.prod(volume.spacing_mm)) / 1000
    there = [row for row in rows if counts[row.segment.number]]
    for number, row in enumerate(there, start=1):
        count = counts[row.segment.number]
        mean = float(sums[row.segment.number] / count) if description.modality in QUANTITIES else None
        yield Found(row, replace(row.segment, number=number), float(count * voxel_ml), mean)


def _measurements(description: Description, found: Found) -> Iterator[Measurement]:
    number = found.segment.number
    yield Measurement(codes.SCT.Volume, round(found.volume_ml, 1), codes.UCUM.CubicCentimeter, number)
    if found.mean is not None:
        quantity, unit, _ = QUANTITIES[description.modality]
        yield Measurement(quantity, round(found.mean, 1), unit, number, codes.SCT.Mean)


def _unlikely(rows: Sequence[SegmentRow], found: Sequence[Found]) -> str:
    """A sentence when most segments are missing or outside what is usual, else ""."""
    doubtful = len(rows) - len(found) + sum(bool(each.remarks) for each in found)
    if not found or not 2 * doubtful > len(rows) > 1:
        return ""
    return (
        f"UNLIKELY RESULT: {doubtful} of {len(rows)} segments are missing or not as usual; "
        "no segmentation is returned"
    )


def _findings(
    description: Description, rows: Sequence[SegmentRow], found: Sequence[Found], unlikely: str
) -> Iterator[str]:
    """What must be said beside the numbers: the notice, what was not found, what is unlikely."""
    if description.notice:
        yield description.notice
    there = {each.row.segment.number for each in found}
    missing = [row.segment.label for row in rows if row.segment.number not in there]
    if missing:
        yield f"not found: {', '.join(missing)}"
    if unlikely:
        yield unlikely
    yield from (sentence for each in found for sentence in each.remarks)


def _text(description: Description, found: Sequence[Found], findings: Sequence[str]) -> str:
    _, _, mean = QUANTITIES.get(description.modality, (None, None, ""))
    lines = [f"{'':<28}{'volume ml':>12}{mean:>14}"] if found else ["Nothing was found."]
    for each in found:
        mark = " *" if each.remarks else ""
        value = "" if each.mean is None else f"{each.mean:.1f}"
        lines.append(f"{each.segment.label:<28.28}{each.volume_ml:>12.1f}{value:>14}{mark}")
    return "\n".join([*lines, "", *findings])
