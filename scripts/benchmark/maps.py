# SPDX-License-Identifier: Apache-2.0
"""scripts/bench map: what stands between an input set and its app: the scheduler of GPUs, and the journal."""

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

import typer

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))  # the scripted driver of the tests

import journal
import scheduler


def measure_map(
    only: Annotated[Literal["all", "scheduler", "journal"], typer.Option(help="Measure this alone.")] = "all",
    jobs: Annotated[int, typer.Option(min=100, help="Jobs for the GPUs.")] = 10_000,
    lanes: Annotated[int, typer.Option(min=1, help="That run them, each one at a time.")] = 260,
    entries: Annotated[str, typer.Option(help="How many jobs the journal holds.")] = "1000,100000",
    as_json: Annotated[bool, typer.Option("--json", help="Print numbers for programs.")] = False,
) -> None:
    """Jobs over a scripted driver of 16 GPUs; jobs a second through the journal while it grows."""
    found: dict[str, object] = {}
    if only != "journal":
        found["scheduler"] = asdict(scheduler.measure(jobs, lanes))
    if only != "scheduler":
        rates = journal.measure(tuple(map(int, entries.split(","))))
        found["journal"] = {"jobs_per_s": rates, "ratio": max(rates.values()) / min(rates.values())}
    typer.echo(json.dumps(found) if as_json else "\n".join(_lines(found)))


def _lines(found: dict[str, object]) -> Iterator[str]:
    for name, numbers in found.items():
        yield name
        assert isinstance(numbers, dict)
        yield from (f"  {key}: {value}" for key, value in numbers.items())
