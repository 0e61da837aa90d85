# SPDX-License-Identifier: Apache-2.0
"""DICOM PS3.15 Tables E.1-1 and E.3.10-1, and the Types of PS3.3 that decide compound actions."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType

from pydicom.datadict import keyword_for_tag

EDITION = "2026c"
COLUMNS = (
    "safe_private", "uids", "device", "institution", "patient", "full_dates", "modified_dates",
    "descriptors", "structured", "graphics",
)  # fmt: skip


@dataclass(frozen=True)
class Row:
    """One row: tag as eight digits (`x` and `g`, `e` stand for any), name, the action of each column.

    basic: D dummy, Z empty or dummy, X remove, U another UID, and compounds of them (X/Z, Z/D ...) that the
    Type of the attribute decides.  options: K keep or C clean by column of `COLUMNS`, where it says anything.
    """

    tag: str
    name: str
    basic: str
    options: MappingProxyType[str, str]


@cache
def rows() -> tuple[Row, ...]:
    """The whole table."""
    return tuple(
        Row(
            "".join(each for each in line["tag"] if each not in "(,)").lower(),
            line["name"],
            line["basic"],
            MappingProxyType({column: line[column] for column in COLUMNS if line[column]}),
        )
        for line in _lines("table.csv")
    )


@cache
def safe_private() -> frozenset[tuple[int, int, str]]:
    """Table E.3.10-1, attributes known to be safe: group, last two digits of the element, private creator."""
    return frozenset(
        (int(line["group"], 16), element, line["creator"])
        for line in _lines("safe_private.csv")
        for element in _elements(line["elements"])
    )


def _elements(text: str) -> Iterator[int]:
    """Each number of `01 03-05`, in hexadecimal digits."""
    for part in text.split():
        first, _, last = part.partition("-")
        yield from range(int(first, 16), int(last or first, 16) + 1)


@cache
def _types() -> dict[str, dict[str, str]]:
    """By SOP class and keyword: "1" or "2"."""
    return {
        line["sop_class_uid"]: {keyword: kind for kind in "21" for keyword in line[f"type_{kind}"].split()}
        for line in _lines("types.csv")
    }


def _lines(name: str) -> Iterator[dict[str, str]]:
    text = files(__package__).joinpath(name).read_text(encoding="utf-8")
    return csv.DictReader(line for line in text.splitlines() if not line.startswith("#"))


def decide(row: Row, sop_class_uid: str = "") -> str:
    """The one action D, Z, X or U that the Basic Profile asks for (PS3.15 Table E.1-1a).

    Compound actions follow the attribute's Type at the top level of the SOP class: 3 takes the first that is
    named, 2 an empty value, 1 a dummy or another UID.  Without a known SOP class (`""`: items of sequences,
    private classes) the last is taken, which is right whatever the Type.
    """
    actions = row.basic.rstrip("*").split("/")
    known = _types().get(sop_class_uid)
    if len(actions) == 1 or known is None:
        return actions[-1]
    match known.get(keyword_for_tag(row.tag)):
        case "1":
            return actions[-1] if actions[-1] in "DU" else "D"
        case "2":
            return "Z" if "Z" in actions else actions[-1]
        case _:
            return actions[0]
