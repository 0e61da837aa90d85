# SPDX-License-Identifier: Apache-2.0
"""How far a run is, said in progress.jsonl: cheap, bounded, and never in the way of the run."""

import json
import multiprocessing
import os
import threading
from pathlib import Path

import pytest
from builders import ct_series
from running import WarmWorker, run

from imaging_operators import progress, report_progress
from imaging_operators.progress import FILE, reported_to


@pytest.fixture
def clock(monkeypatch):
    """Time that a test moves on."""
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def said(folder: Path) -> list[tuple[str, float]]:
    lines = (folder / FILE).read_text().splitlines()
    assert all(set(json.loads(line)) == {"step", "fraction"} for line in lines)
    return [(line["step"], line["fraction"]) for line in map(json.loads, lines)]


def test_outside_a_run_it_does_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    report_progress("read", 0.5)
    with reported_to(tmp_path):
        pass
    report_progress("read", 0.7)
    assert said(tmp_path) == []


def test_steps_follow_each_other(tmp_path):
    with reported_to(tmp_path):
        for step in ("read", "predict", "write"):
            report_progress(step, 0)
            report_progress(step, 1)
    assert said(tmp_path) == [(step, end) for step in ("read", "predict", "write") for end in (0.0, 1.0)]


@pytest.mark.parametrize(("seconds", "least", "most"), [(100, 101, 101), (10, 90, 102), (1, 9, 12)])
def test_ten_lines_a_second_in_whole_percents(tmp_path, clock, seconds, least, most):
    with reported_to(tmp_path):
        for part in range(10_000):
            clock[0] += seconds / 10_000
            report_progress("predict", part / 10_000)
        report_progress("predict", 1)
    lines = said(tmp_path)
    assert least <= len(lines) <= most
    assert lines[0] == ("predict", 0.0)
    assert lines[-1] == ("predict", 1.0)
    assert all(round(fraction * 100) == pytest.approx(fraction * 100) for _, fraction in lines)


def test_one_percent_is_said_once(tmp_path, clock):
    with reported_to(tmp_path):
        for _ in range(50):
            clock[0] += 1
            report_progress("predict", 0.29)
    assert said(tmp_path) == [("predict", 0.29)]


@pytest.mark.parametrize(
    ("step", "fraction", "expected"),
    [
        ("a\nb\t c\x00", 0.5, ("a b c", 0.5)),
        ("x" * 100, 0.5, ("x" * 64, 0.5)),
        ("Lungenflügel", -3, ("Lungenflügel", 0.0)),
        ("x", 7, ("x", 1.0)),
        ("x", float("nan"), ("x", 0.0)),
        ("x", float("inf"), ("x", 1.0)),
        ("x", None, ("x", 0.0)),
        ("x", "half", ("x", 0.0)),
    ],
)
def test_what_is_odd_is_made_plain_and_never_raises(tmp_path, step, fraction, expected):
    with reported_to(tmp_path):
        report_progress(step, fraction)
    assert said(tmp_path) == [expected]


def test_the_file_has_an_end(tmp_path, monkeypatch):
    monkeypatch.setattr(progress, "FILE_LIMIT", 1000)
    with reported_to(tmp_path):
        for number in range(200):
            report_progress(f"step {number}", 0)
    assert 900 < (tmp_path / FILE).stat().st_size <= 1000
    assert said(tmp_path)[-1][0].startswith("step ")


def test_many_threads_write_whole_lines(tmp_path):
    def work(name: int) -> None:
        for number in range(200):
            report_progress(f"thread {name}", number / 200)

    with reported_to(tmp_path):
        threads = [threading.Thread(target=work, args=(name,)) for name in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert {step for step, _ in said(tmp_path)} == {f"thread {name}" for name in range(8)}


def test_a_thread_that_outlives_its_run_writes_nowhere(tmp_path):
    with reported_to(tmp_path):
        left = progress._reporter
    with (tmp_path / "other").open("wb"):  # may have the descriptor's number now
        left.report("late", 0.5)
    assert said(tmp_path) == []
    assert (tmp_path / "other").read_bytes() == b""


def test_a_forked_child_may_report_even_if_it_was_forked_at_a_bad_moment(tmp_path):
    with reported_to(tmp_path):
        report_progress("parent", 0)
        with progress._reporter._lock:
            child = multiprocessing.get_context("fork").Process(target=report_progress, args=("stuck", 0))
            child.start()
            child.join(20)
        assert child.exitcode == 0
        child = multiprocessing.get_context("fork").Process(target=report_progress, args=("child", 1))
        child.start()
        child.join(20)
    assert said(tmp_path) == [("parent", 0.0), ("child", 1.0)]


def test_a_full_disk_is_not_its_business(tmp_path):
    (tmp_path / FILE).symlink_to("/dev/full")
    with reported_to(tmp_path):
        report_progress("read", 0)
        report_progress("write", 1)
    assert os.path.lexists(tmp_path / FILE)


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("source")
    ct_series(folder, slices=3)
    return folder


STEPS = [("read", 0.0), ("predict", 0.0), ("write", 0.0), ("write", 1.0)]


def test_a_cold_run_says_its_steps(source, tmp_path):
    assert run("profiled", source, tmp_path).returncode == 0
    assert said(tmp_path) == [("load", 0.0), *STEPS]


def test_a_warm_worker_says_each_jobs_steps_in_that_jobs_folder(source, tmp_path):
    worker = WarmWorker("profiled", tmp_path)
    assert worker.hear() == {"ready": True}
    assert [said(worker.work(source, name).folder) for name in ("one", "two")] == [STEPS, STEPS]
    assert worker.close() == 0
