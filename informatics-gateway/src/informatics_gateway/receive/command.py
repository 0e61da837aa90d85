# SPDX-License-Identifier: Apache-2.0
"""DIMSE command sets of C-STORE and C-ECHO: Implicit VR Little Endian, group 0000 (PS3.7 Section 6.3.1)."""

from dataclasses import dataclass
from struct import error, pack, unpack_from

C_STORE_RQ, C_ECHO_RQ, RESPONSE = 0x0001, 0x0030, 0x8000
NO_DATA_SET = 0x0101

AFFECTED_SOP_CLASS_UID, COMMAND_FIELD, MESSAGE_ID = 0x0002, 0x0100, 0x0110
MESSAGE_ID_BEING_RESPONDED_TO, COMMAND_DATA_SET_TYPE, STATUS = 0x0120, 0x0800, 0x0900
AFFECTED_SOP_INSTANCE_UID = 0x1000


class BadCommand(ValueError):
    """The peer sent a command set that cannot be read."""


@dataclass(frozen=True)
class Command:
    """A request.  UIDs are as the peer wrote them."""

    field: int
    message_id: int
    data_set_type: int
    sop_class_uid: str
    sop_instance_uid: str

    @property
    def has_data_set(self) -> bool:
        """Whether a data set follows (PS3.7 Table E.1-1, Command Data Set Type)."""
        return self.data_set_type != NO_DATA_SET

    def response(self, status: int) -> bytes:
        """The encoded response to this request."""
        elements = _element(AFFECTED_SOP_CLASS_UID, _padded(self.sop_class_uid))
        for element, number in (
            (COMMAND_FIELD, self.field | RESPONSE),
            (MESSAGE_ID_BEING_RESPONDED_TO, self.message_id),
            (COMMAND_DATA_SET_TYPE, NO_DATA_SET),
            (STATUS, status),
        ):
            elements += _element(element, pack("<H", number))
        if self.sop_instance_uid:
            elements += _element(AFFECTED_SOP_INSTANCE_UID, _padded(self.sop_instance_uid))
        return _element(0x0000, pack("<L", len(elements))) + elements


def read_command(encoded: bytes) -> Command:
    """Decode a request.  Raises BadCommand."""
    try:
        values = _elements(encoded)
        return Command(
            *(
                unpack_from("<H", values[each])[0]
                for each in (COMMAND_FIELD, MESSAGE_ID, COMMAND_DATA_SET_TYPE)
            ),
            *(_uid(values, each) for each in (AFFECTED_SOP_CLASS_UID, AFFECTED_SOP_INSTANCE_UID)),
        )
    except (error, KeyError, UnicodeDecodeError) as problem:
        raise BadCommand(str(problem)) from problem


def _elements(encoded: bytes) -> dict[int, bytes]:
    values, offset = {}, 0
    while offset < len(encoded):
        _, element, length = unpack_from("<HHL", encoded, offset)
        values[element] = encoded[offset + 8 : offset + 8 + length]
        offset += 8 + length
    return values


def _uid(values: dict[int, bytes], element: int) -> str:
    return values.get(element, b"").rstrip(b"\0 ").decode("ascii")


def _padded(uid: str) -> bytes:
    return uid.encode() + b"\0" * (len(uid) % 2)


def _element(element: int, value: bytes) -> bytes:
    return pack("<HHL", 0x0000, element, len(value)) + value
