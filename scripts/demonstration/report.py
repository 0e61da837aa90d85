# SPDX-License-Identifier: Apache-2.0
"""What came back, for people: tables of results, numbers and times, and a picture."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from pydicom import Dataset
from rich.console import Console
from rich.table import Table
from truth import Truth

# Steps by the first words of the events that begin and end them.
EXECUTE = "execute, of which"
SCORES = ("1", "score")  # units of what lies between 0 and 1
STEPS = (
    ("assemble, route", "sent", "queued"),
    (EXECUTE, "execute:", "executed"),
    ("validate", "executed", "validated"),
    ("deliver, with proof", "deliver:", "delivered"),
)


def print_results(console: Console, details: Mapping[str, Any], fetched: Mapping[str, Dataset]) -> None:
    """Each result: its kind, its series and its UID; then how the destination proved that it has them."""
    table = _table("What came back", "kind", "series", "SOPInstanceUID")
    by_series = sorted(fetched.values(), key=lambda dataset: int(dataset.SeriesNumber))
    kinds = {result["sop_instance_uid"]: result["kind"] for result in details["results"]}
    for dataset in by_series:
        table.add_row(kinds[dataset.SOPInstanceUID], str(dataset.SeriesNumber), dataset.SOPInstanceUID)
    console.print(table)
    for dataset in by_series:
        console.print(f"series {dataset.SeriesNumber}: {dataset.SeriesDescription}", markup=False)
    proofs = ", ".join(sorted({proof["how"] for proof in details["proofs"]}))
    console.print(f"proof that it is in the archive: {proofs}", markup=False)


def print_numbers(console: Console, details: Mapping[str, Any], truth: Truth) -> None:
    """The measured numbers, beside the true ones where they are known; the findings as sentences."""
    table = _table("Measured", "where", "what", "measured", *(("true", "difference") if truth else ()))
    for each in details["measurements"]:
        decimals = 3 if _unit(each) in SCORES else 1
        measured = f"{each['value']:.{decimals}f} {_unit(each)}"
        table.add_row(_text(each, "site"), _text(each, "name"), measured, *_compared(each, truth))
    if details["measurements"]:
        console.print(table)
    for finding in details["findings"]:
        console.print(f"Finding: {finding}", markup=False)


def _compared(measurement: Mapping[str, Any], truth: Truth) -> tuple[str, ...]:
    if not truth:
        return ()
    true = truth.number(_text(measurement, "site"), _text(measurement, "name"))
    if true is None:
        return "", ""
    difference = measurement["value"] - true
    part = f" ({100 * difference / true:+.1f} %)" if "volume" in _text(measurement, "name").lower() else ""
    return f"{true:.1f} {_unit(measurement)}", f"{difference:+.1f}{part}"


def _text(measurement: Mapping[str, Any], key: str) -> str:
    value = measurement.get(key) or ""
    return str(value.get("meaning", value) if isinstance(value, Mapping) else value)


def _unit(measurement: Mapping[str, Any]) -> str:
    return _text(measurement, "unit").replace("[hnsf'U]", "HU").strip("{}")


def print_times(console: Console, details: Mapping[str, Any], began: float, sent: float) -> None:
    """The time of each step of the line; within execute, that of each part of the app.

    `began`, `sent`: when the first instance was sent and the last one taken, in seconds since the epoch.
    """
    table = _table("Time", "step", "seconds")
    for name, seconds in [("send, receive", sent - began), *steps(details, sent)]:
        table.add_row(name, f"{seconds:.2f}")
    table.add_section()
    table.add_row("from first instance to proof", f"{details['events'][-1]['at'] - began:.2f}")
    console.print(table)


def steps(details: Mapping[str, Any], sent: float) -> list[tuple[str, float]]:
    """Name and seconds of each step after receive, from the job's events and from what the app timed."""
    at = {"sent": sent}
    for event in details["events"]:
        for mark in {mark for _, *marks in STEPS for mark in marks}:
            if event["text"].startswith(mark):
                at[mark] = event["at"]
    found = [(name, max(0.0, at[end] - at[begin])) for name, begin, end in STEPS if {begin, end} <= at.keys()]
    app = [(f"  {name.removesuffix('_s')}", seconds) for name, seconds in details["times"].items()]
    where = next((n for n, (name, _) in enumerate(found, 1) if name == EXECUTE), 0)
    rest = [("  start, import", found[where - 1][1] - sum(seconds for _, seconds in app))] if app else []
    return found[:where] + rest + app + found[where:]


def write_picture(details: Mapping[str, Any], fetched: Mapping[str, Dataset], path: Path) -> Path | None:
    """The secondary capture as PNG; None when the app made none."""
    for result in details["results"]:
        if result["kind"] == "secondary-capture":
            pixels = fetched[result["sop_instance_uid"]].pixel_array
            Image.fromarray(np.asarray(pixels, np.uint8)).save(path)
            return path
    return None


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold")
    for column in columns:
        number = column in ("measured", "true", "difference", "seconds")
        table.add_column(column, justify="right" if number else "left", overflow="fold")
    return table
