# SPDX-License-Identifier: Apache-2.0
"""How far an app is: progress.jsonl in its output, read while it is written and believed as little as possible."""

import json
import os
import re
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

FILE = "progress.jsonl"
FILE_LIMIT = 1 << 20  # bytes; what comes after it is not read
LINE_LIMIT = 1 << 10
STEP = re.compile(r"[\w .,:()/+%-]{1,64}")  # letters of any language, and no mark-up
OnProgress = Callable[[str, float], None]


class Tail:
    """Tells `on_progress` of each valid line of an app's progress.jsonl; call `look` now and then."""

    def __init__(self, output: Path, on_progress: OnProgress) -> None:
        self._path = output / FILE
        self._tell = on_progress
        self._read = 0
        self._part = b""

    def look(self) -> None:
        """Read what is new.  A file that is none, or is too long, is not read; a line that is none is left out."""
        *lines, self._part = (self._part + self._news()).split(b"\n")
        if len(self._part) > LINE_LIMIT:
            self._read, self._part = FILE_LIMIT, b""
        for line in lines:
            step = parse(line)
            if step is not None:
                self._tell(*step)

    def _news(self) -> bytes:
        try:
            descriptor = os.open(self._path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError:
            return b""
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode) or self._read >= FILE_LIMIT:
                return b""
            news = os.pread(descriptor, FILE_LIMIT - self._read, self._read)
        finally:
            os.close(descriptor)
        self._read += len(news)
        return news


def parse(line: bytes) -> tuple[str, float] | None:
    """Step and fraction (0 to 1) of a line; None when it is not as docs/map-contract.md says."""
    if len(line) > LINE_LIMIT:
        return None
    try:
        said: Any = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(said, dict):
        return None
    step, fraction = said.get("step"), said.get("fraction")
    if not isinstance(step, str) or not STEP.fullmatch(step) or not step.strip():
        return None
    if not isinstance(fraction, int | float) or isinstance(fraction, bool) or not 0 <= fraction <= 1:
        return None
    return step.strip(), float(fraction)
