# SPDX-License-Identifier: Apache-2.0
"""What a profile says of the pixels: which are read, in which languages, what a hospital's own devices write."""

from dataclasses import dataclass
from typing import Any, Self

from .regions import DeviceRule
from .text import ENGLISH, TextUnreadable, check_languages

KEYS = {"read_pixels", "languages", "rule", "without_rule"}


@dataclass(frozen=True)
class Reading:
    """How text in pixels is looked for.

    everything: plain slices are read, too.  languages: tesseract's names for them.  rules: in front of
    those of regions.toml.  rule_needed: what is read and has neither a rule nor regions is held.
    """

    everything: bool = False
    languages: tuple[str, ...] = ENGLISH
    rules: tuple[DeviceRule, ...] = ()
    rule_needed: bool = False

    @classmethod
    def of(cls, raw: dict[str, Any]) -> Self:
        """From the keys of a profile.  Raises ValueError, saying which value is wrong."""
        everything = _chosen(raw, "read_pixels", "unless plain", "all")
        rule_needed = _chosen(raw, "without_rule", "read", "hold")
        languages = raw.get("languages")
        if languages is None:
            languages = ENGLISH
        elif not languages or not all(isinstance(each, str) for each in languages):
            raise ValueError(f"languages = {languages!r} is no list such as ['eng', 'jpn']")
        else:
            _check(languages)
        rules = tuple(DeviceRule.of(each) for each in raw.get("rule", []))
        return cls(everything, tuple(languages), rules, rule_needed)


def _chosen(raw: dict[str, Any], key: str, usual: str, other: str) -> bool:
    if (value := raw.get(key, usual)) not in (usual, other):
        raise ValueError(f"{key} = {value!r} is none of {usual!r}, {other!r}")
    return bool(value == other)


def _check(languages: list[str]) -> None:
    try:
        check_languages(languages)
    except TextUnreadable as error:
        raise ValueError(f"languages: {error.detail} {error.hint}") from error
