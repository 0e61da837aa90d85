# SPDX-License-Identifier: Apache-2.0
"""What the journal costs a job: every step of a job that does nothing, durable, while the journal grows."""

import tempfile
import time
from pathlib import Path

from informatics_gateway.config import Route
from informatics_gateway.model import (
    Association,
    Identity,
    Instance,
    Job,
    JobStatus,
    Proof,
    Result,
    SeriesKey,
)
from informatics_gateway.store import Store

ROUTE = Route(called_ae_title="NOTHING", app="nothing", destinations=("archive",))
STUDY, SOURCE = "1.2.3", "MODALITY@127.0.0.1"
DELIVER = (JobStatus.EXECUTED, JobStatus.VALIDATED)
SAMPLE = 300  # jobs that are timed


def measure(sizes: tuple[int, ...]) -> dict[int, float]:
    """Jobs a second of processor time when the journal holds so many; the disk is not in it."""
    rates: dict[int, float] = {}
    with tempfile.TemporaryDirectory(prefix="gantry-bench-") as folder, Store(Path(folder)) as store:
        made = 0
        for size in sorted(sizes):
            sample = min(SAMPLE, size - made)
            for number in range(made, size - sample):
                one_job(store, number)
            begun = time.process_time()
            for number in range(size - sample, size):
                one_job(store, number)
            rates[size], made = sample / (time.process_time() - begun), size
    return rates


def one_job(store: Store, number: int) -> None:
    """From the arrival of its one instance to the proof of its one result."""
    series = f"1.2.3.{number}"
    path = store.storage / "instances" / str(number)
    instance = Instance(f"{series}.1", "1.2", series, Identity("P", "", "N", STUDY), path, str(number))
    sender = Association(str(number), SOURCE, "MODALITY", "NOTHING", "127.0.0.1", 0.0)
    store.record_arrivals([(sender, instance, time.time())])
    sealed = store.seal(SeriesKey(SOURCE, "NOTHING", STUDY, series), str(number), [instance], "quiet")
    store.queue(sealed, [ROUTE])
    job = store.begin(_next(store, (JobStatus.QUEUED,)), "execute", new_attempt=True)
    assert job is not None
    result = Result(path, "text-report", "1.2", f"{series}.2", f"{series}.9", str(number))
    store.move(job, JobStatus.EXECUTED, "executed", [result])
    store.move(_next(store, DELIVER), JobStatus.VALIDATED, "validated")
    job = store.begin(_next(store, DELIVER), "deliver", new_attempt=False)
    assert job is not None
    store.begin_sending(job)
    store.record_proof(job, Proof(result.sop_instance_uid, "archive", "read back", time.time()))
    store.move(job, JobStatus.DELIVERED, "delivered")


def _next(store: Store, statuses: tuple[JobStatus, ...]) -> Job:
    job, _ = store.next_job(ROUTE.app, statuses)
    assert job is not None
    return job
