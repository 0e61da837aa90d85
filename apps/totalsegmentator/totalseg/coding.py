# SPDX-License-Identifier: Apache-2.0
"""What a class is called in SNOMED CT: category, type, laterality and colour, from the package's own table."""

import csv
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from imaging_operators import Code, codes, private_code

from .colors import RGB, told_apart
from .package import package
from .tasks import networks

TABLE = "resources/totalsegmentator_snomed_mapping.csv"
CATEGORY, TYPE = "SegmentedPropertyCategoryCodeSequence", "SegmentedPropertyTypeCodeSequence"
MODIFIER = "SegmentedPropertyTypeModifierCodeSequence"
SIDES = {"left": codes.SCT.Left, "right": codes.SCT.Right}
# Classes that the package's table lacks and SNOMED CT has.
OTHERS = {
    "lung_left": codes.SCT.Lung,
    "lung_right": codes.SCT.Lung,
    "vertebrae": codes.SCT.Vertebra,
    "breast": codes.SCT.Breast,
}
LONGEST = 64


@dataclass(frozen=True)
class Coded:
    """What one class is; laterality for one of a pair."""

    property_type: Code
    category: Code
    laterality: Code | None
    color: RGB | None


@cache
def coded(task: str) -> dict[str, Coded]:
    """Every class of a task by its name, with colours that can be told apart."""
    labels: dict[int, str] = package().class_map[task]
    plain = {name: _coded(task, label, name) for label, name in labels.items()}
    colors = told_apart([each.color for each in plain.values()])
    return {
        name: Coded(each.property_type, each.category, each.laterality, color)
        for (name, each), color in zip(plain.items(), colors, strict=True)
    }


def _coded(task: str, label: int, name: str) -> Coded:
    row = _table().get(name)
    if row is not None:
        red, green, blue = (int(part) for part in row["DicomRGBColor"].split(","))
        category, modifier = _code(row, CATEGORY), _code(row, MODIFIER)
        return Coded(_code(row, TYPE), category, modifier, (red, green, blue))
    side = SIDES.get(name.rpartition("_")[2])
    if name in OTHERS:
        return Coded(OTHERS[name], codes.SCT.AnatomicalStructure, side, None)
    meaning = f"TotalSegmentator {task}: {name}".replace("_", " ")[:LONGEST]
    dataset = networks(task, fast=False)[0].dataset
    value = f"TS-{dataset[len('Dataset') :][:3]}-{label}"
    return Coded(private_code(value, meaning), codes.SCT.AnatomicalStructure, side, None)


@cache
def _table() -> dict[str, dict[str, Any]]:
    with files("totalsegmentator").joinpath(TABLE).open(newline="") as file:
        return {row["Structure"]: row for row in csv.DictReader(file)}


def _code(row: dict[str, Any], sequence: str) -> Any:
    """The code of one sequence of a row; None where it is empty."""
    value = row[f"{sequence}.CodeValue"]
    if not value:
        return None
    return Code(value, row[f"{sequence}.CodingSchemeDesignator"], row[f"{sequence}.CodeMeaning"][:LONGEST])
