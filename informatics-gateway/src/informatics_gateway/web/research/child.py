# SPDX-License-Identifier: Apache-2.0
"""The process that does a task's work: `python -m` this, started by `apart`, which says what is said to whom.

What it needs is imported when it runs: the processes that de-identification starts from here import this file too.
"""

import json
import os
import pickle
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any

from ...logs import fault_trace

TELLS_EVERY_S = 0.1
STDOUT, STDERR = 1, 2


class Voice:
    """What is told to the gateway, a line of JSON each; whatever else prints goes to standard error."""

    def __init__(self) -> None:
        self._lines = os.fdopen(os.dup(STDOUT), "w")
        os.dup2(STDERR, STDOUT)

    def tell(self, **message: Any) -> None:
        """Tell it at once."""
        print(json.dumps(message, default=str), file=self._lines, flush=True)

    def at(self, step: str) -> Callable[[int, int], None]:
        """Tell what is done now; gives what tells how far it is, though not for each of many files."""
        self.tell(step=step)
        told = 0.0

        def progress(done: int, total: int) -> None:
            nonlocal told
            if done == total or time.monotonic() > told + TELLS_EVERY_S:
                told = time.monotonic()
                self.tell(done=done, total=total)

        return progress

    def fault(self, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        """Tell of an error that nobody expected."""
        self.tell(fault=fault_trace(error))


def main() -> None:
    """Read from standard input what to do: the umask, the folder and the work.  Do it, and tell how it ended."""
    voice = Voice()
    sys.excepthook = voice.fault
    from .outcome import attempt

    umask, folder, work = pickle.load(sys.stdin.buffer)  # from the gateway, which started this
    os.umask(umask)  # results in a folder are for whom they were when the gateway wrote them
    voice.tell(ended=asdict(attempt(work, Path(folder), voice.at)))


if __name__ == "__main__":
    main()
