# SPDX-License-Identifier: Apache-2.0
"""scripts/bench data: conversion, pictures and de-identification beside their peers; the index and its server."""

import importlib
import json
import tempfile
from pathlib import Path
from typing import Any

import typer
from apps import AsJson, Only, Quick, Rounds, chosen, machine, measure, table
from rich.console import Console

COMPARED = ("nifti", "pictures", "deidentify")  # each a module data_NAME.py with `cases`, as apps_NAME.py has
ALONE = ("index", "rest")  # a module data_NAME.py with `measure`: numbers that have no peer
NAMES = COMPARED + ALONE


def measure_data(
    only: Only = None, rounds: Rounds = 3, quick: Quick = False, as_json: AsJson = False
) -> None:
    """Files a second of what researchers use, and how fast a large data set is built and asked."""
    found: dict[str, Any] = {}
    console = Console(stderr=as_json)
    console.print(machine())
    for name in chosen(only, NAMES):
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
