# SPDX-License-Identifier: Apache-2.0
"""Keeps one app process and everything it starts: `python -I -S keeper.py FD`, run by `supervise`.

Why a process of its own stands between the gateway and an app:

- The gateway has threads.  Code between fork and exec is unsafe there (`preexec_fn` may deadlock), and a
  parent death signal fires when the *thread* that forked ends.  The keeper has one thread, so both hold here.
- Its tie to the gateway is a socket.  End of file means that the gateway is gone or wants the end, whichever
  thread started it, and however it died.
- It is a subreaper (prctl(2)): what an app leaves behind, also in another session or process group, becomes
  the keeper's child, is killed and reaped, and only then the app's exit status is reported.

It uses the standard library only and never imports the gateway.
"""

import ctypes
import json
import os
import resource
import select
import signal
import socket
import sys
from contextlib import suppress
from typing import Any

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38
STACK_BYTES = 32768 << 10  # what MONAI Deploy's core asks for
LAST_IN_LINE = 10  # nice value: the clinical work of the machine goes first
FIRST_TO_DIE = 800  # oom_score_adj: when memory is short, the kernel takes the app and not the gateway
CANNOT_START = 127


def main(descriptor: int) -> None:
    """Read one order from the socket, run it, report `{"exit": status}`."""
    control = socket.socket(fileno=descriptor)
    control.set_inheritable(False)
    order = control.makefile("rb").readline()
    if not order:
        return  # the gateway ended before it gave work
    _prctl(PR_SET_CHILD_SUBREAPER, 1)
    woken = _wake_when_a_child_ends()
    app = _start(json.loads(order))
    _let_go_of_streams()
    status = _wait(app, control, woken)
    _end_everything(app)
    if status is not None:
        with suppress(BrokenPipeError):
            control.sendall(json.dumps({"exit": status}).encode() + b"\n")


def _prctl(option: int, value: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), f"prctl({option})")


def _wake_when_a_child_ends() -> int:
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    return reader


def _start(order: dict[str, Any]) -> int:
    keeper = os.getpid()
    app = os.fork()
    if app == 0:
        try:
            _become_app(keeper, order)
        except (OSError, ValueError) as error:
            os.write(2, f"The app could not be started: {error}\n".encode())
        finally:
            os._exit(CANNOT_START)
    return app


def _become_app(keeper: int, order: dict[str, Any]) -> None:
    os.setsid()
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != keeper:
        return  # it died before the signal was set
    _prctl(PR_SET_NO_NEW_PRIVS, 1)  # nothing that the keeper may not kill
    for ignored_by_python in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(ignored_by_python, signal.SIG_DFL)
    os.umask(0o077)
    _yield_to_others()
    _limit(resource.RLIMIT_STACK, STACK_BYTES)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core file would hold a patient's data
    os.chdir(order["folder"])
    os.execve(order["command"][0], order["command"], order["environment"])


def _yield_to_others() -> None:
    os.nice(LAST_IN_LINE)
    for name, value in (("oom_score_adj", FIRST_TO_DIE), ("autogroup", LAST_IN_LINE)):
        # autogroup: where the kernel has it, a nice value counts only within one session
        with suppress(OSError), open(f"/proc/self/{name}", "w") as file:
            file.write(str(value))


def _limit(which: int, wanted: int) -> None:
    _, hard = resource.getrlimit(which)
    resource.setrlimit(which, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard))


def _let_go_of_streams() -> None:
    """The app's pipes must end with the app, so the keeper holds none of them."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nothing, stream)


def _wait(app: int, control: socket.socket, woken: int) -> int | None:
    """The app's exit status, negative for a signal; None when the gateway wants the end, or is gone."""
    poll = select.poll()
    poll.register(control, select.POLLIN)
    poll.register(woken, select.POLLIN)
    while True:
        _reap_strays(app)
        if (status := _status(app)) is not None:
            return status
        if any(descriptor == control.fileno() for descriptor, _ in poll.poll()):
            return None
        with suppress(BlockingIOError):
            os.read(woken, 4096)


def _status(app: int) -> int | None:
    """Look without reaping: the process group cannot go to another process while its leader is not reaped."""
    seen = os.waitid(os.P_PID, app, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    if seen is None:
        return None
    return seen.si_status if seen.si_code == os.CLD_EXITED else -seen.si_status


def _reap_strays(app: int) -> None:
    for child in _children():
        if child != app:
            os.waitpid(child, os.WNOHANG)


def _end_everything(app: int) -> None:
    """Kill and reap until nothing is left.  Children of a killed process come to the keeper: next round."""
    with suppress(ProcessLookupError):  # before the app has made its session; then it is a child below
        os.killpg(app, signal.SIGKILL)
    while children := _children():
        for child in children:
            os.kill(child, signal.SIGKILL)
        os.waitpid(-1, 0)


def _children() -> list[int]:
    with open(f"/proc/self/task/{os.getpid()}/children") as file:
        return [int(pid) for pid in file.read().split()]


if __name__ == "__main__":
    main(int(sys.argv[1]))
