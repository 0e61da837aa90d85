# SPDX-License-Identifier: Apache-2.0
"""The beginning of a DICOM file, which says all its attributes, read without its pixel data."""

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

from .elements import NotAllThere
from .files import FileState, opened
from .parts import Parts, split

FIRST_BYTES = 1 << 15  # what is read of a file before it is known how much is needed


@dataclass(frozen=True)
class Head:
    """The attributes of a file, and what tells later whether it still begins with them.

    parts: the attributes, and where the pixel data lie; without the file's bytes.
    size: how many bytes of the file they were read from; sha256: of these bytes.
    state: the file's, before they were read.
    plain: they tell where the pixel data end, too.
    """

    parts: Parts
    size: int
    sha256: bytes
    state: FileState
    plain: bool

    def begins(self, content: bytes) -> bool:
        """Whether `content` begins with the bytes that the attributes were read from."""
        return hashlib.sha256(memoryview(content)[: self.size]).digest() == self.sha256

    def whole(self, content: bytes) -> Parts:
        """The parts of the whole file, which begins with this head: walked again unless the head told all."""
        return replace(self.parts, content=content) if self.plain else split(content)


def read_head(path: Path) -> Head:
    """The head of a file.  Raises NotDicom and UnreadableInstance as `read_header` does.

    A file is read whole only where its attributes, or where its pixel data end, cannot be told from the
    beginning: with compressed pixel data, elements behind them, or very many attributes.
    """
    with opened(path) as file:
        state = FileState.of(file)
        content = file.read(FIRST_BYTES)
        try:
            parts = split(content, state.size)
        except NotAllThere:
            content += file.readall()
            parts = split(content)
    pixels = parts.pixels if parts.content is content else None  # None: where in the file is not known
    size = pixels.start if pixels else len(content)
    plain = pixels is not None and not pixels.encapsulated
    return Head(replace(parts, content=b""), size, hashlib.sha256(content[:size]).digest(), state, plain)
