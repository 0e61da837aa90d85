# SPDX-License-Identifier: Apache-2.0
"""What a de-identification keeps, cleans and removes: the Basic Profile, options of it, and choices by attribute."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple, Self

from pydicom import Dataset
from pydicom.datadict import dictionary_has_tag, tag_for_keyword
from pydicom.tag import BaseTag

from ..errors import ImagingDataError
from .reading import KEYS as PIXEL_KEYS
from .reading import Reading
from .table import Row, decide, rows, safe_private

SHIPPED = ("basic", "research")


class Option(NamedTuple):
    """An option of PS3.15 section E.3: its column in the table ("" for none), its code in CID 7050, its name."""

    column: str
    code: str
    meaning: str


FULL_DATES, MODIFIED_DATES = "retain-full-dates", "retain-modified-dates"
CLEAN_DESCRIPTORS, CLEAN_STRUCTURED = "clean-descriptors", "clean-structured-content"
CLEAN_PIXELS, SAFE_PRIVATE = "clean-pixel-data", "retain-safe-private"
RETAIN_UIDS = "retain-uids"
BASIC = Option("", "113100", "Basic Application Confidentiality Profile")
OPTIONS = {
    CLEAN_PIXELS: Option("", "113101", "Clean Pixel Data Option"),
    "clean-graphics": Option("graphics", "113103", "Clean Graphics Option"),
    CLEAN_STRUCTURED: Option("structured", "113104", "Clean Structured Content Option"),
    CLEAN_DESCRIPTORS: Option("descriptors", "113105", "Clean Descriptors Option"),
    FULL_DATES: Option("full_dates", "113106", "Retain Longitudinal Temporal Information Full Dates Option"),
    MODIFIED_DATES: Option(
        "modified_dates", "113107", "Retain Longitudinal Temporal Information Modified Dates Option"
    ),
    "retain-patient-characteristics": Option("patient", "113108", "Retain Patient Characteristics Option"),
    "retain-device-identity": Option("device", "113109", "Retain Device Identity Option"),
    RETAIN_UIDS: Option("uids", "113110", "Retain UIDs Option"),
    SAFE_PRIVATE: Option("safe_private", "113111", "Retain Safe Private Option"),
    "retain-institution-identity": Option("institution", "113112", "Retain Institution Identity Option"),
}
CHOICES = {"keep": "K", "clean": "C", "remove": "X", "empty": "Z", "dummy": "D", "uid": "U", "hash": "H"}
REPLACE = "R"
_KEYS = {"description", "options", "attributes", "safe_private", "words"} | PIXEL_KEYS
_SAFE = re.compile(r"\(([0-9A-Fa-f]{4}),xx([0-9A-Fa-f]{2})\) (.+)")


class UnusableProfile(ImagingDataError):
    """The profile cannot be used."""

    hint = "docs/research.md says what a profile may hold; basic and research are there by name."


class Rule(NamedTuple):
    """What is done with an attribute: D, Z, X, U, K keep, C clean, H hash, R replace by `value`.

    fallback: the Basic Profile's action, for a value that cannot be cleaned.
    """

    action: str
    fallback: str
    value: str = ""


@dataclass(frozen=True)
class Profile:
    """A de-identification profile.

    name: of the file, without its ending.  options: names in `OPTIONS`.  choices: by tag, before any option.
    safe_private: group, last two digits of the element and private creator of attributes that stay with the
    option retain-safe-private, beside those of Table E.3.10-1.  words: those that stay in cleaned descriptors,
    in small letters.
    """

    name: str
    options: frozenset[str] = frozenset()
    choices: Mapping[int, Rule] = field(default_factory=dict)
    safe_private: frozenset[tuple[int, int, str]] = frozenset()
    words: frozenset[str] = frozenset()
    reading: Reading = field(default_factory=Reading)

    @classmethod
    def read(cls, name_or_path: str | Path) -> Self:
        """A shipped profile by name, or one's own TOML file.  Raises UnusableProfile, saying the wrong key."""
        shipped = str(name_or_path) in SHIPPED
        path = files(__package__).joinpath(f"{name_or_path}.toml") if shipped else Path(name_or_path)
        try:
            raw = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise UnusableProfile(f"{name_or_path}: {error}.") from error
        try:
            return cls._parse(Path(name_or_path).stem, raw)
        except (TypeError, AttributeError) as error:
            raise UnusableProfile(f"{name_or_path}: a value has the wrong kind ({error}).") from error
        except ValueError as error:
            raise UnusableProfile(f"{name_or_path}: {error}.") from error

    @classmethod
    def _parse(cls, name: str, raw: dict[str, Any]) -> Self:
        options = frozenset(raw.get("options", []))
        wrong = [*sorted(raw.keys() - _KEYS), *sorted(options - OPTIONS.keys())]
        if wrong:
            raise UnusableProfile(f"{name}: {wrong[0]!r} is not known.")
        if {FULL_DATES, MODIFIED_DATES} <= options:
            raise UnusableProfile(f"{name}: {FULL_DATES} and {MODIFIED_DATES} exclude each other.")
        choices = {
            _tag(name, key): _choice(name, key, value) for key, value in raw.get("attributes", {}).items()
        }
        safe = frozenset(_safe(name, each) for each in raw.get("safe_private", []))
        return cls(name, options, choices, safe, _words(raw.get("words", [])), Reading.of(raw))

    def has(self, option: str) -> bool:
        """Whether it has this option of `OPTIONS`."""
        return option in self.options

    @property
    def keeps_times(self) -> bool:
        """Whether dates and times stay, shifted or not."""
        return bool(self.options & {FULL_DATES, MODIFIED_DATES})

    def is_safe(self, dataset: Dataset, tag: BaseTag) -> bool:
        """Whether this private attribute of `dataset` stays with the option retain-safe-private (section E.3.10).

        A private creator does where any attribute of its is safe.
        """
        block = tag if tag.is_private_creator else BaseTag(tag.group << 16 | tag.element >> 8)
        if not self.has(SAFE_PRIVATE) or not block.is_private_creator or block not in dataset:
            return False
        creator = str(dataset[block].value).strip()
        if tag is block:
            return any(name == creator for _, _, name in self._safe)
        return (tag.group, tag.element & 0xFF, creator) in self._safe

    @cached_property
    def _safe(self) -> frozenset[tuple[int, int, str]]:
        return safe_private() | self.safe_private

    def rules(self, sop_class_uid: str = "") -> MappingProxyType[int, Rule]:
        """The rule of each row of the table, by tag, for the top level of a SOP class or ("") for items.

        Rows for whole groups are not among them: private attributes, curves and overlays.
        """
        return _rules(self.options, sop_class_uid)


