# SPDX-License-Identifier: Apache-2.0
"""The process runner, with real processes: how an app can end, and that nothing of it is left."""

import os
import signal
import threading
import time

import psutil
import pytest
from app_jobs import Bench, app_pid, wait_for

from informatics_gateway.errors import (
    AppCrashed,
    AppFailed,
    AppOutOfMemory,
    AppRefused,
    AppWroteNoManifest,
    JobCancelled,
)


@pytest.fixture
def bench(tmp_path):
    made = Bench(tmp_path, timeout_s=30)
    yield made
    made.executor.close()
    assert made.processes() == []
    assert made.left() == []


def test_each_job_has_a_process_of_its_own(bench):
    pids = {app_pid(bench.run("done")) for _ in range(2)}
    assert len(pids) == 2


def test_jobs_of_one_app_run_side_by_side(bench):
    first, second = (bench.run_aside("done", seconds=1) for _ in range(2))
    wait_for(lambda: len(bench.left()) == 2)
    assert first.end() is None
    assert second.end() is None


def test_a_refusal_is_told_in_the_apps_own_words(bench):
    with pytest.raises(AppRefused, match=r"No series matches: Modality is MR\.$") as caught:
        bench.run("refuse")
    assert caught.value.hint == "Try another series."


def test_a_failure_is_told_in_the_apps_own_words(bench):
    with pytest.raises(AppFailed, match=r"the sum is wrong$") as caught:
        bench.run("fail")
    assert type(caught.value) is AppFailed
    assert not caught.value.retryable


def test_a_failure_without_error_json_is_told_by_the_last_line_of_the_log(bench):
    with pytest.raises(AppFailed, match=r"ValueError: the sum is wrong$"):
        bench.run("fail", silent=True)
    assert "Traceback" in (bench.kept() / "app.log").read_text()


@pytest.mark.parametrize("silent", [False, True], ids=["by error.json", "by the log"])
def test_a_memory_error_is_out_of_memory(bench, silent):
    with pytest.raises(AppOutOfMemory, match="Unable to allocate 4 GiB"):
        bench.run("memory_error", silent=silent)


def test_a_sentence_names_no_patient_and_stays_one_line(bench):
    with pytest.raises(AppFailed) as caught:
        bench.run("fail", say="doe, jane\n(pid-4711)\x1b[31m of " + "x" * 999)
    assert caught.value.detail.startswith("[patient], [patient] ([patient]) [31m of xx")
    assert len(caught.value.detail) <= 330


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT])
def test_death_by_a_signal_is_a_crash_worth_another_try(bench, number):
    with pytest.raises(AppCrashed, match=f"killed by {number.name}") as caught:
        bench.run("die", signal=number)
    assert caught.value.retryable


def test_a_kill_from_outside_is_a_crash_worth_another_try(bench):
    aside = bench.run_aside("hang")
    os.kill(int(aside.read("hangs") or 0), signal.SIGKILL)
    error = aside.end()
    assert type(error) is AppCrashed
    assert "SIGKILL" in str(error)


def test_exit_status_0_without_a_manifest_is_no_success(bench):
    with pytest.raises(AppWroteNoManifest):
        bench.run("no_manifest")
    assert (bench.kept() / "output" / "picture-0.dcm").exists()


def test_a_cancel_ends_the_app_at_once_and_all_its_processes(bench):
    aside = bench.run_aside("descend", hang=True)
    daemon = int(aside.read("daemon"))
    began = time.monotonic()
    aside.cancelled.set()
    assert type(aside.end()) is JobCancelled
    assert time.monotonic() - began < 2
    assert not psutil.pid_exists(daemon)


def test_a_job_that_is_cancelled_before_it_starts_has_no_results(bench):
    cancelled = threading.Event()
    cancelled.set()
    with pytest.raises(JobCancelled):
        bench.run("done", cancelled=cancelled)
    assert not bench.kept().exists()


def test_a_job_that_is_cancelled_in_its_last_moment_has_no_results(bench, monkeypatch):
    """That moment is too short to be hit by chance: the cancel comes as the app's end is looked at."""
    cancelled = threading.Event()
    monkeypatch.setattr("informatics_gateway.execute.check", lambda *_: cancelled.set())
    with pytest.raises(JobCancelled):
        bench.run("done", cancelled=cancelled)


def test_a_daemon_in_another_session_ends_with_the_app(bench):
    bench.run("descend")
    daemon = int((bench.kept() / "output" / "daemon").read_text())
    assert not psutil.pid_exists(daemon)


def test_what_the_app_printed_is_kept(bench):
    bench.run("done")
    assert (bench.kept() / "app.log").read_text() == "doing done\n"
