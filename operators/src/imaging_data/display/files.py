# SPDX-License-Identifier: Apache-2.0
"""Pictures of instances: as arrays, and as files."""

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from ..errors import naming
from ..parts import Parts
from ..whole import give_name, partial_name
from .colour import colour_picture, is_colour
from .frames import every_frame, one_frame, parts_of
from .grey import grey_picture
from .png import encode_png
from .rendering import Bits, Like, Options, Picture, Window

STANDARD = Options()


def picture(source: Path | Dataset | Parts, frame: int = 0, options: Options = STANDARD) -> Picture:
    """Frame `frame`, counted from 0, of a file, or of a data set that pydicom read, as it is shown.

    Raises NotDicom and UnreadableInstance for damaged data, UnsupportedPixels and UnsupportedTransferSyntax for what
    is no image or none that can be read here.  That an image has no window is no error (`Rule.RANGE`).
    """
    with naming(source.name) if isinstance(source, Path) else nullcontext():
        return _picture(one_frame(parts_of(source), frame), frame, options)


def pictures(source: Path | Dataset | Parts, options: Options = STANDARD) -> Iterator[Picture]:
    """Every frame of an instance, which is read once; with the window "all", every view of every frame.

    Raises as `picture`, at the first frame that cannot be shown.
    """
    with naming(source.name) if isinstance(source, Path) else nullcontext():
        for frame, one in enumerate(every_frame(parts_of(source))):
            yield from _views(one, frame, options)


def _picture(one: Parts, frame: int, options: Options) -> Picture:
    return (colour_picture if is_colour(one.dataset) else grey_picture)(one, frame, options)


def _views(one: Parts, frame: int, options: Options) -> Iterator[Picture]:
    first = _picture(one, frame, options)
    yield first
    others = range(2, first.rendering.views + 1) if options.window == "all" else ()
    yield from (_picture(one, frame, replace(options, window=number)) for number in others)


def grey_levels(
    source: Path | Dataset | Parts,
    frame: int = 0,
    window: int | str | Window = "first",
    like: Like = "standard",
    bits: Bits = 8,
) -> NDArray[Any]:
    """The array of `picture`; with the window "all" those of every view, (views, rows, columns).

    The other parameters are those of `Options`.  Raises as `picture`.
    """
    options = Options(window, like, bits)
    if window != "all":
        return picture(source, frame, options).array
    return np.stack([view.array for view in _views(one_frame(parts_of(source), frame), frame, options)])


def write_png(array: NDArray[Any], target: Path) -> None:
    """Write a PNG of `array`, as `encode_png` takes it: whole or not at all, never in the place of another file.

    Raises TargetExists.
    """
    written = partial_name(target)
    try:
        written.write_bytes(encode_png(array))
        give_name(written, target)
    finally:
        written.unlink(missing_ok=True)
