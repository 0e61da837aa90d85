# SPDX-License-Identifier: Apache-2.0
"""The table for the radiologist, and the sentences that go with it."""

from collections.abc import Mapping
from dataclasses import dataclass

from imaging_operators import Volume

from .densitometry import Numbers
from .finding import Lungs
from .orientation import Orientation

FARTHEST_MM = 5.0  # slices farther apart measure too roughly
HEAD = ("volume ml", "mean HU", "15th perc. HU", "LAA-950 %")
WIDTHS = (12, 10, 15, 11)


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


def rows_of(numbers: Mapping[str, Numbers], findings: list[Finding]) -> list[tuple[str, tuple[str, ...]]]:
    """Name and columns of each lung, and of both when there are two; dashes for numbers that are withheld."""
    names = {"right": "right lung", "left": "left lung", "both": "both lungs"}
    if len(numbers) < 3:
        names.pop("both")
    withheld = any(finding.withholds for finding in findings)
    return [(name, _columns(numbers[side], withheld)) for side, name in names.items() if side in numbers]


def _columns(numbers: Numbers, withheld: bool) -> tuple[str, ...]:
    mean = f"{numbers.mean_hu:.1f}"
    if withheld:
        return "-", mean, "-", "-"
    return (
        f"{numbers.volume_ml:.1f}",
        mean,
        f"{numbers.percentile_15_hu:.1f}",
        f"{numbers.laa_950_percent:.2f}",
    )


def text_of(volume: Volume, numbers: Mapping[str, Numbers], findings: list[Finding]) -> str:
    """The report: findings first, then the table, then how to read it."""
    lines = [finding.text.upper() if finding.withholds else finding.text for finding in findings]
    if numbers:
        lines += ["", _line("", HEAD)] if lines else [_line("", HEAD)]
        lines += [_line(name, columns) for name, columns in rows_of(numbers, findings)]
    return "\n".join([*lines, "", *_notes(volume, numbers, findings)])


def _line(name: str, columns: tuple[str, ...]) -> str:
    return f"{name:<12}" + "".join(f"{text:>{width}}" for text, width in zip(columns, WIDTHS, strict=True))


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
