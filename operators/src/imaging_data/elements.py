# SPDX-License-Identifier: Apache-2.0
"""The data elements of an encoded data set, found without decoding a value (PS3.5 section 7).

pydicom reads on when the bytes run out, so that a file cut short looks whole.  This walk goes over every
length that is declared, names the element in which the bytes end, and remembers where the pixel data lie.
Values are decoded by pydicom when they are asked for.
"""

from dataclasses import dataclass, field
from functools import lru_cache
from struct import Struct
from struct import error as StructError
from typing import Any

from pydicom.datadict import keyword_for_tag
from pydicom.dataelem import DataElement, RawDataElement, empty_value_for_VR
from pydicom.tag import BaseTag
from pydicom.valuerep import EXPLICIT_VR_LENGTH_32, STANDARD_VR

from .errors import UnreadableInstance

ITEM, ITEM_END, SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
UNDEFINED = 0xFFFFFFFF
PIXEL_DATA = {0x7FE00008: "FloatPixelData", 0x7FE00009: "DoubleFloatPixelData", 0x7FE00010: "PixelData"}
DEEPEST = 32  # sequences in sequences; the Standard's own objects stay under ten
LONG = {vr.value.encode(): vr.value for vr in EXPLICIT_VR_LENGTH_32}
SHORT = {vr.value.encode(): vr.value for vr in STANDARD_VR if vr not in EXPLICIT_VR_LENGTH_32}


# One object for one tag: a dictionary finds it by identity, without asking pydicom whether two are equal.
tag_of = lru_cache(4096)(BaseTag)


@dataclass(frozen=True)
class PixelSpan:
    """Where pixel data lie in the bytes that were walked: their value is `[start:stop]`."""

    keyword: str
    vr: str | None
    start: int
    stop: int
    encapsulated: bool  # a sequence of fragments (PS3.5 section A.4), without its final delimiter


@dataclass
class Elements:
    """What a walk found: the elements before the pixel data by tag, and the pixel data."""

    raw: dict[BaseTag, DataElement | RawDataElement] = field(default_factory=dict)
    pixels: PixelSpan | None = None
    stop: int = 0  # where the walk ended


class NotAllThere(Exception):
    """The bytes that were given are too few to tell: the walk needs those behind them, too."""


