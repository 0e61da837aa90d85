# SPDX-License-Identifier: Apache-2.0
"""Text beside the pixels in compressed frames: comments, Exif with its places and dates, thumbnails.

JPEG and JPEG-LS: ITU-T T.81 section B.2.4, T.87; JPEG 2000: ITU-T T.800 section A.9.2.
"""

from collections.abc import Iterator
from struct import unpack_from

STARTS = (b"\xff\xd8", b"\xff\x4f")  # of a JPEG, a JPEG 2000 frame
PICTURE = (0xDA, 0x90)  # the marker behind which the picture itself lies
JPEG_2000, COLOURS = 0x64, b"ICC_PROFILE\0"
# APP0 is JFIF, APP8 and APP14 say how colours are coded: without them the picture would be another.
COMMENTS = {JPEG_2000, 0xFE, *range(0xE1, 0xF0)} - {0xE8, 0xEE}


def comments(pixels: memoryview) -> Iterator[slice]:
    """Where in the value of encapsulated pixel data (PS3.5 section A.4) a frame's header holds such text."""
    at = 0
    while at + 8 <= len(pixels):
        stop = at + 8 + unpack_from("<L", pixels, at + 4)[0]
        if pixels[at + 8 : at + 10] in STARTS:
            yield from _segments(pixels, at + 10, min(stop, len(pixels)))
        at = stop


def _segments(pixels: memoryview, at: int, stop: int) -> Iterator[slice]:
    while at + 4 <= stop and pixels[at] == 0xFF and pixels[at + 1] not in PICTURE:
        end = at + 2 + unpack_from(">H", pixels, at + 2)[0]
        text = slice(at + (6 if pixels[at + 1] == JPEG_2000 else 4), min(end, stop))
        if pixels[at + 1] in COMMENTS and not bytes(pixels[text]).startswith(COLOURS):
            yield text
        at = end


def without_comments(pixels: memoryview) -> memoryview | bytearray:
    """The same pixels with spaces in place of such text."""
    found = list(comments(pixels))
    if not found:
        return pixels
    changed = bytearray(pixels)
    for text in found:
        changed[text] = b" " * (text.stop - text.start)
    return changed
