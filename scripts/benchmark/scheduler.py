# SPDX-License-Identifier: Apache-2.0
"""10,000 jobs over a scripted driver of 16 GPUs: the gateway's own NVML code, cards and rules, on a simulated clock."""

import heapq
import math
import random
import time
from dataclasses import dataclass, field

from fake_nvml import FakeCard, FakeNvml

from informatics_gateway.config import Gpu
from informatics_gateway.errors import WaitsForGpu
from informatics_gateway.gpu.cards import VARIABLE, Cards, Need

CARDS = [48000] * 8 + [80000] * 8  # MB
SIZES = (1500, 40000)  # MB that an app takes: drawn between these, small ones more often (log-uniform)
SECONDS = (5.0, 120.0)  # that a job takes
OTHERS_MB = 500  # of each card, that the driver itself holds


@dataclass
class Measured:
    """What the simulation found.

    `over_memory`: looks at a card that held more than it has.  `packing`: the time that no packing can be under,
    as memory times seconds of all jobs over all memory, divided by the time it took; the end of the queue, when
    cards fall idle, is in it.  Decisions are processor time.
    """

    jobs: int
    over_memory: int
    packing: float
    decision_ms: float
    worst_ms: float
    waited_s: float


@dataclass
class Lane:
    """One of an app's lanes, with the seconds of its jobs that are still to come."""

    name: str
    mb: int
    jobs: list[float]
    since: float = 0.0


@dataclass
class Simulation:
    """Lanes that ask for cards whenever a job has ended, as the gateway's do."""

    lanes: list[Lane]
    driver: FakeNvml
    now: float = 0.0
    spent: list[float] = field(default_factory=list)  # seconds in `Cards`, for each job
    over_memory: int = 0
    longest_wait: float = 0.0
    ended: int = 0
    owners: dict[int, str] = field(default_factory=dict)
    ends: list[tuple[float, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.cards = Cards(
            Gpu(), self, self, whose=lambda number: self.owners.get(number, ""), clock=lambda: self.now
        )

    # what the cards ask of the journal and the warm workers

    def gpu_peak(self, app: str, digest: str, profile: str) -> int | None:
        """Apps declare what they take."""
        return None

    def record_gpu_peak(self, app: str, digest: str, profile: str, mb: int) -> None:
        """It is known."""

    def keeps(self, lane: str) -> bool:
        """No worker is warm."""
        return False

    def let_go(self, lane: str) -> None:
        """There is none."""

    def run(self) -> None:
        """Until every job has run."""
        while any(lane.jobs for lane in self.lanes) or self.ends:
            begun = time.process_time()
            started = self._ask_all()
            spent = time.process_time() - begun
            self.spent += [spent / max(1, started)] * started
            self._check()
            self._next_end()

    def _ask_all(self) -> int:
        busy, started = {number for _, number in self.ends}, 0
        for number in (self.ended, *range(len(self.lanes))):  # the lane whose job has ended asks first
            lane = self.lanes[number]
            if number in busy or not lane.jobs:
                continue
            try:
                place = self.cards.start(
                    Need(number * 1000 + len(lane.jobs), lane.name, lane.name, "", "", "required", lane.mb)
                )
            except WaitsForGpu:
                continue
            started += 1
            busy.add(number)
            self.longest_wait = max(self.longest_wait, self.now - lane.since)
            self.owners[number] = place.environment[VARIABLE]
            card = next(each for each in self.driver.cards if each.uuid == place.gpu)
            card.processes[number] = lane.mb
            heapq.heappush(self.ends, (self.now + lane.jobs.pop(), number))
        return started

    def _check(self) -> None:
        self.over_memory += sum(card.used_mb > card.total_mb for card in self.driver.cards)

    def _next_end(self) -> None:
        self.now, number = heapq.heappop(self.ends)
        self.ended = number
        for card in self.driver.cards:
            card.processes.pop(number, None)
        self.lanes[number].since = self.now
        begun = time.process_time()
        self.cards.end(self.lanes[number].name)
        self.spent[-1] += time.process_time() - begun


def _size(chance: random.Random) -> int:
    return round(math.exp(chance.uniform(*map(math.log, SIZES))))


def measure(jobs: int, lanes: int, seed: int = 1) -> Measured:
    """Pack `jobs` of `lanes` lanes, whose sizes and seconds are drawn at random."""
    chance = random.Random(seed)
    queues = [Lane(f"app{number}", _size(chance), []) for number in range(lanes)]
    for number in range(jobs):
        queues[number % lanes].jobs.append(chance.uniform(*SECONDS))
    area = sum(lane.mb * sum(lane.jobs) for lane in queues)
    longest = max(sum(lane.jobs) for lane in queues)
    room = sum(CARDS) - OTHERS_MB * len(CARDS)
    cards = [FakeCard(f"GPU-{number}", mb, others_mb=OTHERS_MB) for number, mb in enumerate(CARDS)]
    with FakeNvml(*cards).installed() as driver:
        simulation = Simulation(queues, driver)
        simulation.run()
    best = max(area / room, longest)  # no packing is done sooner: memory, and one job of a lane at a time
    return Measured(
        jobs,
        simulation.over_memory,
        best / simulation.now,
        1000 * sum(simulation.spent) / jobs,
        1000 * max(simulation.spent),
        simulation.longest_wait,
    )
