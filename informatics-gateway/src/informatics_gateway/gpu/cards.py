# SPDX-License-Identifier: Apache-2.0
"""The GPUs while the gateway runs: what its lanes hold and wish for, and what their apps were seen to take."""

import secrets
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import ceil
from pathlib import Path
from typing import Protocol

from ..config import Gpu
from ..errors import WaitsForGpu
from .nvml import Device, Nvml, Reading
from .schedule import Card, Hold, Start, Use, Wait, Wish, decide

VARIABLE = "GANTRY_GPU"  # in the environment of what runs on a card: whose it is
FRESH_S = 0.5  # a reading is used for so long
MARGIN = 1.1  # what was seen of an app that declares nothing is taken times this: a look is not a measurement


@dataclass(frozen=True)
class Need:
    """What a job asks of the GPUs.  `lane` runs it; app, digest and profile are who it takes after."""

    job: int
    lane: str
    app: str
    digest: str
    profile: str
    use: Use
    declared_mb: int = 0
    alone: bool = False
    priority: int = 1


@dataclass(frozen=True)
class Place:
    """Where a job runs: its lane, the UUID of its card ("": on the CPU), and the variables that say whose it is."""

    lane: str
    gpu: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)


class Peaks(Protocol):
    """Where what apps were seen to take is kept, in MB; the journal."""

    def gpu_peak(self, app: str, digest: str, profile: str) -> int | None:
        """The most that the app was seen to take in this profile, None when it never ran on a card."""

    def record_gpu_peak(self, app: str, digest: str, profile: str, mb: int) -> None:
        """The app was seen to take so much."""


class Workers(Protocol):
    """The warm workers, by the lane whose they are."""

    def keeps(self, lane: str) -> bool:
        """Whether a worker of the lane lives."""

    def let_go(self, lane: str) -> None:
        """Stop the lane's idle worker."""


@dataclass(frozen=True)
class _Asked:
    """What a lane wishes for, and since when."""

    need: Need
    mb: int | None
    since: float

    def wish(self, now: float) -> Wish:
        """For the scheduler."""
        need = self.need
        return Wish(need.lane, self.mb, need.use, need.alone, need.priority, now - self.since)


def lane_of(process: int) -> str:
    """What VARIABLE says in the process's environment, "" where it cannot be read."""
    try:
        variables = Path(f"/proc/{process}/environ").read_bytes().split(b"\0")
    except OSError:
        return ""
    prefix = f"{VARIABLE}=".encode()
    found = [each.removeprefix(prefix) for each in variables if each.startswith(prefix)]
    return found[0].decode(errors="replace") if found else ""


