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


def written_code(value: str, scheme: str, meaning: str) -> Code:
    """A code as a file has it: one of our own scheme, or a public one as pydicom's tables have it.

    Raises ValueError for a public code that is not in the tables, or stands there with another meaning.
    """
    if scheme == PRIVATE_SCHEME:
        return private_code(value, meaning)
    tables = {table.scheme_designator: table for table in (codes.SCT, codes.DCM, codes.UCUM)}
    known = tables[scheme].concepts.values() if scheme in tables else ()
    meanings = {code.meaning: code for code in known if code.value == value}
    if meaning not in meanings:
        there = " or ".join(meanings) or f"nothing; without a public code take the scheme {PRIVATE_SCHEME}"
        raise ValueError(f"{value} of {scheme} means {there}")
    found: Code = meanings[meaning]
    return found
