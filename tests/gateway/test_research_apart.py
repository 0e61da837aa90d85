# SPDX-License-Identifier: Apache-2.0
"""The process of its own that a task's work has: what reaches it, what is heard, and how either end is survived."""

import logging
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import research_deeds
from app_jobs import wait_for
from research_deeds import PATIENT, Fails, Looks, Waits

from imaging_data import MissingFolder
from informatics_gateway.web.research.apart import apart
from informatics_gateway.web.research.outcome import FAULT, FULL_HINT, Ended, Work, attempt
from informatics_gateway.web.research.tasks import Run, Task, Tasks


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let another process find the work of these tests."""
    monkeypatch.setenv("PYTHONPATH", str(Path(research_deeds.__file__).parent))
    monkeypatch.setenv("GANTRY_TEST_SECRET", "s3cret")


def at_once(work: Work, folder: Path, at, check) -> Ended:
    """As `apart`, in this process."""
    return attempt(work, folder, at)


def begun(tasks: Tasks, work: Work) -> Task:
    task = tasks.new("test")
    tasks.begin(task, work)
    return task


def ended(task: Task) -> Task:
    wait_for(lambda: task.state != "under way")
    return task


def left(task: Task) -> list[str]:
    return [path.name for path in task.folder.iterdir()]


def gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_it_goes_last_in_line_with_the_environment_and_nothing_in_its_arguments(tmp_path):
    task = ended(begun(Tasks(tmp_path / "tasks", apart), Looks("h1dden")))
    (tmp_path / "mine").touch()
    assert task.outcome.facts == {
        "nice": str(min(19, os.nice(0) + 10)),
        "mode": oct((tmp_path / "mine").stat().st_mode),
        "in an argument": "False",
        "environment": "s3cret",
        "web": "False",
    }
    assert (task.state, task.outcome.held, task.outcome.download) == (
        "done",
        [("a", "b")],
        task.folder / "made",
    )
    assert left(task) == ["made"]


def test_work_that_is_killed_has_failed_and_the_next_is_done(tmp_path):
    tasks = Tasks(tmp_path / "tasks", apart)
    first, second = begun(tasks, Waits()), begun(tasks, Looks(""))
    wait_for(lambda: first.total)
    assert first.step == "waiting"
    assert first.total != os.getpid()
    os.kill(first.total, signal.SIGKILL)
    assert ended(first).state == "failed"
    assert first.error == "The process that did this was killed before the end. Signal 9 (Killed)."
    assert "fewer files" in first.hint
    assert left(first) == []
    assert ended(second).state == "done"


def test_work_that_is_stopped_ends_with_its_process_and_so_does_one_that_waits(tmp_path):
    tasks = Tasks(tmp_path / "tasks", apart)
    first, second, third = begun(tasks, Waits()), begun(tasks, Waits()), begun(tasks, Looks(""))
    wait_for(lambda: first.total)
    second.stopped.set()
    assert ended(second).error == "The work was stopped. At: waits for the work before it."
    assert first.state == "under way"
    first.stopped.set()
    assert ended(first).error == f"The work was stopped. At: waiting, 0 of {first.total}."
    assert gone(first.total)
    assert (first.hint, first.outcome.facts) == ("Nothing was sent.", {"Results go to": "there"})
    assert left(first) == []
    assert ended(third).state == "done"


def test_work_ends_before_it_takes_the_room_that_the_line_needs(tmp_path):
    task = ended(begun(Tasks(tmp_path / "tasks", apart, reserve=1e18), Waits()))
    assert "room on the disk" in task.error


def test_the_end_of_the_gateway_is_the_end_of_the_work(tmp_path):
    command = [sys.executable, research_deeds.__file__, str(tmp_path / "tasks")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as gateway:
        assert gateway.stdout is not None
        pid = int(gateway.stdout.readline())
        assert not gone(pid)
        gateway.kill()
    wait_for(lambda: gone(pid))


def test_a_fault_is_in_the_log_and_not_on_the_page(tmp_path, caplog):
    with caplog.at_level(logging.ERROR, "gantry.research"):
        task = ended(begun(Tasks(tmp_path / "tasks", apart), Fails(ZeroDivisionError)))
    assert (task.state, task.error, left(task)) == ("failed", FAULT, [])
    assert "research_deeds.py" in caplog.text
    assert "ZeroDivisionError" in caplog.text
    assert PATIENT not in task.error + task.hint


@pytest.mark.parametrize("run", [at_once, apart])
def test_what_can_go_wrong_is_told_with_what_to_do(tmp_path, run: Run):
    task = ended(begun(Tasks(tmp_path / "tasks", run), Fails(MissingFolder)))
    assert (task.state, task.error, task.hint) == (
        "failed",
        "The folder or file is not there. there",
        "Look.",
    )


def test_no_room_and_no_memory_are_told(tmp_path):
    tasks = Tasks(tmp_path / "tasks", at_once)
    assert ended(begun(tasks, Fails(OSError))).hint == FULL_HINT
    assert "memory" in ended(begun(tasks, Fails(MemoryError))).error
