# SPDX-License-Identifier: Apache-2.0
"""Unique identifiers: checking those that come in, making those that go out (PS3.5 section 9)."""

import hashlib
import re
import uuid

from .errors import InvalidIdentifier

LONGEST_UID = 64
_UID = re.compile(r"(0|[1-9][0-9]*)(\.(0|[1-9][0-9]*))*")


def check_uid(uid: str, keyword: str) -> str:
    """Return `uid` when it keeps the rules of PS3.5 section 9.1: dotted numbers, at most 64 characters.

    Raises InvalidIdentifier, naming the attribute `keyword`, for an empty value, other characters, an empty
    component, or a component with a leading zero.
    """
    if not uid:
        raise InvalidIdentifier(f"{keyword} is missing or empty.")
    if len(uid) > LONGEST_UID:
        raise InvalidIdentifier(f"{keyword} has {len(uid)} characters; {LONGEST_UID} are allowed.")
    if not _UID.fullmatch(uid):
        raise InvalidIdentifier(f"{keyword} {uid!r} has {_fault(uid)}.")
    return uid


def _fault(uid: str) -> str:
    if not re.fullmatch(r"[0-9.]*", uid):
        return "characters other than digits and dots"
    return "an empty component" if "" in uid.split(".") else "a component with a leading zero"


def derive_uid(*parts: str) -> str:
    """The UID that always belongs to `parts`: 2.25 and a UUID (PS3.5 section B.2) taken from their SHA-256.

    The parts are told apart, so ("ab", "c") and ("a", "bc") have different UIDs.
    """
    digest = hashlib.sha256(b"".join(f"{len(part)}:{part}".encode() for part in parts)).digest()
    bits = bytearray(digest[:16])
    bits[6] = bits[6] & 0x0F | 0x80  # version 8: made by rules of one's own (RFC 9562 section 5.8)
    bits[8] = bits[8] & 0x3F | 0x80
    return f"2.25.{uuid.UUID(bytes=bytes(bits)).int}"
