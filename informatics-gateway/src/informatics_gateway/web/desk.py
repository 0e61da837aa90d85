# SPDX-License-Identifier: Apache-2.0
"""Reads the journal and makes answers of it; the pages and the API both ask here."""

import time
from datetime import UTC, datetime
from itertools import pairwise

from fastapi import HTTPException
from pydicom.uid import UID

from .. import quarantine
from ..config import Config
from ..model import Event, Job, JobStatus, Proof, Result, SeriesKey
from ..store import Journal
from . import stored
from .answers import (
    EventAnswer,
    JobDetail,
    JobPage,
    JobSummary,
    ProofAnswer,
    QuarantineAnswer,
    RefusalAnswer,
    Report,
    ResultAnswer,
)
from .health import Readiness

PICTURE_KIND = "secondary-capture"
ACCEPTED = (JobStatus.VALIDATED, JobStatus.DELIVERED)


class Desk:
    """Answers questions about the gateway.  Safe to use from many threads."""

    def __init__(self, config: Config, journal: Journal, readiness: Readiness) -> None:
        self.config = config
        self.readiness = readiness
        self._journal = journal

    def need_journal(self) -> None:
        """Raise the answer 503 while the journal cannot be read."""
        if trouble := self._journal.trouble():
            raise HTTPException(503, f"The journal cannot be read: {trouble}.")

    # jobs

    def jobs(self, limit: int, status: JobStatus | None = None, before: int | None = None) -> JobPage:
        """At most `limit` jobs, the newest first."""
        found = self._journal.jobs(limit + 1, status, before)
        shown = tuple(self._summary(job, self._journal.events(job.id)) for job in found[:limit])
        return JobPage(
            jobs=shown, next_before=shown[-1].id if len(found) > limit else None, counts=self.counts()
        )

    def counts(self) -> dict[JobStatus, int]:
        """How many jobs have each status, in the order of the line."""
        counts = self._journal.counts()
        return {status: counts.get(status, 0) for status in JobStatus}

    def job(self, number: int) -> JobDetail | None:
        """All about one job."""
        job = self._journal.job(number)
        if job is None:
            return None
        events, results = self._journal.events(number), self._journal.results(number)
        picture = self._picture_of(job, results)
        return JobDetail(
            **self._summary(job, events).model_dump(),
            closed_by=job.input_set.closed_by,
            attempts=job.attempt,
            events=_history(events),
            results=_results(results, self._journal.proofs(number)),
            report=self._report(job, results),
            picture=f"/jobs/{number}/picture.png" if picture else None,
        )

    def picture(self, number: int) -> Result | None:
        """The result of the job that can be shown as a picture, once it is validated."""
        job = self._journal.job(number)
        return self._picture_of(job, self._journal.results(number)) if job else None

    def _picture_of(self, job: Job, results: tuple[Result, ...]) -> Result | None:
        pictures = [result for result in results if result.kind == PICTURE_KIND]
        return pictures[0] if pictures and self._accepted(job) else None

    def _report(self, job: Job, results: tuple[Result, ...]) -> Report:
        if not results or not self._accepted(job):
            return Report()
        return stored.report(results[0], job.input_set.identity)

    def _accepted(self, job: Job) -> bool:
        return self._journal.reached(job) in ACCEPTED

    def _summary(self, job: Job, events: list[Event]) -> JobSummary:
        key, instances = job.input_set.key, job.input_set.instances
        changed = events[-1].at if events else job.created_at
        return JobSummary(
            id=job.id,
            source=key.source,
            called_ae_title=key.called_ae_title,
            app=job.app,
            profile=job.profile,
            study_instance_uid=key.study_instance_uid,
            series_instance_uid=key.series_instance_uid,
            series_description=stored.series_description(instances[0]) if instances else "",
            revision=job.input_set.revision,
            instances=len(instances),
            status=job.status,
            reached=self._journal.reached(job),
            ended=job.status.ended,
            created_at=_time(job.created_at),
            changed_at=_time(changed),
            seconds=max(0.0, (changed if job.status.ended else time.time()) - job.created_at),
            latest=events[-1].text if events else "",
            error=job.error,
            hint=job.hint,
        )

    # what is not a job

    def arriving(self) -> dict[SeriesKey, float]:
        """The series that are coming in, and seconds since each one's last instance."""
        now = time.time()
        return {key: max(0.0, now - at) for key, at in self._journal.open_series().items()}

    def paused(self) -> set[str]:
        """The apps whose jobs do not start until somebody resumes them."""
        return self._journal.paused()

    def refusals(self) -> list[RefusalAnswer]:
        """The callers that were turned away, the newest first."""
        return [
            RefusalAnswer(**vars(refusal) | {"at": _time(refusal.at)}) for refusal in self._journal.refusals()
        ]

    def quarantine(self) -> list[QuarantineAnswer]:
        """What was refused and kept, the newest first."""
        kept = quarantine.entries(self.config.storage.path)
        return [_kept(entry) for entry in reversed(kept)]


def _time(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)


def _history(events: list[Event]) -> tuple[EventAnswer, ...]:
    waits = [0.0, *(later.at - earlier.at for earlier, later in pairwise(events))]
    return tuple(
        EventAnswer(at=_time(event.at), after_s=max(0.0, wait), text=event.text)
        for event, wait in zip(events, waits, strict=False)
    )


def _results(results: tuple[Result, ...], proofs: list[Proof]) -> tuple[ResultAnswer, ...]:
    return tuple(
        ResultAnswer(
            **{name: value for name, value in vars(result).items() if name != "path"},
            sop_class=UID(result.sop_class_uid).name,
            proofs=tuple(
                _proof(proof) for proof in proofs if proof.sop_instance_uid == result.sop_instance_uid
            ),
        )
        for result in results
    )


def _proof(proof: Proof) -> ProofAnswer:
    return ProofAnswer(destination=proof.destination, how=proof.how, at=_time(proof.at))


def _kept(entry: quarantine.Entry) -> QuarantineAnswer:
    sender = entry.association
    return QuarantineAnswer(
        id=entry.id,
        kind=entry.kind,
        sentence=entry.sentence,
        hint=entry.hint,
        at=_time(entry.at),
        source=sender.source if sender else "",
        called_ae_title=sender.called_ae_title if sender else "",
        instances=len(entry.instances) or 1,
        release=f"gantry quarantine release {entry.id}",
    )
