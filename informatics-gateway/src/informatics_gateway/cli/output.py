# SPDX-License-Identifier: Apache-2.0
"""What the commands share: their options, tables for people and JSON for machines."""

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from signal import SIGINT
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from imaging_data import ExplainedError

from ..errors import GantryError

ConfigOption = Annotated[
    Path, typer.Option("--config", envvar="GANTRY_CONFIG", help="The configuration file.", dir_okay=False)
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
DEFAULT_CONFIG = Path("gantry.toml")

CONTROLS = dict.fromkeys(
    {*range(0x20), *range(0x7F, 0xA0)} - set(map(ord, "\n\t")), "\N{REPLACEMENT CHARACTER}"
)

console = Console(highlight=False)


def plain(text: object) -> str:
    """Text that a terminal shows and does not obey, whatever a file is called."""
    return escape(str(text).translate(CONTROLS))


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table; cells are shown as text, whatever they hold."""
    grid = Table(title=plain(title), title_justify="left")
    for column in columns:
        grid.add_column(column, overflow="fold")  # a UID must be readable whole
    for row in rows:
        grid.add_row(*map(plain, row))
    console.print(grid)


def print_json(value: Any) -> None:
    """Print JSON; paths and other objects as text."""
    json.dump(value, sys.stdout, indent=2, default=str)
    print()


def say(text: str) -> None:
    """Print a sentence."""
    console.print(plain(text), soft_wrap=True)


def counted(count: int, one: str, many: str = "") -> str:
    """`1 file`, `2 files`, `2 studies`."""
    return f"{count} {one if count == 1 else many or one + 's'}"


def complain(error: ExplainedError) -> None:
    """Print an error's sentence and hint on standard error."""
    errors = Console(stderr=True, highlight=False, soft_wrap=True)
    errors.print(f"[red]{plain(error)}[/red]")
    if error.hint:
        errors.print(plain(error.hint))


class Interrupted(GantryError):
    """It was ended before the end."""

    hint = "Run it again: what is there is compared and stays."


@contextmanager
def interruptible(so_far: str) -> Iterator[None]:
    """Ctrl-C ends the command with a sentence on what is there, and with the exit status of a shell."""
    try:
        yield
    except KeyboardInterrupt:
        complain(Interrupted(so_far))
        raise typer.Exit(128 + SIGINT) from None


def local_time(at: float) -> str:
    """Seconds since the epoch as local date and time."""
    return datetime.fromtimestamp(at).isoformat(" ", "milliseconds")
