# SPDX-License-Identifier: Apache-2.0
"""The table for the radiologist, and the sentences that go with it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from imaging_operators import Volume

from .densitometry import Numbers
from .finding import Lungs
from .orientation import Orientation

FARTHEST_MM = 5.0  # slices farther apart measure too roughly
WIDTH = 15  # of a column
Row = tuple[str, tuple[str, ...]]
COLUMNS: dict[str, Callable[[Numbers], str]] = {
    "volume ml": lambda numbers: f"{numbers.volume_ml:.1f}",
    "mean HU": lambda numbers: f"{numbers.mean_hu:.1f}",
    "15th perc. HU": lambda numbers: f"{numbers.percentile_15_hu:.1f}",
    "LAA-950 %": lambda numbers: f"{numbers.laa_950_percent:.2f}",
}
COLUMNS_OF_PART = {"mean HU (part)": COLUMNS["mean HU"]}


@dataclass(frozen=True)
class Finding:
    """One sentence; `withholds`: with it the numbers of the whole lung are not given."""

    text: str
    withholds: bool = False


def findings_of(volume: Volume, lungs: Lungs, numbers: Mapping[str, Numbers]) -> list[Finding]:
    """What must be said beside the numbers; empty when there is nothing."""
    if not lungs.found:
        return [Finding("no lungs found", withholds=True)]
    findings = []
    if lungs.cut:
        findings.append(Finding("lungs not completely imaged", withholds=True))
    if "right" not in numbers or "left" not in numbers:
        findings.append(Finding(f"only the {'left' if 'left' in numbers else 'right'} lung found"))
    spacing_mm = Orientation.of(volume.affine).spacing_mm[0]
    if spacing_mm > FARTHEST_MM + 0.01:
        findings.append(Finding(f"slices are {spacing_mm:.1f} mm apart: too far for reliable numbers"))
    return findings


def rows_of(numbers: Mapping[str, Numbers], findings: list[Finding]) -> list[Row]:
    """The table: its head, then name and numbers of each lung, and of both when there are two.

    Where numbers are withheld, only the mean of what was imaged is in it.  Empty without a lung.
    """
    names = {"right": "right lung", "left": "left lung", "both": "both lungs"}
    shown = [side for side in names if side in numbers and (side != "both" or len(numbers) == 3)]
    columns = COLUMNS_OF_PART if any(finding.withholds for finding in findings) else COLUMNS
    rows = [(names[side], tuple(text(numbers[side]) for text in columns.values())) for side in shown]
    return [("", tuple(columns)), *rows] if rows else []


def text_of(volume: Volume, numbers: Mapping[str, Numbers], findings: list[Finding]) -> str:
    """The report: findings first, then the table, then how to read it."""
    lines = [finding.text.upper() if finding.withholds else finding.text for finding in findings]
    if numbers:
        lines += [""] if lines else []
        lines += [_line(row) for row in rows_of(numbers, findings)]
    return "\n".join([*lines, "", *_notes(volume, numbers, findings)])


def _line(row: Row) -> str:
    name, columns = row
    return f"{name:<12}" + "".join(f"{text:>{WIDTH}}" for text in columns)


def _notes(volume: Volume, numbers: Mapping[str, Numbers], findings: list[Finding]) -> list[str]:
    if not numbers:
        return ["Less than 50 ml of lung tissue on each side: nothing was segmented or measured."]
    withheld = any(finding.withholds for finding in findings)
    notes = ["Vessels and nodules within the lungs are included, trachea and main bronchi are not."]
    if withheld:
        notes = ["Mean HU is that of the imaged part. Volume, 15th percentile and LAA-950 are not given."]
    return [*notes, _acquisition(volume)]


def _acquisition(volume: Volume) -> str:
    """What density depends on: slice distance, convolution kernel, contrast agent."""
    header = volume.source_of(0).dataset
    kernel = header.get("ConvolutionKernel") or "not stated"
    kernel = kernel if isinstance(kernel, str) else "/".join(kernel)
    contrast = "with contrast agent" if header.get("ContrastBolusAgent") else "no contrast agent stated"
    spacing_mm = Orientation.of(volume.affine).spacing_mm[0]
    return f"Slices {spacing_mm:.2f} mm apart, kernel {kernel}, {contrast}."
