# SPDX-License-Identifier: Apache-2.0
"""Coded concepts (PS3.3 section 8): public ones from pydicom's tables, private ones of our own scheme."""

from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

__all__ = ["PRIVATE_SCHEME", "Code", "codes", "private_code"]

PRIVATE_SCHEME = "99GANTRY"


def private_code(value: str, meaning: str) -> Code:
    """A concept for which neither the Standard nor SNOMED CT has a code.

    `value` has at most 16 characters (SH), `meaning` at most 64 (LO).  The scheme is declared in
    CodingSchemeIdentificationSequence of every object that uses it (PS3.3 C.12.1.1.1).
    Raises ValueError for texts that are empty or too long.
    """
    for text, limit in ((value, 16), (meaning, 64)):
        if not 0 < len(text) <= limit or "\\" in text:
            raise ValueError(f"{text!r} must have 1 to {limit} characters and no backslash")
    return Code(value, PRIVATE_SCHEME, meaning)
