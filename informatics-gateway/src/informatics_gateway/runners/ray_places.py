# SPDX-License-Identifier: Apache-2.0
"""Where each lane's jobs run in the cluster: its station, found, kept while it is of use, and let go."""

import threading
import time
from dataclasses import dataclass, field
from typing import Any

import ray

from . import MB, Program
from .ray_errand import Errand
from .ray_node import Station
from .ray_parcels import Order
from .watch import TICK_S

ENDS_WITHIN_S = 15.0
PATIENCE_S = 5.0  # a place that is not there after this is waited for, and idle stations make room
CALLS_AT_ONCE = 4  # a station runs one job, and hears meanwhile


@dataclass
class Place:
    """A lane's station, what of Ray's resources it holds, and where it is."""

    station: Any
    asked: dict[str, float]
    idle_s: float
    node: str = ""
    host: str = "the node"
    is_busy: bool = True
    used_at: float = field(default_factory=time.monotonic)

    def rest(self) -> None:
        """Its job has ended well: it may have another."""
        self.used_at, self.is_busy = time.monotonic(), False

    def end(self) -> None:
        """End the station with everything that it runs."""
        ray.wait([self.station.close.remote()], timeout=ENDS_WITHIN_S)
        ray.kill(self.station)


class Places:
    """The stations by lane.  A lane has one job at a time; different lanes' calls come from different threads."""

    def __init__(self) -> None:
        self._places: dict[str, Place] = {}
        self._lock = threading.Lock()

    def find(self, order: Order, errand: Errand) -> Place:
        """The lane's place: the one that it has, or a new one where there is room, which is waited for.

        Raises JobCancelled, and RayError when it cannot be made.
        """
        program, asked = order.program, _asks_for(order.program)
        place = self._busy(program.name)
        if place is not None and place.asked == asked and place.node not in _draining():
            place.idle_s = program.idle_s
            return place
        self.drop(program.name)
        actor = ray.remote(Station).options(
            max_concurrency=CALLS_AT_ONCE, scheduling_strategy="SPREAD", **asked
        )
        station = actor.remote(order.owner, program.name, bool(program.image))
        place = self._places[program.name] = Place(station, asked, program.idle_s)
        self._wait_for(place, errand)
        return place

    def drop(self, lane: str, only_idle: bool = False) -> str:
        """End the lane's station, if there is one; the name of its node."""
        with self._lock:
            place = self._places.get(lane)
            if place is None or (only_idle and place.is_busy):
                return "the node"
            del self._places[lane]
        place.end()
        return place.host

    def stop_idle(self) -> None:
        """End the stations that have waited for longer than their app's `idle_s`."""
        now = time.monotonic()
        for lane, place in list(self._places.items()):
            if not place.is_busy and now - place.used_at > place.idle_s:
                self.drop(lane, only_idle=True)

    def close(self) -> None:
        """End every station."""
        for lane in list(self._places):
            self.drop(lane)

    def _busy(self, lane: str) -> Place | None:
        with self._lock:
            place = self._places.get(lane)
            if place is not None:
                place.is_busy = True
            return place

    def _wait_for(self, place: Place, errand: Errand) -> None:
        where, since, is_told = place.station.where.remote(), time.monotonic(), False
        while not ray.wait([where], timeout=TICK_S)[0]:
            errand.check()
            if time.monotonic() - since > PATIENCE_S:
                if not is_told:
                    errand.note(f"waits for a node with {_in_words(place.asked)}")
                since, is_told = time.monotonic(), True
                self._make_room()
        place.node, place.host = ray.get(where)

    def _make_room(self) -> None:
        """End the station that has been idle the longest: its place may be the one that is waited for."""
        idle = [(place.used_at, lane) for lane, place in list(self._places.items()) if not place.is_busy]
        if idle:
            self.drop(min(idle)[1], only_idle=True)


def _asks_for(program: Program) -> dict[str, float]:
    """What Ray is asked for; a GPU for an app that only prefers one where the cluster has any."""
    use = program.gpu_use
    wants_gpu = use == "required" or (use == "preferred" and ray.cluster_resources().get("GPU", 0) >= 1)
    return {
        "num_cpus": max(1, program.cpu),
        "num_gpus": 1 if wants_gpu else 0,
        "memory": program.limits.memory_mb * MB,
    }


def _in_words(asked: dict[str, float]) -> str:
    gpu = ", a GPU" if asked["num_gpus"] else ""
    return f"{asked['num_cpus']:g} CPU{gpu} and {asked['memory'] / MB:g} MB free"


def _draining() -> set[str]:
    """The ids of the nodes that are to go."""
    return set(ray._private.state.state.get_draining_nodes())
