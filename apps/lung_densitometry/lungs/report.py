# SPDX-License-Identifier: Apache-2.0
"""What the lungs become: SEG, coded measurements, a table and a picture."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from imaging_operators import (
    Measurement,
    Measurements,
    SecondaryCapture,
    Segment,
    Segmentation,
    TextReport,
    Volume,
    codes,
    private_code,
)

from .densitometry import Numbers, measure
from .finding import Lungs
from .picture import COLORS, draw
from .sides import LEFT, RIGHT
from .table import Finding, findings_of, text_of

Results = list[Segmentation | Measurements | TextReport | SecondaryCapture]

PERCENTILE_15 = private_code("LUNG_P15", "15th percentile of lung density")
LAA_950 = private_code("LUNG_LAA950", "LAA-950: part of the lung below -950 HU")
MEAN_OF_PART = private_code("LUNG_PART_MEAN", "Mean density of the imaged part of the lung")
SIDES = {"right": (RIGHT, codes.SCT.Right), "left": (LEFT, codes.SCT.Left)}


def report(volume: Volume, lungs: Lungs) -> Results:
    """All results for `volume`: no SEG and no measurements without a lung."""
    numbers = measure(volume.array, lungs, float(np.prod(volume.spacing_mm)) / 1000)
    findings = findings_of(volume, lungs, numbers)
    text = text_of(volume, numbers, findings)
    results: Results = []
    if lungs.found:
        segmentation = _segmentation(lungs, numbers)
        results += [segmentation, Measurements(list(_items(lungs, numbers)), segmentation)]
    results.append(TextReport("Lung densitometry on CT", text, tuple(finding.text for finding in findings)))
    results.append(SecondaryCapture(draw(volume, lungs, numbers, findings), _caption(findings)))
    return results


def _found(numbers: dict[str, Numbers]) -> list[str]:
    return [side for side in SIDES if side in numbers]


def _segmentation(lungs: Lungs, numbers: dict[str, Numbers]) -> Segmentation:
    """Segments 1 and 2 are right and left lung; a single lung is segment 1."""
    renumbered, segments = np.zeros_like(lungs.labelmap), []
    for number, side in enumerate(_found(numbers), start=1):
        label, laterality = SIDES[side]
        renumbered[lungs.labelmap == label] = number
        name = f"{side.capitalize()} lung" + (", imaged part" if lungs.cut else "")
        segments.append(Segment(number, codes.SCT.Lung, name, color=COLORS[label], laterality=laterality))
    return Segmentation(renumbered, segments)


def _items(lungs: Lungs, numbers: dict[str, Numbers]) -> Iterator[Measurement]:
    """Those of each lung refer to its segment, those of both name the lungs as their site."""
    sides = _found(numbers)
    for number, side in enumerate(sides, start=1):
        yield from (replace(item, segment=number) for item in _coded(numbers[side], lungs))
    if len(sides) == 2:
        yield from (replace(item, site=codes.SCT.Lung) for item in _coded(numbers["both"], lungs))


def _coded(numbers: Numbers, lungs: Lungs) -> list[Measurement]:
    """The numbers that may be given, to the digits that mean something."""
    hu, mean_hu = codes.UCUM.HounsfieldUnit, round(numbers.mean_hu, 1)
    if lungs.cut:
        return [Measurement(MEAN_OF_PART, mean_hu, hu)]
    return [
        Measurement(codes.SCT.Volume, round(numbers.volume_ml, 1), codes.UCUM.CubicCentimeter),
        Measurement(codes.DCM.AttenuationCoefficient, mean_hu, hu, derivation=codes.SCT.Mean),
        Measurement(PERCENTILE_15, round(numbers.percentile_15_hu, 1), hu),
        Measurement(LAA_950, round(numbers.laa_950_percent, 2), codes.UCUM.Percent),
    ]


def _caption(findings: list[Finding]) -> str:
    return "; ".join(
        ["Lung densitometry, coronal and axial overlay", *(finding.text for finding in findings)]
    )
