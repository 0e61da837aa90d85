# SPDX-License-Identifier: Apache-2.0
"""What a terminal shows while a command waits, on standard error; nothing where there is no terminal."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
)

from ..runners.progress import OnProgress


@contextmanager
def spinner(text: str) -> Iterator[Callable[[str], None]]:
    """A text and the time so far; gives a way to change the text."""
    with _shown(SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn()) as progress:
        task = progress.add_task(text)
        yield lambda now: progress.update(task, description=now)


@contextmanager
def step_bar(name: str) -> Iterator[OnProgress]:
    """A bar of the step that the app `name` is at; gives a way to move it."""
    columns = SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TaskProgressColumn()
    with _shown(*columns, TimeElapsedColumn()) as progress:
        task = progress.add_task(f"{name} starts", total=None)

        def at(step: str, fraction: float) -> None:
            progress.update(task, description=f"{name}: {escape(step)}", total=1.0, completed=fraction)

        yield at


@contextmanager
def counting_bar(name: str) -> Iterator[Callable[[int, int], None]]:
    """A bar of how many are done of how many; gives a way to move it."""
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
    with _shown(*columns, TimeElapsedColumn()) as progress:
        task = progress.add_task(escape(name), total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


def _shown(*columns: ProgressColumn) -> Progress:
    console = Console(stderr=True)
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