class Walk:
    """A walk over `content`, which holds elements in one encoding.

    size: how many bytes there are, where `content` is only the first of them; pixel data may lie in the others.
    Raises UnreadableInstance where a declared length goes beyond the end, or sequences are nested too deep;
    NotAllThere where anything but pixel data lies, or may lie, behind `content`.
    """

    def __init__(self, content: bytes, implicit: bool, little: bool = True, size: int | None = None) -> None:
        self.content = content
        self.size = len(content) if size is None else size
        self.implicit = implicit
        self.little = little
        order = "<" if little else ">"
        self._tag_and_length = Struct(order + "HHL").unpack_from
        self._tag_vr_length = Struct(order + "HH2sH").unpack_from
        self._long_length = Struct(order + "L").unpack_from

    def elements(self, at: int, only_group: int | None = None) -> Elements:
        """The elements from offset `at` to the end, or, with `only_group`, to the first of another group."""
        try:
            return self._elements(at, only_group)
        except StructError as error:  # only where `size` says more than there is: it is asked first
            raise NotAllThere from error

    def _elements(self, at: int, only_group: int | None) -> Elements:
        found, there = Elements(), len(self.content)
        while not self._ended(at):
            tag, vr, length, start, implicit = self._head(at, self.implicit)
            if only_group is not None and tag >> 16 != only_group:
                break
            stop, at, coded_as = start + length, start + length, vr
            if length == UNDEFINED:
                stop, at = self._undefined(tag, vr, start, implicit)
                vr, implicit = "SQ", implicit or vr == "UN"
            elif stop > self.size:
                raise self._cut_off(start, tag, length)
            if tag in PIXEL_DATA:
                found.pixels = PixelSpan(PIXEL_DATA[tag], coded_as, start, stop, length == UNDEFINED)
            elif stop > there:
                raise NotAllThere
            elif found.pixels is None:
                value: Any = self.content[start:stop] or empty_value_for_VR(vr, raw=True)
                key = tag_of(tag)
                found.raw[key] = RawDataElement(key, vr, stop - start, value, start, implicit, self.little)
        found.stop = at
        return found

    def _ended(self, at: int) -> bool:
        """Whether nothing, or nothing but zeros, is left: some writers fill up the last block of a file."""
        if at + 8 <= self.size and self.content[at : at + 4] != b"\0\0\0\0":
            return False
        if at < self.size > len(self.content):
            raise NotAllThere
        if self.content[at:].strip(b"\0"):
            raise self._cut_off(at)
        return True

    def _head(self, at: int, implicit: bool) -> tuple[int, str | None, int, int, bool]:
        """Tag, VR, length, offset of the value, and whether the VR was left out, of the element at `at`."""
        if at + 8 > self.size:
            raise self._cut_off(at)
        if implicit:
            group, element, length = self._tag_and_length(self.content, at)
            return group << 16 | element, None, length, at + 8, True
        group, element, code, length = self._tag_vr_length(self.content, at)
        vr = SHORT.get(code)
        if vr:
            return group << 16 | element, vr, length, at + 8, False
        if code in LONG:
            if at + 12 > self.size:
                raise self._cut_off(at)
            return (
                group << 16 | element,
                LONG[code],
                self._long_length(self.content, at + 8)[0],
                at + 12,
                False,
            )
        if code.isalpha() and code.isupper():  # a VR of the future; its length is taken to be short
            return group << 16 | element, code.decode(), length, at + 8, False
        return self._head(at, True)  # a writer that changed to implicit on the way

    def _undefined(self, tag: int, vr: str | None, start: int, implicit: bool) -> tuple[int, int]:
        """Where a value of undefined length ends, and where the next element begins."""
        if tag in PIXEL_DATA:
            return self._fragments(tag, start)
        return self._items(tag, start, implicit or vr == "UN", DEEPEST)

    def _fragments(self, tag: int, at: int) -> tuple[int, int]:
        while at + 8 <= self.size:
            group, element, length = self._tag_and_length(self.content, at)
            if group << 16 | element == SEQUENCE_END:
                return at, at + 8
            if group << 16 | element != ITEM:
                raise UnreadableInstance(f"The fragments of {_name(tag)} are broken at byte {at}.")
            at += 8 + length
        raise self._cut_off(at, tag)

    def _items(self, tag: int, at: int, implicit: bool, depth: int) -> tuple[int, int]:
        if not depth:
            raise UnreadableInstance(f"{_name(tag)} holds sequences nested more than {DEEPEST} deep.")
        while at + 8 <= self.size:
            group, element, length = self._tag_and_length(self.content, at)
            if group << 16 | element == SEQUENCE_END:
                return at, at + 8
            if group << 16 | element != ITEM:
                raise UnreadableInstance(f"The items of {_name(tag)} are broken at byte {at}.")
            at = self._item_end(tag, at + 8, implicit, depth) if length == UNDEFINED else at + 8 + length
        raise self._cut_off(at, tag)

    def _item_end(self, tag: int, at: int, implicit: bool, depth: int) -> int:
        while True:
            inner, vr, length, start, bare = self._head(at, implicit)
            if inner == ITEM_END:
                return at + 8
            if length != UNDEFINED:
                at = start + length
            else:
                _, at = self._items(inner, start, bare or vr == "UN", depth - 1)
            if at > self.size:
                raise self._cut_off(start, tag)

    def _cut_off(self, at: int, tag: int | None = None, length: int | None = None) -> UnreadableInstance:
        where = f"in {_name(tag)}" if tag is not None else f"in the element at byte {at}"
        declared = f", which declares {length} bytes and has {self.size - at}" if length is not None else ""
        return UnreadableInstance(f"It ends {where}{declared}: the file is cut off or damaged.")


def _name(tag: int) -> str:
    return f"{keyword_for_tag(tag) or 'the private element'} ({tag >> 16:04X},{tag & 0xFFFF:04X})"
