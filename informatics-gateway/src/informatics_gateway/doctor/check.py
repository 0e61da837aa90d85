# SPDX-License-Identifier: Apache-2.0
"""What a check has found, and how it is shown."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ..errors import GantryError

COLOURS = {"ok": "green", "warn": "yellow", "fail": "red"}


@dataclass(frozen=True)
class Check:
    """One thing that was looked at: what was found, in a sentence, and what to do where it is not ok."""

    name: str
    status: Literal["ok", "warn", "fail"]
    sentence: str
    hint: str = ""


def ok(name: str, sentence: str) -> Check:
    """It is as it should be."""
    return Check(name, "ok", sentence)


def warn(name: str, sentence: str, hint: str) -> Check:
    """It works, but not as somebody would want it."""
    return Check(name, "warn", sentence, hint)


def fail(name: str, sentence: str, hint: str) -> Check:
    """It does not work until the hint is followed."""
    return Check(name, "fail", sentence, hint)


def failed(name: str, error: GantryError, hint: str = "") -> Check:
    """It does not work, as the error says; `hint` where a better one than the error's is known."""
    return fail(name, str(error), hint or error.hint)


def render(checks: Sequence[Check], console: Console | None = None) -> None:
    """Print the checks for people, and how many of each status there are."""
    console = console or Console(highlight=False)
    grid = Table(box=None, show_header=False, pad_edge=False)
    grid.add_column(no_wrap=True)
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for check in checks:
        colour, hint = COLOURS[check.status], f"\n[dim]{escape(check.hint)}[/dim]" if check.hint else ""
        status, said = f"[{colour}]{check.status}[/{colour}]", f"{escape(check.sentence)}{hint}"
        grid.add_row(status, escape(check.name), said)
    console.print(grid)
    counts = {status: sum(check.status == status for check in checks) for status in COLOURS}
    console.print(", ".join(f"{count} {status}" for status, count in counts.items() if count))
