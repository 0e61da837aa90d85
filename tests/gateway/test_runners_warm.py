# SPDX-License-Identifier: Apache-2.0
"""The warm runner: one worker serves many jobs, sees one at a time, and is replaced when it is unfit."""

import json
import logging
import os
import shutil
import signal
import time

import psutil
import pytest
from app_jobs import APP, Bench, app_pid, wait_for

from informatics_gateway.errors import (
    AppCrashed,
    AppFailed,
    AppOutOfMemory,
    AppOutOfTime,
    AppRefused,
    AppWroteNoManifest,
    JobCancelled,
)


@pytest.fixture
def open_bench(tmp_path):
    made: list[Bench] = []

    def open_(**app):
        made.append(Bench(tmp_path, runner="warm", **{"timeout_s": 20} | app))
        return made[-1]

    yield open_
    for bench in made:
        bench.executor.close()
        assert bench.processes() == []
        assert bench.left() == []


@pytest.fixture
def bench(open_bench):
    return open_bench()


def test_one_worker_does_many_jobs(bench):
    assert len({app_pid(bench.run("done")) for _ in range(3)}) == 1


def test_a_worker_loads_once(open_bench):
    bench = open_bench(environment={"LOADS_S": "2"})
    bench.run("done")
    began = time.perf_counter()
    for _ in range(5):
        bench.run("done")
    assert (time.perf_counter() - began) / 5 < 2


def test_a_worker_sees_one_attempts_folder_only(bench):
    bench.run("done")
    bench.run("see")
    seen = json.loads((bench.kept() / "output" / "seen.json").read_text())
    assert [name for name in seen["beside"] if not name.startswith("warm.")] == ["2.1"]


def test_jobs_of_one_app_take_turns(bench):
    asides = [bench.run_aside("see", seconds=0.3) for _ in range(3)]
    assert [aside.end() for aside in asides] == [None] * 3
    assert len({app_pid(aside.manifest) for aside in asides}) == 1
    for number in (1, 2, 3):
        seen = json.loads((bench.kept(number) / "output" / "seen.json").read_text())
        assert [name for name in seen["beside"] if name[0].isdigit()] == [f"{number}.1"]


def test_a_job_that_waits_for_its_turn_can_be_cancelled(bench):
    first = bench.run_aside("hang")
    first.read("hangs")
    second = bench.run_aside("done")
    second.cancelled.set()
    assert type(second.end()) is JobCancelled
    assert not second.work.exists()
    first.cancelled.set()
    assert type(first.end()) is JobCancelled


@pytest.mark.parametrize(
    ("do", "wanted", "error"),
    [
        ("refuse", {}, AppRefused),
        ("fail", {}, AppFailed),
        ("memory_error", {}, AppOutOfMemory),
        ("die", {}, AppCrashed),
        ("leave", {"status": 0}, AppCrashed),
        ("leave", {"status": 3}, AppFailed),
        ("close_answers", {}, AppFailed),
        ("answer", {"answer": "hello\n"}, AppFailed),
        ("answer", {"answer": '{"exit": "0"}\n'}, AppFailed),
        ("answer", {"answer": '{"exit": true}\n'}, AppFailed),
        ("answer", {"answer": "[0]\n"}, AppFailed),
        ("answer", {"answer": "x" * 70000, "seconds": 60}, AppFailed),
    ],
)
def test_a_failure_ends_the_worker_and_the_next_job_gets_a_new_one(bench, do, wanted, error):
    before = app_pid(bench.run("done"))
    with pytest.raises(error) as caught:
        bench.run(do, **wanted)
    assert type(caught.value) is error
    assert not psutil.pid_exists(before)
    assert bench.left() == []
    assert app_pid(bench.run("done")) != before


def test_no_manifest_is_no_success(bench):
    with pytest.raises(AppWroteNoManifest):
        bench.run("no_manifest")


def test_a_time_out_ends_the_worker(open_bench):
    bench = open_bench(timeout_s=4)
    before = app_pid(bench.run("done"))
    with pytest.raises(AppOutOfTime):
        bench.run("hang")
    assert app_pid(bench.run("done")) != before


def test_a_cancel_ends_the_worker(bench):
    before = app_pid(bench.run("done"))
    aside = bench.run_aside("descend", hang=True)
    daemon = int(aside.read("daemon"))
    aside.cancelled.set()
    assert type(aside.end()) is JobCancelled
    assert not psutil.pid_exists(daemon)
    assert app_pid(bench.run("done")) != before


def test_a_worker_that_is_killed_in_a_job_is_a_crash_worth_another_try(bench):
    aside = bench.run_aside("hang")
    os.kill(int(aside.read("hangs")), signal.SIGKILL)
    error = aside.end()
    assert type(error) is AppCrashed
    assert error.retryable
    bench.run("done")


