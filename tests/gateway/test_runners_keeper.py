# SPDX-License-Identifier: Apache-2.0
"""One app process under its keeper, without an app: what is reported, reaped and left open."""

import os
import signal
import socket
import subprocess
import sys
import time
from multiprocessing.connection import wait
from pathlib import Path

import psutil
import pytest
from app_jobs import wait_for

from informatics_gateway.errors import AppFailed
from informatics_gateway.runners import leftovers
from informatics_gateway.runners.supervise import KEEPER, AppProcess, Order


@pytest.fixture
def start(tmp_path):
    started: list[AppProcess] = []

    def start_(*command: str, talks: bool = False) -> AppProcess:
        order = Order(
            command, {"PATH": os.defpath}, tmp_path, tmp_path / "log", tmp_path / "process.json", talks
        )
        started.append(AppProcess(order))
        return started[-1]

    yield start_
    for process in started:
        process.end()
        process.end()


def keepers() -> list[psutil.Process]:
    """Keepers of this process that live, or were not reaped."""
    children = psutil.Process().children()
    return [
        each for each in children if each.status() == psutil.STATUS_ZOMBIE or str(KEEPER) in each.cmdline()
    ]


def shell(start, script: str, talks: bool = False) -> AppProcess:
    return start("/bin/sh", "-c", script, talks=talks)


@pytest.mark.parametrize(
    ("script", "status"), [("exit 0", 0), ("exit 3", 3), ("kill -TERM $$", -signal.SIGTERM)]
)
def test_the_exit_status_is_reported(start, script, status):
    process = shell(start, script)
    assert process.exit_status(10) == status
    assert process.exit_status() == status


def test_an_app_that_runs_has_no_exit_status(start):
    process = shell(start, "sleep 60")
    assert process.exit_status(0.2) is None


def test_a_command_that_cannot_start_says_so(start, tmp_path):
    assert start("/nowhere/python").exit_status(10) == 127
    assert "could not be started: [Errno 2]" in (tmp_path / "log").read_text()


def test_the_exit_is_reported_when_everything_is_gone(start, tmp_path):
    process = shell(start, "for i in 1 2 3 4 5 6 7 8; do setsid sleep 60 & done; echo $! > last; sleep 0.3")
    assert process.exit_status(10) == 0
    assert not psutil.pid_exists(int((tmp_path / "last").read_text()))
    assert process.processes() == set()


def test_strays_that_end_while_the_app_runs_are_reaped(start):
    process = shell(start, "for i in 1 2 3; do (sleep 0.1 & ) ; done; sleep 60")
    time.sleep(0.6)
    assert [each.status() for each in process.processes()].count(psutil.STATUS_ZOMBIE) == 0
    assert process.exit_status() is None


def test_processes_that_keep_starting_others_are_ended(start):
    chain = "import os, time\nwhile True:\n  if os.fork(): time.sleep(0.002); os._exit(0)\n  os.setsid()\n"
    process = start(sys.executable, "-c", chain)
    process.exit_status(0.5)
    process.end()
    assert not leftovers.end_marked(process._mark)


def test_a_keeper_that_stands_still_is_ended_with_its_app(start, monkeypatch):
    monkeypatch.setattr("informatics_gateway.runners.supervise.KEEPER_ENDS_WITHIN_S", 0.3)
    process = shell(start, "setsid sleep 60 & wait")
    wait_for(lambda: len(process.processes()) == 2)
    apps = process.processes()
    psutil.Process(process.pid).suspend()
    process.end()
    assert not [app for app in apps if app.is_running() and app.status() != psutil.STATUS_ZOMBIE]


def test_no_descriptor_and_no_process_is_left_over(start):
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        process = shell(start, "cat", talks=True)
        process.end()
    assert len(os.listdir("/proc/self/fd")) == before
    assert keepers() == []


def test_an_app_gets_the_streams_it_talks_over(start):
    process = shell(start, "cat; echo done", talks=True)
    os.write(process.input, b"hello\n")
    assert wait_for(lambda: os.read(process.output, 100)) == b"hello\n"


def test_the_output_ends_when_the_app_closes_it(start):
    process = shell(start, "exec >&-; sleep 60", talks=True)
    assert wait([process.output], 20)
    assert os.read(process.output, 100) == b""
    assert process.exit_status() is None


def test_a_log_that_cannot_be_written_starts_nothing(tmp_path):
    order = Order(("/bin/true",), {}, tmp_path, tmp_path / "none" / "log", tmp_path / "process.json")
    with pytest.raises(FileNotFoundError):
        AppProcess(order)


def test_a_record_that_cannot_be_written_starts_no_app(tmp_path):
    order = Order(
        ("/bin/touch", str(tmp_path / "ran")), {}, tmp_path, tmp_path / "log", tmp_path / "none" / "record"
    )
    with pytest.raises(FileNotFoundError):
        AppProcess(order)
    assert not (tmp_path / "ran").exists()
    assert keepers() == []


def test_a_keeper_that_is_killed_before_it_read_its_order_is_a_kill(start):
    """The order is unread in its socket then, and the gateway's end is reset instead of closed."""
    process = start("/bin/true")
    os.kill(process.pid, signal.SIGKILL)
    assert process.exit_status(10) == -signal.SIGKILL


def test_a_keeper_that_is_gone_before_the_order_is_written_is_a_kill(start, monkeypatch):
    write = leftovers.Record.write

    def write_and_kill(record: leftovers.Record, path: Path) -> None:
        write(record, path)
        os.kill(record.pid, signal.SIGKILL)
        os.waitid(os.P_PID, record.pid, os.WEXITED | os.WNOWAIT)

    monkeypatch.setattr(leftovers.Record, "write", write_and_kill)
    assert start("/bin/true").exit_status(10) == -signal.SIGKILL


def test_a_keeper_whose_gateway_is_gone_before_the_order_starts_nothing():
    ours, theirs = socket.socketpair()
    with theirs:
        command = [sys.executable, "-I", "-S", KEEPER, str(theirs.fileno())]
        keeper = subprocess.Popen(command, pass_fds=[theirs.fileno()])
    ours.close()
    assert keeper.wait(10) == 0


def test_the_keeper_needs_nothing_but_the_standard_library():
    source = Path(KEEPER).read_text()
    assert "from ." not in source
    assert "import psutil" not in source


def test_processes_that_hang_are_an_error(start, monkeypatch):
    """As in the kernel: the signal is sent nowhere."""
    monkeypatch.setattr(leftovers, "ENDED_WITHIN_S", 0.1)
    process = shell(start, "sleep 60")
    with monkeypatch.context() as patch:
        patch.setattr(leftovers, "_kill", lambda pid: None)
        with pytest.raises(AppFailed, match="cannot be killed"):
            leftovers.end_marked(process._mark)
