# SPDX-License-Identifier: Apache-2.0
"""A task's work in a process of its own, so that neither its load nor its crash is in the way of the line.

It stands under a keeper like an app does: it goes last in line, is the first to die when memory is short, and ends,
with all that it started, when the gateway does.  The work goes to it by its standard input, so that no secret is in an
argument; what it tells comes as data by its standard output: steps, counts, and at last how it ended.
"""

import json
import logging
import os
import pickle
import signal
import sys
from collections.abc import Callable, Iterator
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

from ...errors import GantryError
from ...runners.leftovers import FILE
from ...runners.supervise import AppProcess, Order
from . import child
from .outcome import FAULT, At, Check, Ended, Outcome, Work

GOODBYE_S = 10.0
CHECKS_EVERY_S = 1.0
log = logging.getLogger("gantry.research")


class WorkKilled(GantryError):
    """The process that did this was killed before the end."""

    hint = "Memory ran out, or a damaged file crashed what decodes it: begin it again with fewer files."


def apart(work: Work, folder: Path, at: At, check: Check) -> Ended:
    """Do it in another process and wait for its end.  A fault's trace goes to the log.

    What `check` raises ends the process, with all that it started.  Raises OSError.
    """
    process = AppProcess(_order(folder))
    try:
        return _heard(process, work, folder, at, check) or _died(process)
    finally:
        process.end()


def _order(folder: Path) -> Order:
    return Order(
        command=(sys.executable, "-P", "-m", child.__name__),
        environment=os.environ,  # that is where the destinations' secrets are
        folder=Path.cwd(),
        log=Path(os.devnull),  # what libraries print may name a patient; a fault is told
        record=folder / FILE,
        talks=True,
    )


def _heard(process: AppProcess, work: Work, folder: Path, at: At, check: Check) -> Ended | None:
    """Say what to do; how it ended, None when the process ends without a word about that."""
    try:
        with os.fdopen(os.dup(process.input), "wb") as orders:
            pickle.dump((_umask(), str(folder), work), orders)
    except BrokenPipeError:
        return None
    ear = _Ear(at)
    for line in _lines(process.output, check):
        if ended := ear.hear(json.loads(line)):
            return ended
    return None


def _lines(output: int, check: Check) -> Iterator[bytes]:
    """The whole lines of what it says, until it ends."""
    begun = b""
    while True:
        check()
        if wait([output], CHECKS_EVERY_S):
            if not (said := os.read(output, 1 << 16)):
                return
            *lines, begun = (begun + said).split(b"\n")
            yield from lines


class _Ear:
    """Takes in what the process tells."""

    def __init__(self, at: At) -> None:
        self._at = at
        self._progress: Callable[[int, int], None] = lambda done, total: None

    def hear(self, told: dict[str, Any]) -> Ended | None:
        match told:
            case {"step": step}:
                self._progress = self._at(step)
            case {"done": done, "total": total}:
                self._progress(done, total)
            case {"fault": trace}:
                log.error("a task ended with a fault\n%s", trace)
                return Ended(error=FAULT)
            case {"ended": ended}:
                return Ended(_outcome(ended["outcome"]), ended["error"], ended["hint"])
        return None


def _outcome(told: dict[str, Any]) -> Outcome:
    """JSON knows neither pairs nor paths."""
    pairs = {name: [(what, why) for what, why in told[name]] for name in ("held", "skipped")}
    download = Path(told["download"]) if told["download"] else None
    return Outcome(told["facts"], failed=told["failed"], download=download, **pairs)


def _died(process: AppProcess) -> Ended:
    status = process.exit_status(GOODBYE_S)
    if status is None or status >= 0:
        log.error("the process of a task ended without a word: exit status %s", status)
        return Ended(error=FAULT)
    killed = WorkKilled(f"Signal {-status} ({signal.strsignal(-status)}).")
    return Ended(error=str(killed), hint=killed.hint)


def _umask() -> int:
    """Of this process; os.umask would change it to say so."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("\nUmask:")[2].split(None, 1)[0], 8)
