# SPDX-License-Identifier: Apache-2.0
"""What stands in place of a value: dummies that fit the VR (PS3.5 section 6.2)."""

from typing import Any

from pydicom import DataElement
from pydicom.dataelem import empty_value_for_VR
from pydicom.sequence import Sequence
from pydicom.tag import BaseTag

TEXT = frozenset({"AE", "LO", "LT", "PN", "SH", "ST", "UC", "UT"})
DUMMIES: dict[str, Any] = dict.fromkeys([*TEXT, "CS"], "ANONYMIZED") | {
    "DA": "19000101", "DT": "19000101", "TM": "000000", "AS": "000Y", "DS": "0", "IS": "0",
    "UR": "http://anonymized.invalid", "AT": 0,
} | dict.fromkeys(["FD", "FL"], 0.0) | dict.fromkeys(["SL", "SS", "SV", "UL", "US", "UV"], 0)  # fmt: skip
NUMBERS = ("DS", "FD", "FL")
BULK = b"\0" * 8  # for OB, OD, OF, OL, OV, OW and UN


def empty(tag: BaseTag, vr: str) -> DataElement:
    """An element without a value."""
    return DataElement(tag, vr, Sequence() if vr == "SQ" else empty_value_for_VR(vr))


def dummy(tag: BaseTag, vr: str, count: int = 1) -> DataElement:
    """An element with a value that says nothing; `count` numbers in place of as many, as for coordinates."""
    value = DUMMIES.get(vr, BULK)
    return DataElement(tag, vr, [value] * count if vr in NUMBERS and count > 1 else value)
