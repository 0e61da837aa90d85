# SPDX-License-Identifier: Apache-2.0
"""PALETTE COLOR: stored values as red, green and blue (PS3.3 sections C.7.6.3.1.5, C.7.6.3.1.6 and C.7.9)."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.uid import ExplicitVRBigEndian

from ..errors import UnsupportedPixels
from ..grey_values import LookupTable
from ..parts import Parts
from ..values import UNREADABLE, values_of
from .grey import looked_up, occurring_values, read_grey

COLOURS = ("Red", "Green", "Blue")
DISCRETE, LINEAR, INDIRECT = range(3)


def from_palette(parts: Parts) -> NDArray[np.uint8]:
    """The image (rows, columns, 3), of more than 8 bits the highest 8.

    Raises UnsupportedPixels for a palette that is damaged, and as `grey.read_grey`.
    """
    try:
        tables = [_table(parts, colour) for colour in COLOURS]
    except UnsupportedPixels as error:
        raise UnsupportedPixels(f"Its palette is damaged: {error.detail}") from error
    except UNREADABLE as error:
        raise UnsupportedPixels("Its palette is damaged.") from error
    header = Dataset(dict(parts.dataset.items()))  # one of its own, from which something can be taken away
    header.pop("PhotometricInterpretation")
    stored, _ = read_grey(replace(parts, dataset=header))
    values = occurring_values(stored, parts.dataset)
    levels = [
        (table.apply(values).astype(np.uint16) >> (table.bits - 8)).astype(np.uint8) for table in tables
    ]
    return np.stack([looked_up(channel, values, stored) for channel in levels], axis=-1)


def _table(parts: Parts, colour: str) -> LookupTable:
    header, name = parts.dataset, f"{colour}PaletteColorLookupTable"
    item = Dataset()
    for keyword, said in (("LUTDescriptor", f"{name}Descriptor"), ("LUTData", f"{name}Data")):
        if said in header:
            item.add_new(keyword, header[said].VR, header[said].value)
    segments, descriptor = header.get(f"Segmented{name}Data"), values_of(header, f"{name}Descriptor")
    if isinstance(segments, bytes) and len(descriptor) == 3:
        order, width = (
            ">" if parts.transfer_syntax == ExplicitVRBigEndian else "<",
            1 if descriptor[2] == 8 else 2,
        )
        fields = np.frombuffer(segments, f"{order}u{width}", len(segments) // width).tolist()
        item.add_new("LUTData", "US", _expanded(fields, width, int(descriptor[0]) or 1 << 16))
    return LookupTable.of(item, header)


def _expanded(fields: list[int], width: int, wanted: int) -> list[int]:
    """The entries, `wanted` or a segment more, that the segments of a table say (PS3.3 section C.7.9.2).

    width: the bytes of a field.  Raises UnsupportedPixels for what is no segment.
    """
    entries: list[int] = []

    def expand(at: int, copied: bool = False) -> int:
        """Append what the segment at field `at` says; returns where the next one is."""
        kind, length = fields[at], fields[at + 1]
        if kind == DISCRETE:
            entries.extend(fields[at + 2 : at + 2 + length])
            return at + 2 + length
        if kind == LINEAR:
            entries.extend(
                np.rint(np.linspace(entries[-1], fields[at + 2], length + 1)[1:]).astype(int).tolist()
            )
            return at + 3
        if kind != INDIRECT or copied:
            raise IndexError
        after = at + 2 + 4 // width
        offset = b"".join(field.to_bytes(width, "little") for field in fields[at + 2 : after])
        at = int.from_bytes(offset, "little") // width
        while length and len(entries) < wanted:
            at, length = expand(at, True), length - 1
        return after

    at = 0
    try:
        while at < len(fields) and len(entries) < wanted:
            at = expand(at)
    except IndexError as error:
        raise UnsupportedPixels("Its segments are none.") from error
    return entries
