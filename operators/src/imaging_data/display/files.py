# SPDX-License-Identifier: Apache-2.0
"""Pictures of instances: as arrays, as PNG, as files, of many files at once."""

import os
import secrets
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, replace
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from ..convert.errors import TargetExists
from ..errors import ImagingDataError, naming
from ..parts import Parts
from .colour import colour_picture, is_colour
from .frames import frame_count, one_frame, parts_of
from .grey import grey_picture
from .png import encode_png
from .rendering import Bits, Like, Options, Picture, Rendering, Window

STANDARD = Options()
AT_ONCE = 16  # pictures that a process is given together
AHEAD = 8  # such heaps for each process, so that none waits and few are in memory


def picture(source: Path | Dataset | Parts, frame: int = 0, options: Options = STANDARD) -> Picture:
    """Frame `frame`, counted from 0, of a file, or of a data set that pydicom read, as it is shown.

    Raises NotDicom and UnreadableInstance for damaged data, UnsupportedPixels and UnsupportedTransferSyntax for what
    is no image or none that can be read here.  That an image has no window is no error (`Rule.RANGE`).
    """
    with naming(source.name) if isinstance(source, Path) else nullcontext():
        one = one_frame(parts_of(source), frame)
        return (colour_picture if is_colour(one.dataset) else grey_picture)(one, frame, options)


def pictures(source: Path | Dataset | Parts, options: Options = STANDARD) -> Iterator[Picture]:
    """Every frame of an instance, which is read once; with the window "all", every view of every frame.

    Raises as `picture`, at the first frame that cannot be shown.
    """
    parts = parts_of(source)
    for frame in range(frame_count(parts.dataset)):
        yield from _views(parts, frame, options)


def _views(parts: Parts, frame: int, options: Options) -> Iterator[Picture]:
    first = picture(parts, frame, options)
    yield first
    others = range(2, first.rendering.views + 1) if options.window == "all" else ()
    yield from (picture(parts, frame, replace(options, window=number)) for number in others)


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
    return np.stack([view.array for view in _views(parts_of(source), frame, options)])


def render_file(path: Path, frame: int = 0, options: Options = STANDARD) -> tuple[bytes, Rendering]:
    """Frame `frame`, counted from 0, of a file as PNG, and what it was made with.  Raises as `picture`."""
    array, rendering = picture(path, frame, options)
    return encode_png(array), rendering


def write_png(array: NDArray[Any], target: Path) -> None:
    """Write a PNG whole or not at all: `array` as `encode_png` takes it.

    Raises TargetExists for a file that is there already.
    """
    write_new(encode_png(array), target)


def write_new(content: bytes, target: Path) -> None:
    """Write a file under a temporary name and give it its own when it is whole.  Raises TargetExists."""
    written = target.with_name(f".partial-{secrets.token_hex(8)}")
    try:
        written.write_bytes(content)
        os.link(written, target)
    except FileExistsError:
        raise TargetExists(f"{target}") from None
    finally:
        written.unlink(missing_ok=True)


@dataclass(frozen=True)
class Task:
    """One picture to write: frame `frame`, from 0, of `source`, as the file `target`."""

    source: Path
    target: Path
    frame: int = 0
    options: Options = STANDARD


Outcome = tuple[Task, Rendering | ImagingDataError]


def write_pictures(tasks: Iterable[Task], processes: int | None = None) -> Iterator[Outcome]:
    """Write them in `processes` processes, as many as this one may use cores, and say what each was made with.

    In the order of the tasks, which are taken a few heaps ahead.  A picture that cannot be made or written gives
    its error, and the others are made.  Raises OSError when a target cannot be written, as on a full disk.
    """
    count = processes or len(os.sched_getaffinity(0))
    taken = iter(tasks)
    heaps = iter(lambda: list(islice(taken, AT_ONCE)), [])
    with ProcessPoolExecutor(count, mp_context=get_context("forkserver")) as pool:
        futures = [pool.submit(_write, heap) for heap in islice(heaps, AHEAD * count)]
        while futures:
            done = futures.pop(0).result()
            futures += [pool.submit(_write, heap) for heap in islice(heaps, 1)]
            yield from done


def _write(tasks: list[Task]) -> list[Outcome]:
    return [(task, _written(task)) for task in tasks]


def _written(task: Task) -> Rendering | ImagingDataError:
    try:
        content, rendering = render_file(task.source, task.frame, task.options)
        write_new(content, task.target)
    except ImagingDataError as error:
        return error
    return rendering
