# SPDX-License-Identifier: Apache-2.0
"""The apps and what they are made of, beside their peers: each contender a process, rounds interleaved."""

import importlib
import json
import os
import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import typer
from contenders import Case, Contender, run
from rich.console import Console
from rich.table import Table

HERE = Path(__file__).parent
NAMES = tuple(sorted(path.stem.removeprefix("apps_") for path in HERE.glob("apps_*.py")))
BUSY = 0.5  # processes that wait or run, per core, at the start: the seconds are then of a shared machine
TIMES = {"seconds": "seconds", "cpu_s": "cpu s"}  # with their columns
OWN = (*TIMES, "process_s", "peak_mb")

Measured = dict[str, list[dict[str, Any]]]  # contender: one dictionary per round


Only = Annotated[list[str] | None, typer.Option(help="Measure this alone; several times.")]
Rounds = Annotated[int, typer.Option(min=1, help="Rounds; the median counts.")]
Quick = Annotated[bool, typer.Option(help="Little data: whether it works, not how fast.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print numbers for programs; tables go to stderr.")]


def apps(only: Only = None, rounds: Rounds = 3, quick: Quick = False, as_json: AsJson = False) -> None:
    """Seconds and peak memory of what the apps do, beside the programs that do the same."""
    found: dict[str, Measured] = {}
    console = Console(stderr=as_json)
    console.print(machine())
    for name in chosen(only, NAMES):
        with tempfile.TemporaryDirectory(prefix="gantry-bench-") as folder:
            for case in importlib.import_module(f"apps_{name}").cases(Path(folder), quick):
                found[case.name] = measured = measure(case, rounds)
                console.print(table(case, measured))
    if as_json:
        typer.echo(json.dumps({"rounds": rounds, "cases": found}))


def chosen(only: Sequence[str] | None, names: Sequence[str]) -> Sequence[str]:
    """The parts to measure: all, without a choice; one that is not there is refused by name."""
    unknown = sorted(set(only or ()) - set(names))
    if unknown:
        raise typer.BadParameter(f"{', '.join(unknown)}: there are {', '.join(names)}.")
    return only or names


def machine() -> str:
    """How many cores there are, and whether others use them."""
    cores, load = os.cpu_count() or 1, os.getloadavg()[0]
    busy = f", BUSY with other work (load {load:.1f}): only ratios count" if load > BUSY * cores else ""
    return f"{cores} cores{busy}"


def measure(case: Case, rounds: int) -> Measured:
    """Every contender once a round; who begins changes from round to round."""
    measured: Measured = defaultdict(list)
    for number in range(rounds):
        for contender in _turned(case.contenders, number):
            measured[contender.name].append(run(contender))
    return dict(measured)


def _turned(contenders: Sequence[Contender], by: int) -> list[Contender]:
    by %= len(contenders)
    return [*contenders[by:], *contenders[:by]]


def table(case: Case, measured: Mapping[str, list[dict[str, Any]]]) -> Table:
    """Medians of each contender, and how many times faster ours is, by the ratio of each round.

    By the clock, and by processor time, which other work on the machine leaves alone, where all know theirs.
    """
    rounds = len(next(iter(measured.values())))
    grid = Table(title=f"{case.name}: median of {rounds}")
    facts = list(dict.fromkeys(fact for runs in measured.values() for fact in runs[0] if fact not in OWN))
    grid.add_column("contender")
    ratios = ("ours is faster",) if case.compared else ()
    times = [name for name in TIMES if all(name in one for runs in measured.values() for one in runs)]
    timed = [column for name in times for column in (TIMES[name], *ratios)]
    for column in (*timed, "peak MiB", *(fact.replace("_", " ") for fact in facts)):
        grid.add_column(column, justify="right")
    ours = measured[case.contenders[0].name]
    for contender in case.contenders:
        runs = measured[contender.name]
        cells = [cell for name in times for cell in _timed(runs, ours, name, case.compared)]
        cells += [_shown(_of(runs, "peak_mb")), *(_shown([one.get(fact) for one in runs]) for fact in facts)]
        grid.add_row(contender.name, *cells)
    return grid


def _timed(runs: list[dict[str, Any]], ours: list[dict[str, Any]], time: str, compared: bool) -> list[str]:
    """The median of a time, and how many times faster ours is by it."""
    faster = "" if runs is ours else f"x {ratio(runs, ours, time):.2f}"
    return [_shown(_of(runs, time)), *([faster] if compared else [])]


def ratio(theirs: Sequence[Mapping[str, Any]], ours: Sequence[Mapping[str, Any]], time: str) -> float:
    """How many times longer theirs took: the median over the rounds, each a ratio of its own."""
    return median(one[time] / own[time] for one, own in zip(theirs, ours, strict=True))


def _of(runs: Sequence[Mapping[str, Any]], fact: str) -> list[Any]:
    return [one[fact] for one in runs]


def _shown(values: Sequence[Any]) -> str:
    if not all(isinstance(value, int | float) for value in values):
        return "" if values[0] is None else str(values[0])
    middle = median(values)
    return f"{middle:.0f}" if abs(middle) >= 100 or middle == int(middle) else f"{middle:.3g}"
