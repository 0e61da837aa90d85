# SPDX-License-Identifier: Apache-2.0
"""What `scripts/bench apps` compares: cases, and contenders that each run in a process of their own.

A module `apps_NAME.py` beside this one has a function `cases(folder, quick)`: it writes its input into `folder`
(less of it when `quick`) and gives the cases, ours first in each.  It serves as the contenders' program, too.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

MIB = 1 << 20
LONGEST_S = 1800


@dataclass(frozen=True)
class Contender:
    """One program of a comparison.

    command: what is run, a process of its own.  Its last line on standard output may be JSON as `report` prints
    it; then `seconds` of it count, and what else it says is shown, else the seconds of the whole process.
    environment: what is set beside this process's own.
    """

    name: str
    command: Sequence[str | Path]
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Case:
    """One comparison: its contenders do the same work on the same input; the first is ours.

    compared: whether they do; else each has work of its own, and no ratio is shown.
    """

    name: str
    contenders: Sequence[Contender]
    compared: bool = True


def child(module: str, *arguments: str | Path) -> list[str | Path]:
    """The command that runs a module of this folder: `child(__file__, "ours", folder)`."""
    return [sys.executable, Path(module), *arguments]


def report(seconds: float, **facts: Any) -> None:
    """Print what a contender measured of itself, warm or cold: the last line of its standard output."""
    print(json.dumps({"seconds": seconds} | facts), flush=True)


def peak_mb() -> float:
    """The most memory this process has held so far, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / MIB


def run(contender: Contender) -> dict[str, Any]:
    """Run it once: what it reported, `process_s`, `peak_mb` (its largest process) and `cpu_s`.

    That is the processor time of what `seconds` are of, which other work on the machine leaves alone: what it
    reported, that of the whole process where it reported neither, and absent where it reported `seconds` alone.

    Raises RuntimeError with the end of its output when it fails.
    """
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as errors:
        begin = time.perf_counter()
        process = subprocess.Popen(
            contender.command, stdout=out, stderr=errors, env=os.environ | contender.environment
        )
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - begin
        process.returncode = os.waitstatus_to_exitcode(status)  # it is reaped: Popen need not look for it
        said, complaint = _text(out), _text(errors)
    if process.returncode != 0:
        raise RuntimeError(f"{contender.name} ended with {process.returncode}:\n{said}{complaint[-4000:]}")
    measured = {"process_s": seconds, "peak_mb": usage.ru_maxrss * 1024 / MIB}
    reported = _reported(said)
    whole = {} if "seconds" in reported else {"cpu_s": usage.ru_utime + usage.ru_stime}
    return {"seconds": seconds} | measured | whole | reported


def _text(file: Any) -> str:
    file.seek(0)
    return str(file.read().decode(errors="replace"))


def _reported(said: str) -> dict[str, Any]:
    last = said.strip().rpartition("\n")[2]
    return json.loads(last) if last.startswith("{") else {}
