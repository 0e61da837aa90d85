# SPDX-License-Identifier: Apache-2.0
"""Descriptors cleaned by a list of the words that may stay (PS3.15 section E.3.5), and the patient's own words."""

import re
from collections.abc import Iterable

from pydicom import Dataset

from ..values import text_of

NAMES = (
    "PatientName", "OtherPatientNames", "PatientBirthName", "PatientMotherBirthName", "ReferringPhysicianName",
    "PerformingPhysicianName", "NameOfPhysiciansReadingStudy", "RequestingPhysician", "OperatorsName",
)  # fmt: skip
IDS = (
    "PatientID", "OtherPatientIDs", "AccessionNumber", "StudyID", "IssuerOfPatientID", "PatientAddress",
    "PatientBirthDate", "PatientTelephoneNumbers",
)  # fmt: skip
SHORTEST = (
    4  # letters of a part of a name that is searched for inside other values; Chinese ones count double
)
UNMISTAKABLE = 7  # letters of one that is meant wherever it stands
_WORD = re.compile(r"[^\W_]+(?:\.\d+)?")
_NUMBER = re.compile(r"\d{1,3}(?:\.\d{1,3})?(?:mm|cm|m|s|ms|min|kv|mas|ml|mgy|deg|x|t|w|hz)?")
_NUMBERS = re.compile(r"(?<![^\W_])\d+(?:[\W_]+\d+)+(?![^\W_])")  # nothing but signs and spaces between them
_DATE = re.compile(r"\d[./-]\d+[./-]\d")


def text_words(text: str) -> list[str]:
    """Its words, in small letters."""
    return [word.casefold() for word in _WORD.findall(text)]


def clean_text(text: str, words: frozenset[str], without: frozenset[str] = frozenset()) -> str:
    """The words of `text` that stand in `words` and not in `without`, and short numbers, joined by spaces.

    Numbers that together have more than four digits, or are put like those of a date, may be a telephone's,
    somebody's or a day's: none of them stays.
    """
    return " ".join(
        word
        for word in _WORD.findall(_NUMBERS.sub(_unless_long, text))
        if word.casefold() not in without and (word.casefold() in words or _NUMBER.fullmatch(word.casefold()))
    )


def _unless_long(numbers: re.Match[str]) -> str:
    long = sum(map(str.isdigit, numbers[0])) > 4 or _DATE.search(numbers[0])
    return " " if long else numbers[0]


def parts_of(value: str) -> set[str]:
    """The words of a name or an identifier, and the whole of it, in small letters."""
    whole = value.strip(" \0").casefold()
    return {part for part in (whole, *re.split(r"[\^=\\\s,;/._-]+", whole)) if part}


def own_words(dataset: Dataset) -> frozenset[str]:
    """What names the patient in an instance: parts of names and identifiers, in small letters."""
    return frozenset(part for keyword in (*NAMES, *IDS) for part in parts_of(text_of(dataset, keyword)))


def letters_in(word: Iterable[str]) -> int:
    """How many letters it has; a Chinese one says as much as two."""
    return sum(1 if letter < "\u2e80" else 2 for letter in word)


def is_long(word: str) -> bool:
    """Whether a word is long enough to mean somebody where it stands inside another text."""
    return letters_in(word) >= SHORTEST


def bounded(word: str) -> str:
    """A pattern of `word`: a short one only where no other letter touches it, as Mary is not meant in primary."""
    pattern = re.escape(word)
    return pattern if len(word) >= UNMISTAKABLE else f"(?<![A-Za-z]){pattern}(?![A-Za-z])"