@cache
def _rules(options: frozenset[str], sop_class_uid: str) -> MappingProxyType[int, Rule]:
    columns = [OPTIONS[option].column for option in sorted(options)]
    plain = [row for row in rows() if set(row.tag) <= set("0123456789abcdef")]
    return MappingProxyType({int(row.tag, 16): _rule(row, columns, sop_class_uid) for row in plain})


def _rule(row: Row, columns: list[str], sop_class_uid: str) -> Rule:
    """K where any option says so, else C, else the Basic Profile's."""
    said = {row.options[column] for column in columns if column in row.options}
    basic = decide(row, sop_class_uid)
    return Rule("K" if "K" in said else "C" if "C" in said else basic, basic)


def _tag(name: str, key: str) -> int:
    tag = tag_for_keyword(key)
    if tag is None and re.fullmatch(r"[0-9A-Fa-f]{4},[0-9A-Fa-f]{4}", key):
        tag = int(key.replace(",", ""), 16)
    if tag is None or not dictionary_has_tag(tag):
        raise UnusableProfile(f"{name}: attributes: {key!r} is no DICOM attribute.")
    return int(tag)


def _choice(name: str, key: str, value: Any) -> Rule:
    if isinstance(value, str) and value in CHOICES:
        return Rule(CHOICES[value], "X")
    if isinstance(value, dict) and value.keys() == {"replace"}:
        return Rule(REPLACE, "X", str(value["replace"]))
    raise UnusableProfile(f"{name}: attributes: {key} = {value!r} is none of {', '.join(CHOICES)}, replace.")


def _safe(name: str, text: str) -> tuple[int, int, str]:
    found = _SAFE.fullmatch(text)
    if found is None:
        raise UnusableProfile(f"{name}: safe_private: {text!r} is not like '(0019,xx0C) SIEMENS MR HEADER'.")
    return int(found[1], 16), int(found[2], 16), found[3]


@cache
def _shipped_words() -> frozenset[str]:
    text = files(__package__).joinpath("words.toml").read_text(encoding="utf-8")
    return frozenset(tomllib.loads(text)["words"].split())


def _words(more: list[str]) -> frozenset[str]:
    """The shipped words and one's own."""
    return _shipped_words() | {word.casefold() for word in more}
