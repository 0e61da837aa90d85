# SPDX-License-Identifier: Apache-2.0
"""Whether the gateway can do its work now: the reasons why not, each with what to do."""

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from ..config import Config
from ..durable import unwritable
from ..store import Journal

Health = Callable[[], Sequence[str]]
"""Sentences: what the running gateway finds wrong with itself, a receiver that does not listen, say."""

GB = 1e9


@dataclass(frozen=True)
class Space:
    """The disk under the storage folder, in bytes.  Under `reserve` free, new instances are refused."""

    total: int
    free: int
    reserve: float

    @property
    def enough(self) -> bool:
        """Whether new instances are taken."""
        return self.free >= self.reserve


@dataclass(frozen=True)
class Reason:
    """Why the gateway is not ready: a sentence, and what to do."""

    sentence: str
    hint: str


class Readiness:
    """Looks at what the gateway needs, each time it is asked."""

    def __init__(self, config: Config, journal: Journal, health: Health) -> None:
        self._storage = config.storage.path
        self._reserve = config.storage.reserve_gb * GB
        self._journal = journal
        self._health = health

    def reasons(self) -> list[Reason]:
        """Why the gateway is not ready; empty when it is."""
        return list(self._reasons())

    def _reasons(self) -> Iterator[Reason]:
        for sentence in self._health():
            yield Reason(sentence, "The log of `gantry serve` says why; `gantry doctor` tests every setting.")
        if trouble := unwritable(self._storage):
            hint = "Check the owner, the mode and the mount of [storage] path."
            yield Reason(f"The storage folder cannot be written: {trouble}.", hint)
        if trouble := self._journal.trouble():
            yield Reason(f"The journal cannot be read: {trouble}.", "Check the disk under [storage] path.")
        if not (space := self.space()).enough:
            free, reserve = f"{space.free / GB:.1f} GB", f"{space.reserve / GB:g} GB"
            sentence = f"Only {free} are free; under {reserve} new instances are refused."
            yield Reason(sentence, "Free disk space, or lower [storage] reserve_gb; it resumes by itself.")

    def space(self) -> Space:
        """The disk space under the storage folder; none where it cannot be asked."""
        try:
            usage = shutil.disk_usage(self._storage)
        except OSError:
            return Space(0, 0, self._reserve)
        return Space(usage.total, usage.free, self._reserve)
