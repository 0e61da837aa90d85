# SPDX-License-Identifier: Apache-2.0
"""A picture as it was read from a file: samples that DICOM can hold."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import TooLarge
from .voxels import LARGEST_SIDE

JPEG = "ISO_10918_1"
LARGEST_PAGE = 1 << 30  # bytes, as they are in memory


@dataclass(frozen=True, eq=False)
class Page:
    """samples: grey (rows, columns) or red, green, blue (rows, columns, 3).

    loss: by which method it lost something before it came here (PS3.3 section C.7.6.1.1.5.1), "" for none, and
    ratio: how many bytes it had for each that was left.  encoded: the same as a JPEG file whose bytes can be kept.
    """

    samples: NDArray[Any]
    photometric: str = "MONOCHROME2"
    loss: str = ""
    ratio: float = 1.0
    encoded: bytes = b""

    @property
    def kind(self) -> tuple[object, ...]:
        """Pages of one kind can be the frames of one object."""
        return self.samples.shape, self.samples.dtype, self.photometric, bool(self.encoded), self.loss


def check_page(rows: int, columns: int, size: int) -> None:
    """Raise TooLarge for a page that DICOM or this program has no room for, before it is read.

    size: bytes of a pixel.
    """
    if max(rows, columns) > LARGEST_SIDE or rows * columns * size > LARGEST_PAGE:
        raise TooLarge(
            f"A picture of {rows} x {columns} pixels of {size} bytes; there is room for "
            f"{LARGEST_PAGE >> 30} GiB and {LARGEST_SIDE} pixels along a side."
        )


def flattened(array: NDArray[Any]) -> NDArray[Any]:
    """Samples whose last one is opacity (2 or 4 of them) laid on white; others as they are."""
    if array.shape[2] not in (2, 4):
        return array
    full = np.iinfo(array.dtype).max if array.dtype.kind == "u" else 1.0
    colour, opacity = array[..., :-1], array[..., -1:]
    if not (opacity == full).all():
        part = opacity / full
        mixed = colour * part + full * (1 - part)
        colour = (np.rint(mixed) if array.dtype.kind == "u" else mixed).astype(array.dtype)
    return colour[..., 0] if colour.shape[2] == 1 else colour


def oriented(array: NDArray[Any], orientation: int) -> NDArray[Any]:
    """The picture as it is shown: TIFF's and Exif's Orientation, 1 to 8, applied."""
    if orientation in (5, 6, 7, 8):
        array = array.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        array = array[::-1]
    if orientation in (2, 3, 6, 7):
        array = array[:, ::-1]
    return array
