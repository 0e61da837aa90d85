# SPDX-License-Identifier: Apache-2.0
"""A JPEG file's segments: what its coded image is, and the same image without what describes it.

ISO/IEC 10918-1 Annex B.  No pixel is decoded here.
"""

import re
from dataclasses import dataclass

SOI, EOI, SOS, COM = 0xD8, 0xD9, 0xDA, 0xFE
BASELINE = 0xC0
FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}  # start of frame, of any process
APPLICATION = range(0xE0, 0xF0)
KEPT = (0xE0, 0xE2, 0xEE)  # JFIF, the colour profile, Adobe's colour transform: what decoding needs
MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")  # not a stuffed zero, a restart or a fill byte
ADOBE = b"Adobe"


@dataclass(frozen=True)
class Jpeg:
    """content: the file without Exif, XMP, comments and what follows the image, which may name people and places.

    The coded image is as it was.

    process: the marker of the frame header.
    rgb: three components that are red, green and blue as they are.
    """

    content: bytes
    process: int
    precision: int
    components: int
    rgb: bool


def parse_jpeg(content: bytes) -> Jpeg | None:
    """None when the segments before the first scan are no JPEG's."""
    if content[:2] != bytes((0xFF, SOI)):
        return None
    kept, at = [content[:2]], 2
    frame, adobe = b"", b""
    while at + 4 <= len(content) and content[at] == 0xFF:
        marker, length = content[at + 1], int.from_bytes(content[at + 2 : at + 4], "big")
        segment = content[at : at + 2 + length]
        if marker == 0xFF:  # a fill byte
            at += 1
            continue
        if len(segment) < 2 + length or length < 2:
            return None
        if marker == SOS:
            end = _end_of_image(content, at)
            kept.append(content[at:end])
            return _described(b"".join(kept), frame, adobe) if end else None
        if marker in FRAMES:
            frame = segment
        if marker == 0xEE and segment[4:9] == ADOBE:
            adobe = segment
        if marker in KEPT or (marker not in APPLICATION and marker != COM):
            kept.append(segment)
        at += 2 + length
    return None


def _end_of_image(content: bytes, at: int) -> int:
    """Where the image ends whose first scan begins `at`; 0 when it does not."""
    while found := MARKER.search(content, at):
        if content[found.end() - 1] == EOI:
            return found.end()
        at = found.end() + int.from_bytes(content[found.end() : found.end() + 2], "big")
    return 0


def _described(content: bytes, frame: bytes, adobe: bytes) -> Jpeg | None:
    if len(frame) < 10 or len(frame) < 10 + 3 * frame[9]:
        return None
    count = frame[9]
    identities = frame[10 : 10 + 3 * count : 3]
    return Jpeg(
        content,
        frame[1],
        frame[4],
        count,
        count == 3 and (adobe[15:16] == b"\0" or identities == b"RGB"),
    )
