# SPDX-License-Identifier: Apache-2.0
"""The journal: one writer, status and event together, jobs unique, nothing moved twice."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from informatics_gateway.config import Route
from informatics_gateway.errors import AppCrashed, AppFailed, BadConfiguration, JobCancelled
from informatics_gateway.model import (
    Association,
    Identity,
    InputSet,
    Instance,
    Job,
    JobStatus,
    Proof,
    Refusal,
    Result,
    SeriesKey,
)
from informatics_gateway.store import Journal, Store

KEY = SeriesKey("MODALITY@127.0.0.1", "LUNGS", "1.2.3", "1.2.3.4")
ROUTE = Route(called_ae_title="LUNGS", app="lungs", destinations=("archive",))
WHO = Association("a1", "MODALITY@127.0.0.1", "MODALITY", "LUNGS", "127.0.0.1", 0.0)
QUEUED, EXECUTED, VALIDATED = JobStatus.QUEUED, JobStatus.EXECUTED, JobStatus.VALIDATED


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path) as store:
        yield store


def sealed(store: Store, count: int = 1) -> InputSet:
    """An input set of `count` instances, of the next revision."""
    for number in range(1, count + 1):
        uid = f"1.2.3.4.{number}"
        path = store.storage / "instances" / f"{uid}.dcm"
        instance = Instance(
            uid, "1.2", "1.2.3.4", Identity("P", "", "N", "1.2.3"), path, f"hash {number}", number
        )
        store.record_arrivals([(WHO, instance, time.time())])
    return store.seal(KEY, f"hash of {count}", store.arrived(KEY), "quiet")


def queued(store: Store, count: int = 1) -> Job:
    [number], _ = store.queue(sealed(store, count), [ROUTE])
    return store.job(number)


def texts(store: Store, job: Job) -> list[str]:
    return [event.text for event in store.events(job.id)]


def test_a_second_writer_is_refused_by_name(store):
    with pytest.raises(BadConfiguration, match="in use by another gantry serve"):
        Store(store.storage)


def test_a_reader_needs_a_journal(tmp_path):
    with pytest.raises(BadConfiguration, match=r"gantry.sqlite does not exist"):
        Journal(tmp_path)


def test_a_reader_sees_what_is_written_and_cannot_write(store):
    job = queued(store)
    with Journal(store.storage) as journal:
        assert journal.job(job.id) == job
        assert not hasattr(journal, "queue")


def test_the_journal_is_durable_at_every_commit(store):
    [[mode]], [[synchronous]] = (
        [tuple(row) for row in store._all(f"PRAGMA {name}")] for name in ("journal_mode", "synchronous")
    )
    assert (mode, synchronous) == ("wal", 2)


def test_one_job_for_each_set_and_app(store):
    job = queued(store)
    assert store.queue(job.input_set, [ROUTE]) == ([], [])
    assert len(store.jobs()) == 1
    assert texts(store, job) == ["queued for lungs: revision 1, 1 instance, closed by quiet"]


def test_status_and_event_move_together_and_once(store):
    job = queued(store)
    result = Result(
        store.storage / "jobs/1/1/output/a.dcm", "segmentation", "1", "2.25.1", "2.25.2", "ab", 0, 301
    )
    assert store.move(job, EXECUTED, "executed", [result])
    assert not store.move(job, EXECUTED, "executed", [result]), "the job had moved on"
    assert store.results(job.id) == (result,)
    assert texts(store, job)[1:] == ["executed"]


def test_a_step_counts_its_tries_before_it_starts(store):
    job = queued(store)
    first = store.begin(job, "try", new_attempt=True)
    second = store.begin(first, "try", new_attempt=True)
    assert (second.attempts, second.attempt) == (2, 2)
    store.move(second, EXECUTED, "executed")
    third = store.begin(store.job(job.id), "deliver", new_attempt=False)
    assert (third.attempts, third.attempt) == (1, 2)


def test_an_ended_job_cannot_begin_move_or_send(store):
    job = queued(store)
    assert store.end(job, JobStatus.CANCELLED, JobCancelled())
    assert store.begin(job, "try", new_attempt=True) is None
    assert not store.move(job, EXECUTED, "executed")
    assert not store.begin_sending(job)
    assert not store.end(job, JobStatus.FAILED, AppFailed())


def test_a_postponed_job_waits_and_says_since_when(store):
    job = queued(store)
    store.postpone(job, 60, AppCrashed("exit status -11."))
    found, due = store.next_job("lungs", [QUEUED])
    assert found is None
    assert due == pytest.approx(time.time() + 60, abs=5)
    since = store.failing_since(job)
    store.postpone(job, 60, AppCrashed())
    assert store.failing_since(job) == since
    assert "Next try in 60 s." in texts(store, job)[-1]


def test_retry_goes_on_at_the_step_that_failed(store):
    job = queued(store)
    store.move(job, EXECUTED, "executed")
    store.end(store.job(job.id), JobStatus.FAILED, AppFailed("why"))
    failed = store.job(job.id)
    assert (failed.status, failed.error, failed.hint) == (
        JobStatus.FAILED,
        str(AppFailed("why")),
        AppFailed.hint,
    )
    store.resume(failed, "retry")
    assert store.job(job.id).status is EXECUTED
    assert store.job(job.id).error == ""


def test_a_new_revision_supersedes_what_has_sent_nothing(store):
    first = queued(store, 1)
    late = sealed(store, 2)
    assert late.revision == 2
    assert store.queue(late, [ROUTE]) == ([2], [first.id])
    assert store.job(first.id).status is JobStatus.SUPERSEDED
    assert texts(store, first)[-1] == "superseded: revision 2 of the series came in"


def test_what_has_begun_to_send_is_finished_before_its_successor_runs(store):
    first = queued(store, 1)
    for status in (EXECUTED, VALIDATED):
        store.move(store.job(first.id), status, status)
    assert store.begin_sending(first)
    late = sealed(store, 2)
    assert store.queue(late, [ROUTE]) == ([2], [])
    second = store.job(2)
    assert store.next_job("lungs", [QUEUED]) == (None, None)
    store.move(store.job(first.id), JobStatus.DELIVERED, "delivered")
    assert store.next_job("lungs", [QUEUED])[0] == second
    assert store.predecessor(second).id == first.id
    assert store.predecessor(store.job(first.id)) is None


def test_a_delivered_job_that_is_sent_again_is_proved_again(store):
    job = queued(store)
    for status in (EXECUTED, VALIDATED, JobStatus.DELIVERED):
        store.move(store.job(job.id), status, status)
    store.resume(store.job(job.id), "sent again")
    assert store.job(job.id).status is VALIDATED


def test_a_sealed_set_is_unrouted_until_its_jobs_are_queued(store):
    made = sealed(store)
    assert store.unrouted_sets() == [made]
    store.queue(made, [])
    assert store.unrouted_sets() == []


def test_proofs_and_refusals_are_kept(store):
    job = queued(store)
    store.record_proof(job, Proof("2.25.1", "archive", "retrieved and compared", 1.0))
    assert store.proofs(job.id)[0].how == "retrieved and compared"
    for at in (1.0, 2.0):
        store.record_refusal(Refusal("X", "LUNGS", "127.0.0.1", "unknown", "add it", at))
    [refusal] = store.refusals()
    assert (refusal.times, refusal.at) == (2, 2.0)


STEPS = ("begin", "executed", "validated", "delivered", "fail", "cancel", "resume", "supersede", "reopen")


@settings(max_examples=30, deadline=None)
@given(st.lists(st.sampled_from(STEPS), max_size=25))
def test_whatever_happens_a_job_has_one_status_and_moves_only_forward(tmp_path_factory, steps):
    """Random transitions, with stale views of the job and the journal closed and opened in between."""
    store = Store(tmp_path_factory.mktemp("journal"))
    job = queued(store)
    order = [QUEUED, EXECUTED, VALIDATED, JobStatus.DELIVERED]
    for step in steps:
        before = store.job(job.id)
        if step == "reopen":
            store.close()
            store = Store(store.storage)
        else:
            _take(store, job, step)
        after = store.job(job.id)
        if before.status in order and after.status in order and step != "resume":
            assert order.index(after.status) - order.index(before.status) in (0, 1)
        if before.status.ended and step != "resume":
            assert after.status is before.status
    store.close()


def _take(store: Store, stale: Job, step: str) -> None:
    now = store.job(stale.id)
    if step == "begin":
        store.begin(stale, "begin", new_attempt=True)
    elif step in ("executed", "validated", "delivered"):
        previous = {"executed": QUEUED, "validated": EXECUTED, "delivered": VALIDATED}[step]
        if now.status is previous:
            store.move(now, JobStatus(step), step)
        store.move(stale, EXECUTED, "from a stale view") if now.status is not QUEUED else None
    elif step == "fail":
        store.end(stale, JobStatus.FAILED, AppFailed())
    elif step == "cancel":
        store.end(stale, JobStatus.CANCELLED, JobCancelled())
    elif step == "resume":
        store.resume(now, "resume")


def test_a_rerun_leaves_a_late_arrival_to_be_assembled(store):
    """It seals the old instances again while a new one has come in that no set holds yet."""
    old = sealed(store, 1)
    path = store.storage / "instances" / "late.dcm"
    late = Instance("1.2.3.4.9", "1.2", "1.2.3.4", Identity("P", "", "N", "1.2.3"), path, "late", 9)
    store.record_arrivals([(WHO, late, time.time())])
    store.seal(old.key, old.hash, old.instances, "a rerun")
    assert KEY in store.open_series()