def test_a_worker_that_dies_between_jobs_fails_nobody(bench):
    before = app_pid(bench.run("done"))
    os.kill(before, signal.SIGKILL)
    wait_for(lambda: not psutil.pid_exists(before))
    assert app_pid(bench.run("done")) != before


def test_a_worker_that_speaks_unasked_gets_no_more_work(bench):
    before = app_pid(bench.run("done"))
    assert app_pid(bench.run("answer_twice")) == before
    [worker] = bench.executor._runners["warm"]._workers.values()
    wait_for(lambda: not worker.is_quiet)
    assert app_pid(bench.run("done")) != before


def test_a_process_that_a_job_leaves_ends_the_worker(bench, caplog):
    caplog.set_level(logging.INFO)
    before = app_pid(bench.run("descend"))
    daemon = int((bench.kept() / "output" / "daemon").read_text())
    assert not psutil.pid_exists(daemon)
    assert "a process that the job started still runs" in caplog.text
    assert app_pid(bench.run("done")) != before


def test_a_child_that_ended_and_was_not_reaped_ends_no_worker(bench):
    before = app_pid(bench.run("leave_zombie"))
    assert app_pid(bench.run("done")) == before


def test_a_worker_that_leaks_is_replaced_without_failing_a_job(open_bench, caplog):
    caplog.set_level(logging.INFO)
    bench = open_bench(memory_mb=2000)
    pids = [app_pid(bench.run("leak", mb=110)) for _ in range(4)]
    assert len(set(pids)) == 1
    assert app_pid(bench.run("leak", mb=1)) != pids[0]
    assert "its memory grew from" in caplog.text


def test_memory_that_is_taken_by_the_first_job_is_no_leak(open_bench):
    bench = open_bench(memory_mb=2000)
    before = app_pid(bench.run("leak", mb=400))
    assert app_pid(bench.run("leak", mb=50)) == before


def test_out_of_memory_after_other_jobs_is_worth_a_try_in_a_new_worker(open_bench):
    bench = open_bench(memory_mb=250)
    with pytest.raises(AppOutOfMemory):
        bench.run("fill", mb=300)
    bench.run("leak", mb=150)
    with pytest.raises(AppCrashed, match=r"ran out of memory after 1 job") as caught:
        bench.run("fill", mb=150)
    assert caught.value.retryable
    bench.run("fill", mb=150, seconds=0)


def test_what_a_job_leaves_in_its_temporary_folder_is_gone_before_the_next(bench):
    first, second = bench.run("litter"), bench.run("litter")
    assert app_pid(first) == app_pid(second)
    for number in (1, 2):
        assert json.loads((bench.kept(number) / "output" / "found.json").read_text()) == []


def test_an_idle_worker_is_stopped(open_bench):
    bench = open_bench(idle_s=1.5)
    before = app_pid(bench.run("done"))
    bench.executor.stop_idle()
    assert psutil.pid_exists(before)
    time.sleep(1.6)
    bench.executor.stop_idle()
    assert not psutil.pid_exists(before)
    assert bench.left() == []
    bench.run("done")


def test_a_busy_worker_is_not_idle(open_bench):
    bench = open_bench(idle_s=0.1)
    aside = bench.run_aside("done", seconds=1)
    wait_for(aside.work.exists)
    time.sleep(0.5)
    bench.executor.stop_idle()
    assert aside.end() is None


def test_a_new_edition_of_the_app_gets_a_new_worker(open_bench, tmp_path):
    copy = shutil.copytree(APP, tmp_path / "app")
    bench = open_bench(path=copy)
    before = app_pid(bench.run("done"))
    os.utime(copy / "app.py", (1, 1))
    assert app_pid(bench.run("done")) != before


@pytest.mark.parametrize(
    ("deed", "error"),
    [("hang_at_start", AppOutOfTime), ("fail", AppFailed), ("die", AppCrashed), ("leave", AppCrashed)],
)
def test_a_worker_that_cannot_load_fails_the_job_with_its_own_words(open_bench, deed, error):
    bench = open_bench(timeout_s=1 if deed == "hang_at_start" else 20, environment={"AT_START": deed})
    with pytest.raises(error) as caught:
        bench.run("done")
    assert type(caught.value) is error
    if deed == "fail":
        assert str(caught.value).endswith("ValueError: the sum is wrong")
        assert "Traceback" in (bench.kept() / "app.log").read_text()
    assert bench.left() == []


def test_what_a_worker_says_instead_of_ready_is_no_answer(open_bench):
    bench = open_bench(environment={"AT_START": "answer_at_start"})
    with pytest.raises(AppFailed, match="something where only its answers belong"):
        bench.run("done")


def test_a_cancel_ends_a_worker_that_loads(open_bench):
    bench = open_bench(environment={"AT_START": "hang_at_start"})
    aside = bench.run_aside("done")
    wait_for(bench.processes)
    aside.cancelled.set()
    assert type(aside.end()) is JobCancelled
    assert bench.processes() == []
