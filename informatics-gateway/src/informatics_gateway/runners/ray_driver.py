# SPDX-License-Identifier: Apache-2.0
"""The gateway's link to the cluster: `python -m informatics_gateway.runners.ray_driver FD ADDRESS`.

Ray's driver is a process of its own because Ray ends its driver when the cluster is away for long, and a gateway
must not end.  Over the socket FD come the ends of connections, one for each job; end of file means that the
gateway is gone, and then all that was started for it is ended, on every node.
"""

import logging
import os
import socket
import sys
import threading
import time
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

import grpc  # type: ignore[import-untyped]
import ray
from ray.exceptions import AuthenticationError, RayActorError, RayError, RayTaskError

from imaging_data import ExplainedError

from ..errors import JobCancelled, NodeLost, NodeRefused, RayOpen, RayRefused, RayUnavailable
from . import Ended, folders
from .outcome import plain
from .ray_errand import Errand
from .ray_node import RESULTS
from .ray_parcels import Order, Outcome, error_of, fault_of, pack, stand_in, unpack
from .ray_places import ENDS_WITHIN_S, Place, Places
from .watch import TICK_S

NEWS_EVERY_S = 0.5
LOOKS_AROUND_S = 1.0
LOOKS_FOR_S = 10.0
ASKS_FOR_NODES = "/ray.rpc.NodeInfoGcsService/GetAllNodeInfo"


def serve(errand: Errand, places: Places) -> None:
    """Do one job; the last thing said is how it ended."""
    try:
        with suppress(EOFError):
            ended = _do(errand.order(), errand, places)
            errand.tell("ended", ended.exit, ended.starved)
    except ExplainedError as error:
        errand.tell("failed", *fault_of(error))
    finally:
        errand.close()


def _do(order: Order, errand: Errand, places: Places) -> Ended:
    """Run the job; once more, elsewhere, when its node is lost.  A station whose job failed is ended."""
    lost = 0
    while True:
        try:
            return _once(order, errand, places)
        except RayError as error:
            host = places.drop(order.program.name)
            lost += 1
            _refuse(error, host, lost)
        except BaseException:
            places.drop(order.program.name)
            raise
        errand.note(f"{host} was lost, it runs again elsewhere")


def _refuse(error: RayError, host: str, lost: int) -> None:
    """Raise for what would be the same elsewhere, and for the second node that was lost."""
    if isinstance(error, RayTaskError) or (isinstance(error, RayActorError) and error.actor_init_failed):
        said = str(error).strip().splitlines() or [""]
        raise NodeRefused(f"{host}: {plain(said[-1])}") from error
    if lost > 1:
        raise NodeLost(f"The second one was {host}.") from error


def _once(order: Order, errand: Errand, places: Places) -> Ended:
    place = places.find(order, errand)
    errand.note(f"on {place.host}")
    parcels = [ray.put(parcel) for parcel in pack(order.folder.path, "input")]
    outcome = _wait(place, place.station.run.remote(order, parcels), errand)
    _take_in(order, outcome)
    for step, fraction in outcome.news:
        errand.tell("progress", step, fraction)
    if outcome.ended is None:
        raise error_of(outcome.fault)
    place.rest()
    return outcome.ended


def _wait(place: Place, running: Any, errand: Errand) -> Outcome:
    """Wait until the job has ended on its node; pass on what the app tells, and that it is to end."""
    news, ends_by = _News(place, errand), float("inf")
    while not ray.wait([running], timeout=TICK_S)[0]:
        news.look()
        if not errand.is_cancelled and errand.look():
            place.station.cancel.remote()
            ends_by = time.monotonic() + ENDS_WITHIN_S
        if time.monotonic() > ends_by:
            raise JobCancelled
    outcome: Outcome = ray.get(running)
    return outcome


class _News:
    """Asks a station now and then what its app tells; a station that does not answer is not waited for."""

    def __init__(self, place: Place, errand: Errand) -> None:
        self._place, self._errand = place, errand
        self._asked: Any = None
        self._at = time.monotonic()

    def look(self) -> None:
        """Pass on what there is."""
        if self._asked is None and time.monotonic() - self._at > NEWS_EVERY_S:
            self._asked, self._at = self._place.station.news.remote(), time.monotonic()
        if self._asked is not None and ray.wait([self._asked], timeout=0)[0]:
            for step, fraction in ray.get(self._asked):
                self._errand.tell("progress", step, fraction)
            self._asked = None


def _take_in(order: Order, outcome: Outcome) -> None:
    """Write what the job left on its node into the attempt's folder here."""
    folder, limits, parts = order.folder, order.program.limits, frozenset(RESULTS)
    folders.remove(folder.output)  # what came of a node that was lost meanwhile
    folder.output.mkdir(mode=0o700)
    folder.log.unlink(missing_ok=True)
    left = 2 * (limits.output_bytes + limits.log_bytes)  # the node has seen to the limits, at intervals
    for parcel in outcome.parcels:
        left -= unpack(ray.get(parcel), folder.path, parts, left)
    stand_in(outcome.strange, folder.path, parts)


def _connect(address: str) -> None:
    """Raises RayOpen, RayRefused, RayUnavailable."""
    try:
        if address != "auto":  # of one that is away, Ray would try for a minute
            host, _, port = address.rpartition(":")
            socket.create_connection((host, int(port)), LOOKS_FOR_S).close()
        ray.init(address, log_to_driver=False, logging_level=logging.WARNING)
    except AuthenticationError as error:
        raise RayRefused(plain(str(error))) from error
    except (OSError, RuntimeError, ValueError, RayError) as error:
        raise RayUnavailable(plain(str(error))) from error
    if answers_anybody(ray.get_runtime_context().gcs_address):
        raise RayOpen


def answers_anybody(address: str) -> bool:
    """Whether the cluster says which nodes it has to somebody without a token."""
    with grpc.insecure_channel(address) as channel:
        try:
            channel.unary_unary(ASKS_FOR_NODES)(b"", timeout=LOOKS_FOR_S)
        except grpc.RpcError:
            return False
    return True


def main(descriptor: int, address: str) -> None:
    """Connect to the cluster, say so, and take errands until the gateway is gone."""
    control = socket.socket(fileno=descriptor)
    control.set_inheritable(False)
    gateway = Errand(Connection(os.dup(descriptor)))
    try:
        _connect(address)
    except ExplainedError as error:
        gateway.tell("failed", *fault_of(error))
        return
    gateway.tell("ready")
    places = Places()
    _take_errands(control, places)
    places.close()
    ray.shutdown()


def _take_errands(control: socket.socket, places: Places) -> None:
    control.settimeout(LOOKS_AROUND_S)
    while True:
        places.stop_idle()
        try:
            _, descriptors, _, _ = socket.recv_fds(control, 1, 1)
        except TimeoutError:
            continue
        if not descriptors:
            return
        errand = Errand(Connection(descriptors[0]))
        threading.Thread(target=serve, args=(errand, places), daemon=True).start()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
