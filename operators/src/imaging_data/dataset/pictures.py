# SPDX-License-Identifier: Apache-2.0
"""The pictures of a data set: made in several processes, written down in one order."""

import ctypes
import hashlib
import json
import os
import signal
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass, field
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ..display import Options, Picture, decoded, encode_png, pictures
from ..display.frames import frame_count
from ..errors import ImagingDataError, UnsupportedPixels
from ..files import read_file
from ..hashing import file_sha256
from ..parts import Parts, split
from ..pixels import PixelFormat, stored_values
from ..threads import in_threads
from ..whole import renewed
from .errors import EndedProcess, NoRoom
from .facts import check_unchanged
from .writer import Writer

FOLDER = "pictures"
AT_ONCE = 16  # images that a process is given together
AHEAD = 8  # such heaps for each process
IN_TRANSACTION = 16  # heaps
FEW = 64  # images that are not worth starting processes for
PR_SET_PDEATHSIG = 1
NO_MEMORY = "It needs more memory than there is."
PENDING = (  # also each whose file could not be read before, or was another one: it may be there now
    "(sha256 = '' OR (no_picture = '' AND :png AND NOT EXISTS (SELECT 1 FROM picture WHERE image = image.id)))"
)


@dataclass(frozen=True)
class Task:
    """One image: the row, the file, the folder of its pictures, and how they are wanted; no `options`, no pictures."""

    image: int
    path: str
    uid: str
    target: Path
    options: Options | None


@dataclass(frozen=True)
class Made:
    """What was made of one image: hashes, and a row of values for each picture; else why not."""

    image: int
    sha256: str = ""
    pixel_sha256: str = ""
    pictures: list[dict[str, Any]] = field(default_factory=list)
    no_picture: str = ""
    no_room: str = ""


def count_pending(writer: Writer, png: bool) -> int:
    """How many images are still to be looked at."""
    row = writer.row(f"SELECT count(*) AS images FROM image WHERE {PENDING}", {"png": png})
    return int(row["images"]) if row else 0


def make_pictures(writer: Writer, options: Options | None, processes: int | None = None) -> Iterator[int]:
    """Make the pictures that are missing, hash the pixels of every image, and yield how many are done.

    options: None for no pictures, only hashes.  An image that cannot be shown is written down with the reason.
    Raises NoRoom when a file cannot be written.
    """
    pending = count_pending(writer, options is not None)
    count = 1 if pending <= FEW else processes or len(os.sched_getaffinity(0))
    done = 0
    heaps = _heaps(_tasks(writer, options))
    results = map(_make_all, heaps) if count == 1 else _in_processes(heaps, count)
    while several := [made for heap in islice(results, IN_TRANSACTION) for made in heap]:
        with writer.transaction():
            for made in several:
                _write_down(writer, made)
        done += len(several)
        yield done


def forget_damaged(writer: Writer) -> None:
    """Forget pictures that are not on the disk as they were written, as after a power cut; they are made again."""
    for rows in _pages(
        writer, "SELECT id, image, path, sha256 FROM picture WHERE id > ? ORDER BY id LIMIT 512"
    ):
        whole = in_threads(lambda row: is_whole(writer.folder / row["path"], row["sha256"]), rows)
        with writer.transaction():
            for row in (row for row, same in zip(rows, whole, strict=True) if not same):
                writer.change("DELETE FROM picture WHERE image = ?", (row["image"],))


def is_whole(path: Path, sha256: str) -> bool:
    """Whether a file is there and has this hash."""
    try:
        return file_sha256(path) == sha256
    except OSError:
        return False


def _pages(writer: Writer, sql: str, *values: Any) -> Iterator[list[Any]]:
    last = 0
    while rows := writer.rows(sql, (last, *values)):
        yield rows
        last = rows[-1]["id"]


def _tasks(writer: Writer, options: Options | None) -> Iterator[Task]:
    last = 0
    sql = (
        "SELECT image.id, path, sop_instance_uid, series_instance_uid FROM image JOIN series ON series.id = series"
        f" WHERE image.id > :last AND {PENDING} ORDER BY image.id LIMIT 512"
    )
    while rows := writer.rows(sql, {"last": last, "png": options is not None}):
        for row in rows:
            target = writer.folder / FOLDER / row["series_instance_uid"]
            yield Task(row["id"], row["path"], row["sop_instance_uid"], target, options)
        last = rows[-1]["id"]


def _heaps(tasks: Iterable[Task]) -> Iterator[list[Task]]:
    several = iter(tasks)
    while heap := list(islice(several, AT_ONCE)):
        yield heap


