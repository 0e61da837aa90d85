# SPDX-License-Identifier: Apache-2.0
"""The public codes that pydicom knows, which are those of PS3.16, those of TotalSegmentator, and what objects use."""

import csv
import re
from collections.abc import Iterator
from functools import cache
from importlib.resources import files

from pydicom import Dataset
from pydicom.sr._concepts_dict import concepts
from pydicom.sr.coding import Code

PRIVATE_SCHEME = "99GANTRY"
ANNOTATION = re.compile(
    r"\{[!-z|~]+\}"
)  # text in braces is a unit of 1 in UCUM (section 2.3), whatever it says
LANGUAGE_TAGS = "RFC5646"  # of the language of a report: a grammar, not a table (PS3.16 §8)


@cache
def meanings() -> dict[tuple[str, str], set[str]]:
    """(scheme, value) to its meanings, for every code in the tables."""
    found: dict[tuple[str, str], set[str]] = {}
    for scheme, names in concepts.items():
        for values in names.values():
            for value, (meaning, *_) in values.items():
                found.setdefault((scheme, value), set()).add(meaning)
    for scheme, value, meaning in _of_totalsegmentator():
        found.setdefault((scheme, value), set()).add(meaning)
    return found


def _of_totalsegmentator() -> Iterator[tuple[str, str, str]]:
    """Scheme, value and meaning of every code in the package's table of its classes."""
    table = files("totalsegmentator").joinpath("resources/totalsegmentator_snomed_mapping.csv")
    with table.open(newline="") as file:
        for row in csv.DictReader(file):
            for key in [key for key in row if key.endswith(".CodeValue") and row[key]]:
                prefix = key.removesuffix("CodeValue")
                yield row[f"{prefix}CodingSchemeDesignator"], row[key], row[f"{prefix}CodeMeaning"]


def wrong_with(code: Code, wording: bool = True) -> str:
    """Why a code must not be used, in words; empty when it may.  `wording`: its meaning is looked at too."""
    if code.scheme_designator in (PRIVATE_SCHEME, LANGUAGE_TAGS):
        return ""
    if code.scheme_designator == "UCUM" and ANNOTATION.fullmatch(code.value):
        return ""
    known = meanings().get((code.scheme_designator, code.value), set())
    if not known:
        return f"{code.value} is not a known code of {code.scheme_designator}"
    if wording and code.meaning.casefold() not in {meaning.casefold() for meaning in known}:
        return f"{code.value} of {code.scheme_designator} means {sorted(known)}, not {code.meaning!r}"
    return ""


def codes_in(dataset: Dataset) -> Iterator[Code]:
    """Every code item of the object, at any depth (PS3.3 §8.8)."""
    for element in dataset.iterall():
        if element.VR == "SQ":
            for item in element.value:
                if "CodeValue" in item and "CodingSchemeDesignator" in item:
                    yield Code(str(item.CodeValue), str(item.CodingSchemeDesignator), str(item.CodeMeaning))


def schemes_declared(dataset: Dataset) -> set[str]:
    """The coding schemes that the object declares (PS3.3 §C.12.1.1.1)."""
    return {
        str(item.CodingSchemeDesignator) for item in dataset.get("CodingSchemeIdentificationSequence", [])
    }
