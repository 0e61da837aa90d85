# SPDX-License-Identifier: Apache-2.0
"""How far a run is: lines in progress.jsonl of its output folder (docs/map-contract.md)."""

import json
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

FILE = "progress.jsonl"
BETWEEN_S = 0.1  # lines of one step
FILE_LIMIT = 1 << 20  # bytes; what comes after it is not written
STEP_LIMIT = 64  # characters
LOCK_WITHIN_S = 0.1


def report_progress(step: str, fraction: float) -> None:
    """Say that the run is at `step`, of which `fraction` (0 to 1) is done.

    May be called from any thread, as often as one likes: a step's first and last line are written, and between
    them at most ten a second, each of another whole percent.  Outside a run it does nothing, and it never fails.
    """
    reporter = _reporter
    if reporter is not None:
        reporter.report(step, fraction)


class _Reporter:
    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lock = threading.Lock()
        self._step, self._percent = "", -1
        self._at = 0.0
        self._written = 0

    def report(self, step: str, fraction: float) -> None:
        step, percent = _plain(step), _percent(fraction)
        if not self._lock.acquire(timeout=LOCK_WITHIN_S):  # in a child that was forked while it was held
            return
        try:
            if self._is_news(step, percent):
                self._write(step, percent)
        finally:
            self._lock.release()

    def close(self) -> None:
        """A thread that outlives the run must not write into a file of the next one."""
        with self._lock:
            os.close(self._descriptor)
            self._descriptor = -1

    def _is_news(self, step: str, percent: int) -> bool:
        if step != self._step:
            return True
        return percent != self._percent and (percent == 100 or time.monotonic() - self._at >= BETWEEN_S)

    def _write(self, step: str, percent: int) -> None:
        line = json.dumps({"step": step, "fraction": percent / 100}).encode() + b"\n"
        if self._written + len(line) > FILE_LIMIT:
            return
        with suppress(OSError):  # a full disk is for the results to tell of
            self._written += os.write(self._descriptor, line)
        self._step, self._percent, self._at = step, percent, time.monotonic()


_reporter: _Reporter | None = None


@contextmanager
def reported_to(output: Path) -> Iterator[None]:
    """Within this block `report_progress` writes to the output folder.  One run at a time in a process."""
    global _reporter
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
    _reporter = _Reporter(os.open(output / FILE, flags, 0o600))
    try:
        yield
    finally:
        _reporter.close()
        _reporter = None


def _plain(step: str) -> str:
    """One line of printable characters, at most 64."""
    return " ".join("".join(c if c.isprintable() else " " for c in str(step)).split())[:STEP_LIMIT]


def _percent(fraction: float) -> int:
    """Whole percent, 0 for what is no number."""
    try:
        return int(100 * min(max(float(fraction), 0.0), 1.0) + 1e-9)
    except (TypeError, ValueError):  # NaN, for one
        return 0
