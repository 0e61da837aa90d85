# SPDX-License-Identifier: Apache-2.0
"""Jobs that wait in a gateway's queue, against a loop of `podman run` of the same MAP on the same series."""

import os
import subprocess
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from gateway_process import Gateway
from map_image import Packed, phantom, series

from informatics_gateway.store import Journal

TABLES = """
[[destination]]
name = "folder"
kind = "folder"
path = "results"
clinical = false
[[app]]
name = "queued"
image = "{image}"
runner = "warm"
jobs_at_once = {at_once}
[[route]]
called_ae_title = "BENCH"
app = "queued"
destinations = ["folder"]
"""
WAITS_S = 3600


def measure(folder: Path, packed: Packed, jobs: int, runs: int, at_once: int) -> dict[str, float]:
    """Jobs a minute of the gateway and of `at_once` loops side by side that make `runs` runs; their ratio."""
    rendered = phantom()
    every = [series(rendered, folder / "series" / str(number), number) for number in range(max(jobs, runs))]
    loop = runs / _loops(folder, packed, [paths[0].parent for paths in every[:runs]], at_once)
    gateway = jobs / _queue(folder, packed, every[:jobs], at_once)
    return {"gateway_per_min": 60 * gateway, "loop_per_min": 60 * loop, "ratio": gateway / loop}


def _queue(folder: Path, packed: Packed, every: Sequence[Sequence[Path]], at_once: int) -> float:
    """Seconds from the first of all these jobs started to the last one delivered, loading the app included."""
    tables = TABLES.format(image=packed.image, at_once=at_once)
    gateway = Gateway(folder / "gateway", tables, environment=packed.engine.environment)
    gateway.start()
    try:
        gateway.cli("apps", "pause", "queued")
        for paths in every:
            gateway.send(paths, called="BENCH")
        gateway.wait(lambda statuses: len(statuses) == len(every), WAITS_S)
        gateway.cli("apps", "resume", "queued")
        ended = gateway.wait_ended(len(every), WAITS_S)
    finally:
        gateway.stop()
    if set(ended) != {"delivered"}:
        raise RuntimeError(f"{ended.count('delivered')} of {len(ended)} jobs were delivered")
    with Journal(gateway.storage) as journal:
        events = [event for job in journal.jobs(limit=len(every)) for event in journal.events(job.id)]
    return max(event.at for event in events) - min(
        event.at for event in events if event.text.startswith("execute:")
    )


def _loops(folder: Path, packed: Packed, sources: Sequence[Path], at_once: int) -> float:
    """Seconds of `podman run` on each of these series, one after another in each of the loops."""
    outputs = [folder / "loop" / str(number) for number in range(len(sources))]
    for output in outputs:
        output.mkdir(parents=True)
        output.chmod(0o777)  # the image's user is not ours
    begun = time.perf_counter()
    with ThreadPoolExecutor(at_once) as loops:
        list(loops.map(lambda source, output: _run(packed, source, output), sources, outputs))
    return time.perf_counter() - begun


def _run(packed: Packed, source: Path, output: Path) -> None:
    mounts = (f"--volume={source}:/var/holoscan/input:ro", f"--volume={output}:/var/holoscan/output")
    command = (packed.engine.path, "run", "--rm", "--network=none", *mounts, packed.image)
    subprocess.run(command, env=os.environ | packed.engine.environment, check=True, capture_output=True)
    if not (output / "results.json").is_file():
        raise RuntimeError(f"{source.name}: the MAP left no results")