class Cards:
    """Gives cards to jobs.  Its methods may be called from several threads; none waits for a card."""

    def __init__(
        self,
        settings: Gpu,
        peaks: Peaks,
        workers: Workers,
        nvml: Nvml | None = None,
        whose: Callable[[int], str] = lane_of,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings, self._peaks, self._workers = settings, peaks, workers
        self._nvml, self._whose, self._clock = nvml or Nvml(), whose, clock
        self._token = secrets.token_hex(4)  # what another gateway started on this machine is not ours
        self._lock = threading.RLock()
        self._holds: dict[str, Hold] = {}
        self._idle: set[str] = set()  # of those, the lanes whose job has ended
        self._needs: dict[str, Need] = {}  # of the jobs that run on a card
        self._asked: dict[str, _Asked] = {}
        self._since: dict[tuple[str, int], float] = {}  # by lane and job
        self._seen: dict[str, int] = {}  # MB by lane, of the job that runs
        self._plan: dict[str, Start | Wait] | None = None  # None: something has changed
        self._reading, self._read_at = Reading(), float("-inf")
        self._ours: dict[str, dict[str, int]] = {}  # MB by card and lane, of this reading
        self._cards: list[Card] = []

    def start(self, need: Need) -> Place:
        """Take a place for the job.  Whoever starts must `end`.

        Raises WaitsForGpu, saying for what; the wish stands until it is granted or withdrawn.
        """
        if need.use == "none":
            return Place(need.lane)
        with self._lock:
            self._look()
            self._ask(need)
            decision = self._decisions()[need.lane]
            if isinstance(decision, Wait):
                raise WaitsForGpu(f"{need.app} {decision.why}.")
            self._granted(need, decision)
            return self._place(need.lane, decision.card)

    def end(self, lane: str) -> None:
        """The lane's job has ended; what it was seen to take is kept, and what its warm worker holds."""
        with self._lock:
            hold = self._holds.get(lane)
            if hold is None:
                return
            self._look()
            self._learn(self._needs.pop(lane), self._seen.pop(lane, 0))
            self._holds[lane] = replace(hold, idle=True, alone=False)
            self._idle.add(lane)
            self._plan = None

    def withdraw(self, lane: str) -> None:
        """The lane wishes for no card any more."""
        with self._lock:
            if self._asked.pop(lane, None) is not None:
                self._since = {key: since for key, since in self._since.items() if key[0] != lane}
                self._plan = None

    def look(self) -> None:
        """Look at what the jobs take, if any runs on a card."""
        with self._lock:
            if self._needs:
                self._look()

    def troubles(self) -> Sequence[str]:
        """What NVML could not say at the last look, in sentences."""
        return self._reading.troubles

    # all of the following under the lock

    def _ask(self, need: Need) -> None:
        known = self._asked.get(need.lane)
        if known is None or known.need != need:
            since = self._since.setdefault((need.lane, need.job), self._clock())
            self._asked[need.lane] = _Asked(need, self._expected_mb(need), since)
            self._plan = None

    def _expected_mb(self, need: Need) -> int | None:
        """What the job will take: declared, or more when more was seen; None where nobody knows.

        What was seen of an app that declares nothing is only a hint: where no card has that much, it gets one
        for itself.
        """
        seen = self._peaks.gpu_peak(need.app, need.digest, need.profile) or 0
        if need.declared_mb:
            return max(need.declared_mb, seen)
        mb = ceil(seen * MARGIN)
        return mb if 0 < mb <= max((each.total_mb for each in self._cards), default=mb) else None

    def _decisions(self) -> dict[str, Start | Wait]:
        if self._plan is None:
            now = self._clock()
            wishes = [each.wish(now) for each in self._asked.values()]
            holds = [self._as_seen(hold) for hold in self._holds.values()]
            self._plan = decide(wishes, self._cards, holds)
        return self._plan

    def _granted(self, need: Need, start: Start) -> None:
        """The plan holds for the others: it was made with this place given away."""
        asked = self._asked.pop(need.lane)
        self._since.pop((need.lane, need.job), None)
        for lane in start.stop:
            self._workers.let_go(lane)
            self._drop(lane)
        own = self._holds.pop(need.lane, None)
        self._idle.discard(need.lane)
        if own is not None and (start.card is None or own.card != start.card.uuid):
            self._workers.let_go(need.lane)
        if start.card is not None:
            alone = need.alone or asked.mb is None
            self._holds[need.lane] = Hold(need.lane, start.card.uuid, start.mb, alone)
            self._needs[need.lane] = need

    def _drop(self, lane: str) -> None:
        """The lane's idle worker is gone."""
        self._idle.discard(lane)
        del self._holds[lane]
        self._plan = None

    def _place(self, lane: str, card: Card | None) -> Place:
        if card is None:
            return Place(lane)
        return Place(lane, card.uuid, {VARIABLE: f"{self._token}:{lane}"})

    def _learn(self, need: Need, mb: int) -> None:
        if mb > (self._peaks.gpu_peak(need.app, need.digest, need.profile) or 0):
            self._peaks.record_gpu_peak(need.app, need.digest, need.profile, mb)

    def _look(self) -> None:
        for lane in [each for each in self._idle if not self._workers.keeps(each)]:
            self._drop(lane)
        if self._clock() - self._read_at < FRESH_S:
            return
        self._reading, self._read_at, self._plan = self._nvml.read(), self._clock(), None
        self._ours = {each.uuid: self._lanes_on(each) for each in self._reading.devices}
        self._cards = [self._card(each) for each in self._devices()]
        for lane in self._needs:
            self._seen[lane] = max(self._seen.get(lane, 0), self._takes(self._holds[lane]))

    def _devices(self) -> list[Device]:
        """Those that may be used."""
        chosen = self._settings.cards
        return [each for each in self._reading.devices if not chosen or each.uuid in chosen]

    def _lanes_on(self, device: Device) -> dict[str, int]:
        """MB that our lanes hold of the device, by lane, as far as the driver says."""
        ours: dict[str, int] = {}
        for process, mb in device.processes.items():
            token, _, lane = self._whose(process).partition(":")
            if token == self._token and mb:
                ours[lane] = ours.get(lane, 0) + mb
        return ours

    def _takes(self, hold: Hold) -> int:
        return self._ours.get(hold.card, {}).get(hold.lane, 0)

    def _as_seen(self, hold: Hold) -> Hold:
        """A job may still take what it was said to; an idle worker holds what it holds, where that is known."""
        takes = self._takes(hold)
        mb = takes if hold.idle and takes else max(hold.mb, takes)
        return hold if mb == hold.mb else replace(hold, mb=mb)

    def _card(self, device: Device) -> Card:
        others = max(0, device.used_mb - sum(self._ours[device.uuid].values()))
        hot = device.temperature_c is not None and device.temperature_c >= self._settings.hottest_c
        return Card(device.uuid, device.name, device.total_mb, others, hot)
