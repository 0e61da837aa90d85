# SPDX-License-Identifier: Apache-2.0
"""What an archive answers to storage: statuses (PS3.4 table B.2-1, PS3.7 annex C) and STOW-RS responses."""

import json
from dataclasses import dataclass, field
from typing import Any

SUCCESS = 0x0000
DUPLICATE = 0x0111
OUT_OF_RESOURCES = range(0xA700, 0xA800)
WARNINGS = range(0xB000, 0xC000)
PROCESSING_FAILURE = 0x0110

_MEANINGS = (
    (range(0x0000, 0x0001), "success"),
    (range(0x0110, 0x0111), "processing failure"),
    (range(0x0111, 0x0112), "duplicate SOP instance"),
    (range(0x0117, 0x0118), "invalid SOP instance"),
    (range(0x0122, 0x0123), "SOP class not supported"),
    (range(0x0124, 0x0125), "not authorised"),
    (OUT_OF_RESOURCES, "out of resources"),
    (range(0xA900, 0xAA00), "data set does not match SOP class"),
    (WARNINGS, "stored with a warning"),
    (range(0xC000, 0xD000), "cannot understand"),
)


@dataclass(frozen=True)
class Answer:
    """A STOW-RS response: the SOPInstanceUIDs that were taken, and the FailureReason of the others."""

    taken: frozenset[str] = frozenset()
    failed: dict[str, int] = field(default_factory=dict)


def try_again(status: int) -> bool:
    """Whether the same request may succeed later: the archive is short of something, or had a fault."""
    return status in OUT_OF_RESOURCES or status == PROCESSING_FAILURE


def in_words(status: int) -> str:
    """A status in words, with its number."""
    meaning = next((text for statuses, text in _MEANINGS if status in statuses), "failed")
    return f"{meaning} (0x{status:04X})"


def stored(body: bytes) -> Answer:
    """Read the body of a STOW-RS response in DICOM JSON (PS3.18 section 10.5.3), whatever the HTTP status.

    A body that is something else is an empty answer: then the HTTP status and the proof must tell.
    """
    try:
        answer = json.loads(body)
        return Answer(
            frozenset(_text(item, "00081155") for item in _items(answer, "00081199")),
            {_text(item, "00081155"): _number(item, "00081197") for item in _items(answer, "00081198")},
        )
    except (ValueError, TypeError, AttributeError, LookupError):
        return Answer()


def _items(dataset: dict[str, Any], tag: str) -> list[dict[str, Any]]:
    return list(dataset.get(tag, {}).get("Value", []))


def _text(dataset: dict[str, Any], tag: str) -> str:
    return str(dataset[tag]["Value"][0])


def _number(dataset: dict[str, Any], tag: str) -> int:
    return int(dataset.get(tag, {}).get("Value", [PROCESSING_FAILURE])[0])
