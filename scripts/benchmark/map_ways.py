# SPDX-License-Identifier: Apache-2.0
"""From a sealed input set to its results: one app run in every way that the gateway has, in rounds."""

import os
import time
from contextlib import closing
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from statistics import median
from threading import Event

from map_image import Packed, phantom, series
from ray_cluster import Cluster

from imaging_data import find_instances
from imaging_data.phantom import Rendered
from informatics_gateway.config import Config
from informatics_gateway.execute import Executor, JobRequest
from informatics_gateway.model import Identity, InputSet, Instance, Job, JobStatus, SeriesKey

REQUEST = JobRequest("2026-11-20T09:15:00+00:00", 1, "binary")
WAYS = {  # how the gateway is told to run it, by name
    "process, cold": ("path", "process"),
    "container, cold": ("image", "container"),
    "process, warm": ("path", "warm"),
    "container, warm": ("image", "warm"),
    "ray, warm": ("path", "ray"),
}
WARM = [way for way in WAYS if way.endswith("warm")]
RATIOS = {  # what is divided by what
    "container, cold/warm": ("container, cold", "container, warm"),
    "process, cold/warm": ("process, cold", "process, warm"),
    "warm, container/process": ("container, warm", "process, warm"),
    "warm, ray/process": ("ray, warm", "process, warm"),
}
NODE_CPUS, NODE_MB = 4, 16384  # what each node of the cluster says that it has: room for any app of ours
Seconds = dict[str, list[float]]


@dataclass
class Contest:
    """An executor that runs the app in every way, in `folder`; each job has a new patient's series.

    `cluster`: of Ray, three nodes on this machine.
    """

    folder: Path
    packed: Packed
    cluster: Cluster

    def __post_init__(self) -> None:
        places = {"path": self.packed.app, "image": self.packed.image}
        apps = [
            {"name": _app(way), place: places[place], "runner": runner}
            for way, (place, runner) in WAYS.items()
        ]
        storage = {"path": self.folder / "storage"}
        tables = {"storage": storage, "app": apps, "ray": self.cluster.tables}
        self._executor = Executor(Config.model_validate(tables))
        for way in WAYS:
            self._executor.manifest(_app(way))  # a gateway asks each app once
        self._phantom, self._numbers = phantom(), count(1)

    def seconds(self, way: str) -> float:
        """How long the next job takes in this way."""
        job = sealed_job(self._phantom, self.folder, next(self._numbers), _app(way))
        begun = time.perf_counter()
        self._executor.execute(job, REQUEST, Event())
        return time.perf_counter() - begun

    def close(self) -> None:
        """Stop what is warm."""
        self._executor.close()


def measure(folder: Path, packed: Packed, rounds: int, jobs: int) -> Seconds:
    """Seconds of each job in each way, `jobs` warm ones and a cold one a round; whoever begins changes each round.

    A warm worker's first job, which loads the app, is left out.
    """
    os.environ |= packed.engine.environment
    folder.mkdir(parents=True)
    found: Seconds = {way: [] for way in WAYS}
    with (
        Cluster(folder, cpus=NODE_CPUS, memory_mb=NODE_MB) as cluster,
        closing(Contest(folder, packed, cluster)) as contest,
    ):
        for way in WARM:
            contest.seconds(way)
        for number in range(rounds):
            ways = list(WAYS)
            for way in ways[number % len(ways) :] + ways[: number % len(ways)]:
                each = [contest.seconds(way) for _ in range(jobs if way in WARM else 1)]
                found[way].append(median(each))
    return found


def ratios(seconds: Seconds) -> dict[str, float]:
    """The medians of the rounds' own ratios."""
    return {
        name: median(one / other for one, other in zip(seconds[first], seconds[second], strict=True))
        for name, (first, second) in RATIOS.items()
    }


def sealed_job(rendered: Rendered, folder: Path, number: int, app: str) -> Job:
    """A job of the app whose input set is sealed, and on disk."""
    place = folder / "series" / str(number)
    series(rendered, place, number)
    [found] = find_instances(place).series
    study, uid = found.study_instance_uid, found.series_instance_uid
    identity = Identity(f"BENCH-{number}", "", "", study)
    instances = tuple(
        Instance(each.sop_instance_uid, str(each.dataset.SOPClassUID), uid, identity, each.path, each.sha256)
        for each in found.instances
    )
    key = SeriesKey("BENCH@127.0.0.1", "BENCH", study, uid)
    sealed = InputSet(number, key, 1, found.input_hash, instances, 0.0, "released")
    return Job(number, sealed, f"BENCH/{app}", app, JobStatus.QUEUED, 0, 1, 0.0)


def _app(way: str) -> str:
    return way.replace(", ", "-")
