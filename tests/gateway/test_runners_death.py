# SPDX-License-Identifier: Apache-2.0
"""What happens to apps when the gateway, the keeper or both are killed, and what the next gateway ends."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from app_jobs import Bench, wait_for

from informatics_gateway.errors import AppCrashed, AppFailed
from informatics_gateway.runners import leftovers

ONE_JOB = Path(__file__).with_name("one_job.py")


class OldGateway:
    """A gateway that runs a job which does not end, and its processes."""

    def __init__(self, storage: Path, runner: str) -> None:
        self.storage = storage
        self.process = subprocess.Popen([sys.executable, ONE_JOB, storage, runner, "descend"])
        output = storage / "work" / "2.1" / "output"
        daemon = wait_for(lambda: (output / "daemon").exists() and (output / "daemon").read_text())
        self.daemon = psutil.Process(int(daemon))
        [record] = (storage / "work").glob("*/process.json")
        self.keeper = psutil.Process(json.loads(record.read_text())["pid"])
        self.app = next(child for child in self.keeper.children() if "app.py" in str(child.cmdline()))

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    @property
    def living(self) -> list[psutil.Process]:
        every = (self.keeper, self.app, self.daemon)
        return [each for each in every if each.is_running() and each.status() != psutil.STATUS_ZOMBIE]


@pytest.fixture
def storage(tmp_path):
    yield tmp_path / "storage"
    for process in Bench(tmp_path / "storage").processes():
        process.kill()


@pytest.fixture(params=["process", "warm"])
def old(request, storage):
    gateway = OldGateway(storage, request.param)
    yield gateway
    gateway.kill()


def test_the_app_and_its_daemons_die_with_the_gateway(old):
    assert len(old.living) == 3
    old.kill()
    wait_for(lambda: not old.living, 5)


def test_the_app_dies_with_its_keeper_and_the_job_is_worth_another_try(storage):
    bench = Bench(storage)
    aside = bench.run_aside("descend", hang=True)
    daemon = int(aside.read("daemon"))
    [record] = (storage / "work").glob("*/process.json")
    os.kill(json.loads(record.read_text())["pid"], signal.SIGKILL)
    assert type(aside.end()) is AppCrashed
    assert bench.processes() == []
    assert not leftovers.start_ticks(daemon)
    bench.run("done")


def test_the_next_gateway_ends_what_outlived_the_old_one(old):
    old.keeper.suspend()
    old.kill()
    time.sleep(0.2)
    assert len(old.living) == 3
    left = Bench(old.storage).executor.end_leftovers()
    assert "2.1" in left
    assert old.living == []
    assert list((old.storage / "work").iterdir()) == []


def test_the_next_gateway_finds_a_daemon_when_keeper_and_app_are_gone(old):
    old.keeper.suspend()
    old.kill()
    old.keeper.kill()
    wait_for(lambda: old.living == [old.daemon])
    Bench(old.storage).executor.end_leftovers()
    assert old.living == []


def test_the_log_of_an_interrupted_attempt_is_kept_and_its_output_is_not(old):
    old.kill()
    Bench(old.storage).executor.end_leftovers()
    kept = old.storage / "jobs" / "2" / "1"
    assert [path.name for path in kept.iterdir()] == ["app.log"]
    assert (kept / "app.log").read_text().endswith("doing descend\n")


def test_a_job_runs_again_after_the_gateway_was_killed_in_it(old):
    old.kill()
    bench = Bench(old.storage)
    bench.executor.end_leftovers()
    bench.jobs = 2
    bench.run("done")


def test_a_process_that_has_only_the_same_number_is_left_alone(storage):
    with subprocess.Popen(["/bin/sleep", "60"]) as stranger:
        work = storage / "work" / "1.1"
        work.mkdir(parents=True)
        mine = leftovers.record_of(stranger.pid, "a" * 32)
        for other in ({"started": mine.started - 1}, {"boot": "another"}):
            leftovers.Record(**{**vars(mine), **other}).write(work / leftovers.FILE)
            Bench(storage).executor.end_leftovers()
            assert stranger.poll() is None
            work.mkdir()
        mine.write(work / leftovers.FILE)
        Bench(storage).executor.end_leftovers()
        assert stranger.wait(5) == -signal.SIGKILL


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"pid": 1}', "\x00"])
def test_a_record_that_cannot_be_read_stops_no_start(storage, text):
    work = storage / "work" / "1.1"
    work.mkdir(parents=True)
    (work / leftovers.FILE).write_text(text)
    assert Bench(storage).executor.end_leftovers() == ("1.1",)
    assert not work.exists()


def test_nothing_left_is_nothing_to_end(storage):
    (storage / "work").mkdir(parents=True)
    (storage / "work" / "note").touch()
    assert Bench(storage).executor.end_leftovers() == ()


def test_a_process_that_cannot_be_killed_is_named(monkeypatch):
    """A process that hangs in the kernel cannot be made in a test: here the signal does not arrive."""
    monkeypatch.setattr(leftovers, "ENDED_WITHIN_S", 0.2)
    monkeypatch.setattr(leftovers, "_kill", lambda pid: None)
    with subprocess.Popen(["/bin/sleep", "60"], env={leftovers.MARK: "b" * 32}) as hung:
        wait_for(lambda: leftovers.MARK in psutil.Process(hung.pid).environ())
        with pytest.raises(AppFailed, match=f"Its processes {hung.pid} cannot be killed"):
            leftovers.end_marked("b" * 32)
        hung.kill()


def test_start_time_and_boot_tell_processes_apart():
    own = leftovers.record_of(os.getpid(), "c" * 32)
    assert own.is_alive
    assert own.started > 0
    assert leftovers.start_ticks(2**22 + 1) is None
    assert not leftovers.Record(own.pid, own.started + 1, own.boot, own.mark).is_alive