def _in_processes(heaps: Iterator[list[Task]], count: int) -> Iterator[list[Made]]:
    """The heaps' results in their order.  The processes end with this one, however it ends."""
    with ProcessPoolExecutor(count, get_context("spawn"), _prepare, (os.getpid(),)) as pool:
        futures = [pool.submit(_make_all, heap) for heap in islice(heaps, AHEAD * count)]
        try:
            while futures:
                made = futures.pop(0).result()
                futures += [pool.submit(_make_all, heap) for heap in islice(heaps, 1)]
                yield made
        except BrokenProcessPool as error:
            raise EndedProcess() from error
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _prepare(parent: int) -> None:
    """In a new process: be killed when its parent is, and leave Ctrl-C to it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def _make_all(tasks: list[Task]) -> list[Made]:
    return [_make(task) for task in tasks]


def _make(task: Task) -> Made:
    """What can be made of one image.  Nothing is raised: an error would lose its hint between processes."""
    made: list[dict[str, Any]] = []
    sha256 = ""
    try:
        content, _ = read_file(Path(task.path))
        parts = split(content)
        check_unchanged(parts.dataset, task.uid)
        sha256 = hashlib.sha256(content).hexdigest()
        parts = decoded(parts)
        hashed = Hashed.of_stored(parts)
        for one in pictures(parts, task.options or Options()) if task.options or not hashed.whole else ():
            hashed.add_picture(one.array)
            made += [_write(task, one, frame_count(parts.dataset))] if task.options else []
    except NoRoom as error:
        return Made(task.image, no_room=error.detail)
    except (ImagingDataError, MemoryError) as error:
        for picture in made:
            (task.target / f"{picture['stem']}.png").unlink(missing_ok=True)
        said = f"{error.sentence}\n{error.detail}" if isinstance(error, ImagingDataError) else NO_MEMORY
        return Made(task.image, sha256, no_picture=said.strip())
    return Made(task.image, sha256, hashed.text, made)


def _write(task: Task, one: Picture, frames: int) -> dict[str, Any]:
    """Write one picture, whole or not at all; an earlier one of a build that was ended is the same.

    Raises NoRoom.
    """
    rendering = one.rendering
    several = frames > 1 or (task.options and task.options.window == "all" and rendering.views > 1)
    stem = task.uid + (f"_f{rendering.frame:05d}_w{rendering.view}" if several else "")
    path = task.target / f"{stem}.png"
    try:
        content = encode_png(one.array)
        task.target.mkdir(parents=True, exist_ok=True)
        with renewed(path) as partial:
            partial.write_bytes(content)
    except OSError as error:
        raise NoRoom(f"{task.target}: {error.strerror}.") from error
    return {
        "frame": rendering.frame,
        "stem": stem,
        "path": f"{FOLDER}/{task.target.name}/{path.name}",
        "sha256": hashlib.sha256(content).hexdigest(),
        "bits": rendering.bits,
        "rendering": json.dumps(asdict(rendering), sort_keys=True),
    }


class Hashed:
    """SHA-256 of an image's stored values, whatever they are encoded in; of a colour image, of its pictures.

    whole: whether it is of the stored values, so that pictures add nothing.
    """

    def __init__(self) -> None:
        self.whole = False
        self._sha256 = hashlib.sha256()
        self._alike = True

    @classmethod
    def of_stored(cls, parts: Parts) -> Self:
        """The hash of grey values and of floats; one to which nothing was added of what is in colour."""
        hashed = cls()
        try:
            stored, _ = stored_values(parts, PixelFormat.of(parts.dataset))
            hashed._add(stored.astype("<i4", copy=False))
        except UnsupportedPixels:
            if parts.pixels is None or parts.pixels.keyword == "PixelData":
                return hashed
            hashed._add(np.frombuffer(parts.pixel_bytes, np.uint8))
        hashed.whole = True
        return hashed

    def add_picture(self, array: NDArray[Any]) -> None:
        """One more picture."""
        if not self.whole:
            self._add(array)

    def _add(self, array: NDArray[Any]) -> None:
        self._alike &= bool(array.min() == array.max())
        self._sha256.update(f"{array.shape}".encode())
        self._sha256.update(np.ascontiguousarray(array).data)

    @property
    def text(self) -> str:
        """In hexadecimal; "" for an image that is one value throughout: that it is like another says nothing."""
        return "" if self._alike else self._sha256.hexdigest()


def _write_down(writer: Writer, made: Made) -> None:
    if made.no_room:
        raise NoRoom(made.no_room)
    writer.change(  # it may be one now, if this file was not there before
        "UPDATE series SET no_volume = '' WHERE no_volume != '' AND id ="
        " (SELECT series FROM image WHERE id = ? AND sha256 = '')",
        (made.image,),
    )
    writer.change(
        "UPDATE image SET sha256 = ?, pixel_sha256 = ?, no_picture = ? WHERE id = ?",
        (made.sha256, made.pixel_sha256, made.no_picture, made.image),
    )
    for picture in made.pictures:
        writer.add("picture", image=made.image, **picture)
