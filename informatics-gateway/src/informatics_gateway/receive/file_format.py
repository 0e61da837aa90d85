# SPDX-License-Identifier: Apache-2.0
"""What stands before the data set in a file: preamble, prefix, file meta information (PS3.10 Section 7.1)."""

from dataclasses import dataclass
from struct import pack

from imaging_data import derive_uid

PREFIX = 128
GROUP_LENGTH, VERSION = 0x0000, 0x0001  # element numbers of group 0002
SOP_CLASS, SOP_INSTANCE, TRANSFER_SYNTAX = 0x0002, 0x0003, 0x0010
IMPLEMENTATION, IMPLEMENTATION_NAME = 0x0012, 0x0013
IMPLEMENTATION_CLASS_UID = derive_uid("gantry", "implementation")
IMPLEMENTATION_VERSION_NAME = "GANTRY"


@dataclass(frozen=True)
class Head:
    """What the file meta information says of the data set."""

    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax: str

    def encoded(self) -> bytes:
        """The bytes before the data set.

        They do not say who sent it or when, so that the same instance sent twice makes the same file.
        """
        elements = (
            _element(VERSION, b"OB\0\0", "<L", b"\0\1")
            + _uid(SOP_CLASS, self.sop_class_uid)
            + _uid(SOP_INSTANCE, self.sop_instance_uid)
            + _uid(TRANSFER_SYNTAX, self.transfer_syntax)
            + _uid(IMPLEMENTATION, IMPLEMENTATION_CLASS_UID)
            + _element(IMPLEMENTATION_NAME, b"SH", "<H", IMPLEMENTATION_VERSION_NAME.encode())
        )
        group_length = _element(GROUP_LENGTH, b"UL", "<H", pack("<L", len(elements)))
        return b"\0" * PREFIX + b"DICM" + group_length + elements


def _uid(element: int, uid: str) -> bytes:
    return _element(element, b"UI", "<H", uid.encode("ascii", "replace"))


def _element(element: int, vr: bytes, length: str, value: bytes) -> bytes:
    value += b"\0" * (len(value) % 2)
    return pack("<HH", 0x0002, element) + vr + pack(length, len(value)) + value
