# SPDX-License-Identifier: Apache-2.0
"""What a profile says of the pixels: which are read, in which languages, what a hospital's own devices write."""

from dataclasses import dataclass
from typing import Any, Self

from .regions import DeviceRule
from .text import ENGLISH, TextUnreadable, check_languages

KEYS = {"read_pixels", "languages", "rule"}


@dataclass(frozen=True)
class Reading:
    """How text in pixels is looked for.

    everything: plain slices are read, too.  languages: tesseract's names for them.  rules: in front of
    those of regions.toml.
    """

    everything: bool = False
    languages: tuple[str, ...] = ENGLISH
    rules: tuple[DeviceRule, ...] = ()

    @classmethod
    def of(cls, raw: dict[str, Any]) -> Self:
        """From the keys of a profile.  Raises ValueError, saying which value is wrong."""
        which, languages = raw.get("read_pixels", "unless plain"), raw.get("languages")
        if which not in ("unless plain", "all"):
            raise ValueError(f"read_pixels = {which!r} is none of 'unless plain', 'all'")
        if languages is None:
            languages = ENGLISH
        elif not languages or not all(isinstance(each, str) for each in languages):
            raise ValueError(f"languages = {languages!r} is no list such as ['eng', 'jpn']")
        else:
            _check(languages)
        rules = tuple(DeviceRule.of(each) for each in raw.get("rule", []))
        return cls(which == "all", tuple(languages), rules)


def _check(languages: list[str]) -> None:
    try:
        check_languages(languages)
    except TextUnreadable as error:
        raise ValueError(f"languages: {error.detail} {error.hint}") from error
