# SPDX-License-Identifier: Apache-2.0
"""scripts/bench map: an app run in every way, a queue of jobs, the scheduler of GPUs, and the journal."""

import json
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

# The tests' scripted driver, engine and gateway; last, their cluster: there are names as here.
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))
sys.path.append(str(Path(__file__).resolve().parents[2] / "tests" / "gateway"))

import journal
import map_image
import map_queue
import map_ways
import scheduler

LUNGS = Path(__file__).resolve().parents[2] / "apps" / "lung_densitometry"


def measure_map(
    only: Annotated[
        Literal["all", "ways", "queue", "scheduler", "journal"], typer.Option(help="Measure this alone.")
    ] = "all",
    app: Annotated[Path, typer.Option(help="The folder of the app that is run.")] = LUNGS,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds of every way to run it.")] = 5,
    warm: Annotated[int, typer.Option(min=1, help="Warm jobs a round.")] = 5,
    queued: Annotated[int, typer.Option(min=1, help="Jobs in the queue.")] = 100,
    runs: Annotated[int, typer.Option(min=1, help="Runs of the loop beside it.")] = 20,
    at_once: Annotated[int, typer.Option(min=1, help="Jobs at once, and loops.")] = 2,
    jobs: Annotated[int, typer.Option(min=100, help="Jobs for the GPUs.")] = 10_000,
    lanes: Annotated[int, typer.Option(min=1, help="That run them, each one at a time.")] = 260,
    entries: Annotated[str, typer.Option(help="How many jobs the journal holds.")] = "1000,100000",
    as_json: Annotated[bool, typer.Option("--json", help="Print numbers for programs.")] = False,
) -> None:
    """What a MAP costs beside its own work: cold and warm, queued, on GPUs that are shared, in the journal."""
    found: dict[str, Any] = {}
    wanted = {"ways", "queue", "scheduler", "journal"} if only == "all" else {only}
    if wanted & {"ways", "queue"}:
        found |= _run(app, wanted, rounds=rounds, warm=warm, queued=queued, runs=runs, at_once=at_once)
    if "scheduler" in wanted:
        found["scheduler"] = asdict(scheduler.measure(jobs, lanes))
    if "journal" in wanted:
        rates = journal.measure(tuple(map(int, entries.split(","))))
        found["journal"] = {"jobs_per_s": rates, "ratio": max(rates.values()) / min(rates.values())}
    typer.echo(json.dumps(found) if as_json else "\n".join(_lines(found)))


def _run(app: Path, wanted: set[str], **sizes: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    packed = map_image.packed(app)
    with tempfile.TemporaryDirectory(prefix="gantry-bench-") as folder:
        if "ways" in wanted:
            seconds = map_ways.measure(Path(folder) / "ways", packed, sizes["rounds"], sizes["warm"])
            found["ways"] = {"seconds": seconds} | map_ways.ratios(seconds)
        if "queue" in wanted:
            found["queue"] = map_queue.measure(
                Path(folder) / "queue", packed, sizes["queued"], sizes["runs"], sizes["at_once"]
            )
    return found


def _lines(found: dict[str, Any], margin: str = "") -> Iterator[str]:
    for name, numbers in found.items():
        if isinstance(numbers, dict):
            yield f"{margin}{name}"
            yield from _lines(numbers, f"{margin}  ")
        else:
            yield f"{margin}{name}: {', '.join(f'{each:.4g}' for each in _listed(numbers))}"


def _listed(numbers: float | list[float]) -> list[float]:
    return numbers if isinstance(numbers, list) else [numbers]
