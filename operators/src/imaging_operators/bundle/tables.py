# SPDX-License-Identifier: Apache-2.0
"""What a bundle's outputs mean: configs/segments.toml, or configs/scores.toml.

Each `[[segment]]` has `number`, `label`, `type`, and may have `category`, `laterality` ("left" or "right"),
`color` ([red, green, blue]), `usual_ml` and `usual_mean` ([low, high]: outside it the report says so).  Each
`[[score]]` has `output` (from 0), `label`, and may have `type` and `threshold`.  A code is
`[value, scheme, meaning]`.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..coding import Code, codes, written_code
from ..errors import InvalidResult
from ..results.segmentation import Segment
from .document import Document

SIDES = {"left": codes.SCT.Left, "right": codes.SCT.Right}


@dataclass(frozen=True)
class SegmentRow:
    """One segment, and the volume in ml and the mean value between which it is expected."""

    segment: Segment
    usual_ml: tuple[float, float] | None
    usual_mean: tuple[float, float] | None


@dataclass(frozen=True)
class ScoreRow:
    """One score: which output of the network, what it is called, and its operating point."""

    output: int
    name: Code | str
    threshold: float | None


def read_segments(folder: Path, outputs: int) -> list[SegmentRow]:
    """The rows of configs/segments.toml, numbered 1 to `outputs` - 1.  Raises BadBundle."""
    document = Document.read(folder / "configs" / "segments.toml")
    rows = [_segment(table) for table in document.tables("segment")]
    numbers = [row.segment.number for row in rows]
    if numbers != list(range(1, outputs)):
        raise document.wrong(
            "segment numbers", numbers, f"1 to {outputs - 1}: metadata.json has {outputs} outputs"
        )
    return rows


def read_scores(folder: Path, labels: tuple[str, ...]) -> list[ScoreRow]:
    """The rows of configs/scores.toml; without the file, every output by its label.  Raises BadBundle."""
    path = folder / "configs" / "scores.toml"
    if not path.is_file():
        return [ScoreRow(output, label, None) for output, label in enumerate(labels)]
    document = Document.read(path)
    rows = [_score(table) for table in document.tables("score")]
    unknown = [row.output for row in rows if not 0 <= row.output < len(labels)]
    if unknown:
        raise document.wrong("score outputs", unknown, f"0 to {len(labels) - 1}, as metadata.json says")
    return rows


def _segment(table: Document) -> SegmentRow:
    try:
        segment = Segment(
            number=table.get("number", int),
            property_type=_code(table, "type"),
            label=table.text("label"),
            category=_code(table, "category") if "category" in table.values else codes.SCT.Organ,
            color=_color(table),
            laterality=_side(table),
        )
    except InvalidResult as error:
        raise table.wrong("segment", table.values, error.detail) from error
    return SegmentRow(segment, _range(table, "usual_ml"), _range(table, "usual_mean"))


def _score(table: Document) -> ScoreRow:
    name = _code(table, "type") if "type" in table.values else table.text("label")
    threshold = table.get("threshold", float, None)
    return ScoreRow(table.get("output", int), name, None if threshold is None else float(threshold))


def _code(table: Document, key: str) -> Code:
    parts = table.get(key, list)
    try:
        return written_code(*parts)
    except (TypeError, ValueError) as error:
        raise table.wrong(key, parts, f"a code [value, scheme, meaning] ({error})") from error


def _side(table: Document) -> Code | None:
    side = table.text("laterality", "")
    if side and side not in SIDES:
        raise table.wrong("laterality", side, "left or right")
    return SIDES.get(side)


def _range(table: Document, key: str) -> tuple[float, float] | None:
    if key not in table.values:
        return None
    low, high = _numbers(table, key, 2)
    return low, high


def _color(table: Document) -> tuple[int, int, int] | None:
    if "color" not in table.values:
        return None
    red, green, blue = (int(part) for part in _numbers(table, "color", 3))
    return red, green, blue


def _numbers(table: Document, key: str, count: int) -> list[Any]:
    found = table.get(key, list)
    if len(found) != count or not all(isinstance(each, int | float) for each in found):
        raise table.wrong(key, found, f"{count} numbers")
    return list(found)
