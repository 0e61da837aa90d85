# SPDX-License-Identifier: Apache-2.0
"""Jobs on GPUs through the real lanes: what the app sees, what happens without room and after out of memory."""

import threading
import time

import pytest
from app_jobs import wait_for
from fake_nvml import FakeCard, FakeNvml
from gpu_line import GpuLine

from informatics_gateway.gpu import cards
from informatics_gateway.model import JobStatus

MORE = {"needs": {"gpu_memory_mb": 6000}}
PREFERS = {"needs": {"gpu": "preferred"}}
TWO_PROFILES = {**MORE, "manifest": {"cheaper": {"fine": "fast"}}}


@pytest.fixture
def driver(monkeypatch):
    monkeypatch.setattr(cards, "FRESH_S", 0.0)
    with FakeNvml(FakeCard("GPU-a", 10000)).installed() as fake:
        yield fake


def test_the_app_sees_its_gpu_and_no_other(driver, tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    with GpuLine(tmp_path, driver, {"wants": MORE, "plain": {}}) as line:
        wants, plain = line.queue("wants"), line.queue("plain")
        assert line.step(wants).status is line.step(plain).status is JobStatus.EXECUTED
        assert (line.saw(wants), line.saw(plain)) == ("GPU-a", "")
        assert "execute: wants starts, attempt 1, on GPU GPU-a" in line.events(wants)


def test_without_room_it_waits_says_so_once_and_is_harmed_by_nothing(driver, tmp_path):
    driver.cards[0].others_mb = 5000
    with GpuLine(tmp_path, driver, {"wants": MORE}) as line:
        job = line.queue("wants")
        for _ in range(2):
            assert line.step(job).status is JobStatus.QUEUED
        waits = "The job waits for a GPU. wants needs 6000 MB of GPU memory; no card has that free now."
        assert line.events(job)[1:] == [waits]
        assert line.now(job).attempts == line.now(job).attempt == 0
        driver.cards[0].others_mb = 0
        assert line.step(job).status is JobStatus.EXECUTED


def test_without_a_gpu_the_one_that_may_runs_on_the_cpu_the_other_waits(driver, tmp_path):
    driver.cards.clear()
    with GpuLine(tmp_path, driver, {"wants": MORE, "prefers": PREFERS}) as line:
        wants, prefers = line.queue("wants"), line.queue("prefers")
        assert line.step(wants).status is JobStatus.QUEUED
        assert "there is no GPU here" in line.events(wants)[-1]
        assert line.step(prefers).status is JobStatus.EXECUTED
        assert line.saw(prefers) == ""


def test_the_configuration_may_say_what_the_app_needs(driver, tmp_path):
    driver.cards.clear()
    with GpuLine(tmp_path, driver, {"wants": {**MORE, "app": {"gpu": "none"}}}) as line:
        assert line.step(line.queue("wants")).status is JobStatus.EXECUTED


def test_out_of_gpu_memory_alone_then_cheaper_and_the_history_says_so(driver, tmp_path):
    with GpuLine(tmp_path, driver, {"wants": TWO_PROFILES}) as line:
        job = line.queue("wants", too_much=["fine"])
        assert [(step.alone, step.cheaper) for step in (line.step(job), line.step(job))] == [
            (True, ""),
            (True, "fast"),
        ]
        done = line.step(job)
        assert (done.status, done.runs_as, done.attempt) == (JobStatus.EXECUTED, "fast", 3)
        told = line.events(job)
        assert sum("It is tried again alone on the card." in text for text in told) == 1
        assert sum("it is tried again in the cheaper profile fast." in text for text in told) == 1
        note = "note: made in the cheaper profile fast: fine ran out of GPU memory"
        assert (told[-1], told.count(note)) == (note, 1)
        assert line.asked(job) == {"profile": "fast", "instead_of": "fine"}


def test_without_a_cheaper_profile_it_fails_and_a_retry_begins_anew(driver, tmp_path):
    with GpuLine(tmp_path, driver, {"wants": MORE}) as line:
        job = line.queue("wants", too_much=["fine"])
        line.step(job)
        failed = line.step(job)
        assert (failed.status, failed.error) == (
            JobStatus.FAILED,
            "The app ran out of GPU memory. CUDA out of memory. Tried to allocate 20.00 MiB.",
        )
        line.store.resume(failed, "retry")
        assert line.now(job).alone is False


def test_alone_means_alone(driver, tmp_path):
    with GpuLine(tmp_path, driver, {"wants": {"needs": {"gpu_memory_mb": 1000}}}) as line:
        job = line.step(line.queue("wants", too_much=["fine"]))
        other = cards.Need(99, "other", "other", "", "", "required", 1000)
        line.lanes.cards.start(other)
        assert line.step(job).status is JobStatus.QUEUED
        assert (
            "needs 1000 MB of GPU memory, alone on the card; no card has that free now"
            in line.events(job)[-1]
        )


def test_what_the_apps_process_takes_is_seen_and_kept(driver, tmp_path):
    with GpuLine(tmp_path, driver, {"prefers": PREFERS}) as line:
        until = tmp_path / "go on"
        job = line.queue("prefers", until=str(until))
        running = threading.Thread(target=line.step, args=(job,))
        running.start()
        written = tmp_path / "storage" / "work" / f"{job.id}.1" / "output" / "pid"
        wait_for(lambda: written.exists() and written.read_text())
        driver.cards[0].processes = {int(written.read_text()): 2500, 1: 100}
        line.lanes.cards.look()
        driver.cards[0].processes = {}
        until.touch()
        running.join(20)
        assert line.now(job).status is JobStatus.EXECUTED
        digest = line.executor.manifest("prefers").digest
        assert line.store.gpu_peak("prefers", digest, "") == 2500


def test_an_idle_warm_worker_makes_room_for_another_app(driver, tmp_path):
    warm = {**MORE, "app": {"runner": "warm"}}
    with GpuLine(tmp_path, driver, {"first": warm, "second": warm}) as line:
        first, second = line.queue("first"), line.queue("second")
        assert line.step(first).status is JobStatus.EXECUTED
        assert line.executor.keeps("first")
        again = line.queue("first")
        line.step(again)
        assert line.saw(again) == "GPU-a"
        assert line.step(second).status is JobStatus.EXECUTED
        assert (line.executor.keeps("first"), line.executor.keeps("second")) == (False, True)


def test_lanes_run_jobs_of_one_app_side_by_side_while_the_card_has_room(driver, tmp_path):
    wants = {"needs": {"gpu_memory_mb": 4000}, "app": {"jobs_at_once": 3}}
    with GpuLine(tmp_path, driver, {"wants": wants}) as line:
        until = tmp_path / "go on"
        jobs = [line.queue("wants", until=str(until)) for _ in range(3)]
        line.lanes.start()
        try:
            wait_for(lambda: sum((each / "output" / "pid").exists() for each in _works(tmp_path)) == 2)
            wait_for(lambda: any("no card has that free" in line.events(job)[-1] for job in jobs))
            time.sleep(0.1)
            assert len(_works(tmp_path)) == 2
            until.touch()
            wait_for(lambda: all(line.now(job).status is not JobStatus.QUEUED for job in jobs))
        finally:
            line.lanes.stop()
        attempts = [sum(text.startswith("execute:") for text in line.events(job)) for job in jobs]
        assert attempts == [1, 1, 1]


def _works(folder):
    return list((folder / "storage" / "work").iterdir())
