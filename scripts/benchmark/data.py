# SPDX-License-Identifier: Apache-2.0
"""scripts/bench data: conversion, pictures and de-identification beside their peers; the index and its server."""

import importlib
import json
import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer
from apps import machine, measure, table
from rich.console import Console

COMPARED = ("nifti", "pictures", "deidentify")  # each a module data_NAME.py with `cases`, as apps_NAME.py has
ALONE = ("index", "rest")  # a module data_NAME.py with `measure`: numbers that have no peer
NAMES = COMPARED + ALONE


def measure_data(
    only: Annotated[list[str] | None, typer.Option(help=f"One of {', '.join(NAMES)}; several times.")] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds; the median counts.")] = 3,
    quick: Annotated[bool, typer.Option(help="Little data: whether it works, not how fast.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print numbers for programs; tables go to stderr.")
    ] = False,
) -> None:
    """Files a second of what researchers use, and how fast a large data set is built and asked."""
    unknown = sorted(set(only or ()) - set(NAMES))
    if unknown:
        raise typer.BadParameter(f"{', '.join(unknown)}: there are {', '.join(NAMES)}.")
    found: dict[str, Any] = {}
    console = Console(stderr=as_json)
    console.print(machine())
    for name in only or NAMES:
        module = importlib.import_module(f"data_{name}")
        with tempfile.TemporaryDirectory(prefix="gantry-bench-") as folder:
            if name in ALONE:
                found[name] = module.measure(Path(folder), quick)
                console.print_json(data=found[name])
                continue
            for case in module.cases(Path(folder), quick):
                found[case.name] = measured = measure(case, rounds)
                console.print(table(case, measured))
    if as_json:
        typer.echo(json.dumps({"rounds": rounds, "cases": found}))
