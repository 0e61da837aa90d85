# SPDX-License-Identifier: Apache-2.0
"""Where the receiver's news meet the journal: arrivals are taken in, in batches, and series are closed."""

import logging
import queue
import threading
import time
from collections.abc import Callable
from pathlib import Path

from imaging_data import ExplainedError

from .. import quarantine
from ..assemble import Arrival, closing, take_in
from ..config import Config
from ..model import Association, Refusal, SeriesKey
from ..receive import pending, read_instance, release_from_quarantine, remove_association
from ..store import Store

log = logging.getLogger("gantry.intake")

BATCH = 200  # arrivals journaled in one transaction
GATHER_S = 0.25  # each batch makes the disk wait, and the receiver with it
Close = Callable[[SeriesKey, str], None]


class Intake:
    """The receiver's listener and the thread behind it.

    The listener's methods run in the receiver's threads and only queue; `run` does the work in one thread.
    """

    def __init__(self, store: Store, config: Config, close: Close, assembling: threading.Lock) -> None:
        self._store, self._config, self._close, self._assembling = store, config, close, assembling
        self._news: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._batch: list[tuple[Association, Path]] = []
        self._released: dict[str, bool | None] = {}  # association: True released, False ended, None open
        self._ended: list[Association] = []
        self._started = self._due = time.time()  # a sender may still be sending what a crash interrupted
        self._look = True  # something happened that may close a series

    # Listener of the receiver

    def arrived(self, association: Association, path: Path) -> None:
        """An instance lies durably in incoming/."""
        self._news.put(lambda: self._add(association, path))

    def ended(self, association: Association, released: bool) -> None:
        """No more comes on this association."""
        self._news.put(lambda: self._end(association, released))

    def refused(self, refusal: Refusal) -> None:
        """A caller was turned away."""
        self._news.put(lambda: self._store.record_refusal(refusal))

    # the thread

    def turn(self) -> None:
        """Hear what came, take it in, close what is closed; waits at most a second for news.

        Whatever it raises, nothing is lost: what was not taken in is tried again at the next turn.
        """
        self._hear(self._next_look())
        with self._assembling:
            self._take_in()
            if self._look or self._due <= time.time():
                self._close_series()

    def wake(self) -> None:
        """End the waiting."""
        self._news.put(lambda: None)

    def recover(self) -> None:
        """Take in what lay in incoming/ when the gateway ended."""
        for association, paths in pending(self._store.storage):
            for path in paths:
                self.arrived(association, path)
            self.ended(association, released=False)

    def release(self, entry: str) -> None:
        """Bring a quarantined instance back in; raises the reason when it still holds."""
        association, path = release_from_quarantine(self._store.storage, entry)
        self.arrived(association, path)
        self.ended(association, released=False)

    def _hear(self, timeout: float) -> None:
        """Wait for news, then hear what else comes, up to a batch or to the end of an association."""
        try:
            self._news.get(timeout=timeout)()
            until = time.monotonic() + GATHER_S
            while len(self._batch) < BATCH and not self._ended:
                self._news.get(timeout=max(0.0, until - time.monotonic()))()
        except queue.Empty:
            pass

    def _next_look(self) -> float:
        """Seconds to wait for news: none while work is left, else until a quiet period may end."""
        if self._batch or self._look:
            return 0.0
        return min(1.0, max(0.0, self._due - time.time()))

    def _add(self, association: Association, path: Path) -> None:
        self._released.setdefault(association.id, None)
        self._batch.append((association, path))
        self._due = min(self._due, time.time() + self._config.assemble.quiet_s)

    def _end(self, association: Association, released: bool) -> None:
        self._released[association.id] = released
        self._ended.append(association)
        self._look = True

    def _take_in(self) -> None:
        arrivals = [arrival for each in self._batch if (arrival := self._read(*each))]
        for arrival, error in take_in(self._store, arrivals) if arrivals else ():
            self._refuse(arrival.association, arrival.instance.path, error)
        self._batch.clear()
        while self._ended:
            remove_association(self._store.storage, self._ended.pop())

    def _read(self, association: Association, path: Path) -> Arrival | None:
        try:
            return Arrival(association, read_instance(path), path.stat().st_mtime)
        except FileNotFoundError:
            return None  # taken in by the turn before this one failed
        except ExplainedError as error:
            self._refuse(association, path, error)
            return None

    def _refuse(self, association: Association, path: Path, error: ExplainedError) -> None:
        entry = quarantine.keep_instance(self._store.storage, path, str(error), error.hint, association)
        log.warning("an instance of association %s went to quarantine as %s", association.id, entry)

    def _close_series(self) -> None:
        """Close every series that is seen to be complete or was quiet long enough."""
        self._look, self._due, now = False, time.time() + 1.0, time.time()
        for key, last in self._store.open_series().items():
            brought = {each: self._released.get(each, False) for each in self._store.unseen_arrivals(key)}
            verdict = closing(
                self._store.arrived(key),
                brought,
                max(last, self._started),
                now,
                self._config.assemble.quiet_s,
            )
            if verdict.by is None:
                self._due = min(self._due, verdict.due)
            else:
                self._close(key, verdict.by)
        self._forget()

    def _forget(self) -> None:
        """Forget associations that ended and have nothing open."""
        if not self._store.open_series():
            self._released = {each: state for each, state in self._released.items() if state is None}
