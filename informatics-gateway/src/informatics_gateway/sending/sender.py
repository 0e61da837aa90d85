# SPDX-License-Identifier: Apache-2.0
"""Sends files, folders and zips of DICOM to a destination, over several connections, and counts what is there."""

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from ..config import Destination, DimseDestination
from ..destinations.bulk import Sink, open_sink
from ..destinations.parcel import NotTaken, Parcel
from ..errors import DestinationUnavailable
from . import parcels

CONNECTIONS = 4
WAITS_S = (0.5, 1.0, 2.0, 4.0)  # before an instance is tried again
ROOM = 512 << 20  # bytes of instances in memory; a larger one goes alone
AGAIN_HINT = "See whether it runs, then send again: what it has is compared and stays."
OnProgress = Callable[[int, int], None]
T = TypeVar("T")


@dataclass(frozen=True)
class Sent:
    """What came of it.  Complete when every instance is at the destination and everything could be read.

    instances: that were found, each once.  present: of these, those that the destination says it has, by
    `proof`.  missing: SOPInstanceUIDs of the others.  failed: a sentence for each file, member or zip that could
    not be read, or was refused.  skipped: files that are not DICOM; repeated: copies of the same instance.
    """

    destination: str
    instances: int
    present: int
    missing: tuple[str, ...]
    series: int
    studies: int
    skipped: int
    repeated: int
    failed: tuple[str, ...]
    bytes: int
    seconds: float
    proof: str

    @property
    def complete(self) -> bool:
        """Whether nothing is missing and nothing failed."""
        return not self.missing and not self.failed


def send(
    paths: Sequence[Path],
    destination: Destination,
    on_progress: OnProgress = lambda done, total: None,
    ae_title: str = "GANTRY",
) -> Sent:
    """Send every DICOM instance in `paths`, as the bytes it is, then ask the destination for each of them.

    on_progress: told how many of the files and members were looked at, and how many there are.  ae_title: the
    calling one of a "dimse" destination.  An instance is tried again while the destination is unavailable.
    Raises DestinationUnavailable when that lasts, DestinationRefused, BadConfiguration and MissingFolder.
    """
    try:
        return _send(paths, destination, on_progress, ae_title)
    except DestinationUnavailable as error:
        raise DestinationUnavailable(error.detail, hint=AGAIN_HINT) from error


def _send(paths: Sequence[Path], destination: Destination, on_progress: OnProgress, ae_title: str) -> Sent:
    began = time.monotonic()
    total = parcels.count(paths)
    reading = parcels.Reading()
    with _Workers(lambda: open_sink(destination, ae_title), _connections(destination)) as workers:
        for parcel in parcels.parcels(paths, reading):
            workers.take(parcel)
            on_progress(reading.looked_at, total)
        on_progress(total, total)
        workers.finish()
    with open_sink(destination, ae_title) as sink:
        proof, missing = _missing(sink, workers)
    return Sent(
        destination.name,
        instances=len(workers.sent) + len(workers.refused),
        present=len(workers.sent) - len(missing),
        missing=tuple(missing),
        series=len(set(workers.sent.values())),
        studies=len({study for study, _ in workers.sent.values()}),
        skipped=reading.skipped,
        repeated=reading.repeated,
        failed=(*reading.failed, *workers.refused),
        bytes=workers.bytes,
        seconds=time.monotonic() - began,
        proof=proof,
    )


def _connections(destination: Destination) -> int:
    """One to an AE: an archive may allow few, and a gateway takes the end of an association for that of a series."""
    return 1 if isinstance(destination, DimseDestination) else CONNECTIONS


def _missing(sink: Sink, workers: "_Workers") -> tuple[str, list[str]]:
    """How the destination was asked, and which of the instances that it took it does not have."""
    series: dict[tuple[str, str], set[str]] = defaultdict(set)
    for uid, key in workers.sent.items():
        series[key].add(uid)
    missing: set[str] = set()
    proof = sink.proof
    for key, uids in series.items():
        listed = _persistently(lambda key=key: sink.listed(*key))  # type: ignore[misc]
        if listed is None:
            proof = "its responses to C-STORE"
        else:
            missing |= uids - listed
    return proof, sorted(missing)


def _persistently(what: Callable[[], T]) -> T:
    for wait_s in WAITS_S:
        try:
            return what()
        except DestinationUnavailable:
            time.sleep(wait_s)
    return what()


class _Workers:
    """Threads with a connection each.  The first error that is not about one instance alone ends them all."""

    def __init__(self, connect: Callable[[], AbstractContextManager[Sink]], connections: int) -> None:
        self.sent: dict[str, tuple[str, str]] = {}  # SOPInstanceUID: study and series
        self.refused: list[str] = []
        self.bytes = 0
        self._connect = connect
        self._own = threading.local()
        self._opened = ExitStack()
        self._pool = ThreadPoolExecutor(connections, "send")
        self._turn = threading.Condition()
        self._held = 0  # bytes that wait or are on their way
        self._error: BaseException | None = None

    def take(self, parcel: Parcel) -> None:
        """Send it when a thread is free; waits while as much as there is room for is under way."""
        size = len(parcel.content)
        with self._turn:
            self._turn.wait_for(lambda: not self._held or self._held + size <= ROOM)
            self._held += size
        self._raise()
        self._pool.submit(self._put, parcel).add_done_callback(lambda done: self._done(done, size))

    def finish(self) -> None:
        """Wait until all is sent.  Raises what ended the threads."""
        self._pool.shutdown()
        self._raise()

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error

    def _done(self, done: "Future[None]", size: int) -> None:
        with self._turn:
            self._error = self._error or (None if done.cancelled() else done.exception())
            self._held -= size
            self._turn.notify_all()

    def _put(self, parcel: Parcel) -> None:
        if self._error is not None:
            return
        try:
            _persistently(lambda: self._sink().put(parcel))
        except NotTaken as error:
            self.refused.append(str(error))
            return
        self.sent[parcel.sop_instance_uid] = parcel.study_instance_uid, parcel.series_instance_uid
        with self._turn:
            self.bytes += len(parcel.content)

    def _sink(self) -> Sink:
        if not hasattr(self._own, "sink"):
            sink = self._connect()
            with self._turn:
                self._own.sink = self._opened.enter_context(sink)
        own: Sink = self._own.sink
        return own

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(cancel_futures=True)
        self._opened.close()
