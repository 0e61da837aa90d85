# SPDX-License-Identifier: Apache-2.0
"""What the lanes make of a step that fails: later, never, or a fault of ours; no thread ends by it."""

import time
from pathlib import Path

import pytest
from test_store import queued, texts

from imaging_data import InvalidIdentifier
from informatics_gateway.config import Config
from informatics_gateway.errors import AppCrashed, AppFailed, DestinationUnavailable, JobCancelled
from informatics_gateway.model import Job, JobStatus
from informatics_gateway.pipeline import lanes
from informatics_gateway.pipeline.lanes import Lanes
from informatics_gateway.store import Store


class Bench:
    """Real lanes and a real journal; the steps raise what the test says."""

    def __init__(self, folder: Path, **deliver: float) -> None:
        app = {"name": "lungs", "path": "/nowhere"}
        self.config = Config.model_validate({"storage": {"path": folder}, "app": [app], "deliver": deliver})
        self.store = Store(folder)
        self.lanes = Lanes(self.store, self.config, self)  # type: ignore[arg-type]
        self.lanes._steps.take = self.take  # type: ignore[method-assign]
        self.raises: BaseException | None = None

    def take(self, job: Job, lane: str) -> None:
        self.store.begin(job, "begin", new_attempt=True)
        if self.raises:
            raise self.raises
        self.store.move(job, JobStatus.DELIVERED, "done")

    def stop_idle(self) -> None:
        """As the executor's."""

    def failed(self, error: BaseException, status: JobStatus = JobStatus.QUEUED) -> Job:
        """The job after a step that raised `error`."""
        self.raises = error
        jobs = self.store.jobs()
        job = jobs[0] if jobs else queued(self.store)
        if job.status is JobStatus.QUEUED and status is not JobStatus.QUEUED:
            for each in (JobStatus.EXECUTED, JobStatus.VALIDATED):
                self.store.move(self.store.job(job.id), each, each)
        self.lanes.take_step(self.store.job(job.id))
        return self.store.job(job.id)


@pytest.fixture
def bench(tmp_path):
    bench = Bench(tmp_path)
    yield bench
    bench.store.close()


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (AppFailed("why."), "The app ended with an error. why."),
        (InvalidIdentifier("SOPInstanceUID."), "A DICOM identifier is missing"),
        (ZeroDivisionError("x"), "A fault in Gantry itself stopped this step. ZeroDivisionError"),
        (OSError("disk"), "A fault in Gantry itself stopped this step. OSError"),
    ],
)
def test_what_does_not_pass_fails_the_job_with_a_sentence(bench, error, sentence):
    job = bench.failed(error)
    assert job.status is JobStatus.FAILED
    assert sentence in job.error
    assert job.hint


def test_a_crash_is_tried_three_times_with_growing_waits(bench):
    waits = []
    for _ in range(2):
        job = bench.failed(AppCrashed())
        assert job.status is JobStatus.QUEUED
        waits.append(float(texts(bench.store, job)[-1].split("Next try in ")[1].split()[0]))
    assert waits == [1, 5]
    assert bench.failed(AppCrashed()).status is JobStatus.FAILED


def test_an_archive_that_is_down_is_tried_with_growing_waits_and_a_ceiling(bench):
    for _ in range(12):
        job = bench.failed(DestinationUnavailable(), JobStatus.VALIDATED)
    waits = [
        float(text.split("Next try in ")[1].split()[0])
        for text in texts(bench.store, job)
        if "Next try in" in text
    ]
    assert job.status is JobStatus.VALIDATED
    assert waits == sorted(waits)
    assert (waits[0], waits[-1]) == (2, 900)


def test_after_retry_hours_it_fails(tmp_path):
    bench = Bench(tmp_path, retry_hours=1e-9)
    assert bench.failed(DestinationUnavailable(), JobStatus.VALIDATED).status is JobStatus.VALIDATED
    assert bench.failed(DestinationUnavailable()).status is JobStatus.FAILED
    bench.store.close()


def test_an_attempt_that_a_stop_has_ended_does_not_count(bench):
    bench.lanes._stopping = True
    job = bench.failed(JobCancelled())
    assert (job.status, job.attempts) == (JobStatus.QUEUED, 0)


def test_the_lanes_go_on_after_a_fault_and_hear_the_bell(bench, monkeypatch):
    monkeypatch.setattr(lanes, "LOOK_AROUND_S", 3600.0)  # so that only the bell can tell
    bench.raises = ZeroDivisionError()
    bench.lanes.start()
    try:
        queued(bench.store)
        bench.lanes.ring()
        _wait(lambda: bench.store.job(1).status is JobStatus.FAILED)
        bench.raises = None
        bench.store.resume(bench.store.job(1), "retry")
        bench.lanes.ring()
        _wait(lambda: bench.store.job(1).status is JobStatus.DELIVERED)
        assert all(thread.is_alive() for thread in bench.lanes.threads)
    finally:
        bench.lanes.stop()


def _wait(until) -> None:
    deadline = time.monotonic() + 60
    while not until():
        assert time.monotonic() < deadline
        time.sleep(0.01)
