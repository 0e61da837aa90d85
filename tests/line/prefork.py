# SPDX-License-Identifier: Apache-2.0
"""Gateways that are killed many times: each a process of its own, forked where the imports are done already.

`Prefork` starts this file as a program.  It forks a gateway for each line of JSON on its standard input.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from kill_at import arm

from informatics_gateway import cli
from informatics_gateway.cli import serving  # noqa: F401 - it imports what a gateway runs


class Prefork:
    """The process that forks; `start` has a gateway."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
        )

    def start(self, config: Path, log: Path, environment: dict[str, str], point: tuple[str, str]) -> "Forked":
        """`gantry serve`; point: a step of the line and when it dies there, empty for none."""
        order = {"config": str(config), "log": str(log), "environment": environment, "point": point}
        return Forked(int(self.ask(order)), self)

    def ask(self, order: dict[str, Any]) -> Any:
        """The answer."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def close(self) -> None:
        """End it; its gateways go on."""
        self._process.communicate(timeout=60)


class Forked:
    """A gateway that was forked, as `subprocess.Popen` has a process."""

    def __init__(self, pid: int, parent: Prefork) -> None:
        self.pid, self._parent = pid, parent
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """How it ended, None while it runs."""
        if self.returncode is None:
            self.returncode = self._parent.ask({"ended": self.pid})
        return self.returncode

    def wait(self, timeout: float) -> int:
        """Wait until it has ended."""
        deadline = time.monotonic() + timeout
        while (ended := self.poll()) is None:
            if time.monotonic() > deadline:
                raise subprocess.TimeoutExpired("gantry serve", timeout)
            time.sleep(0.05)
        return ended

    def send_signal(self, number: int) -> None:
        """Send it, unless it is known to have ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """SIGKILL."""
        self.send_signal(signal.SIGKILL)


def _serve() -> None:
    for line in sys.stdin:
        order = json.loads(line)
        answer = _ended(order["ended"]) if "ended" in order else os.fork() or _become(order)
        print(json.dumps(answer), flush=True)


def _ended(pid: int) -> int | None:
    found, status = os.waitpid(pid, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if found else None


def _become(order: dict[str, Any]) -> None:
    """Be a gateway that was just started; does not come back."""
    os.setsid()
    log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for descriptor, file in enumerate((os.open(os.devnull, os.O_RDONLY), log, log)):
        os.dup2(file, descriptor)
    os.environ |= order["environment"]
    if order["point"]:
        arm(*order["point"])
    sys.argv[1:] = ["serve", "--config", order["config"]]
    status = 1
    try:
        cli.main()
    except SystemExit as ended:
        status = int(ended.code or 0)
    finally:
        os._exit(status)


if __name__ == "__main__":
    _serve()
