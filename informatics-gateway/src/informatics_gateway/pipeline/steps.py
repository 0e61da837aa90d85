# SPDX-License-Identifier: Apache-2.0
"""One step of a job: execute, validate, deliver.  Each writes its status once its work is durable."""

import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime

from ..config import Config, Route
from ..deliver import deliver
from ..destinations import open_destination
from ..errors import AppFailed, AppOutOfGpuMemory, CrashLoop, JobCancelled, RouteRemoved
from ..execute import Executor, JobRequest, hider, load_manifest
from ..gpu.cards import Cards, Need, Place
from ..model import Job, JobStatus, Result
from ..runners.outcome import plain
from ..store import Store
from ..validate import validate
from .milestones import Milestones
from .once import first_accepted

MAX_ATTEMPTS = 3  # of execute; crashes of the gateway count
NAMED_IN_JOB = (
    "kind",
    "ordinal",
    "sop_class_uid",
    "sop_instance_uid",
    "series_instance_uid",
    "series_number",
)


class Steps:
    """The three steps that move a job along."""

    def __init__(self, store: Store, config: Config, executor: Executor, cards: Cards) -> None:
        self._store, self._config, self._executor, self._cards = store, config, executor, cards
        self._attempts: dict[int, threading.Event] = {}  # set: the attempt is to end
        self._accepting = threading.Lock()  # of two jobs with the same results one is the first
        self._by_status: dict[JobStatus, Callable[[Job], None]] = {
            JobStatus.EXECUTED: self._validate,
            JobStatus.VALIDATED: self._deliver,
        }

    def take(self, job: Job, lane: str) -> None:
        """Take the step that comes after the job's status, in this lane; raises what stopped it.

        Raises WaitsForGpu, and nothing has happened to the job, when no card has room for it now.
        """
        if job.status is JobStatus.QUEUED:
            self._execute(job, lane)
        else:
            self._by_status[job.status](job)

    def end_attempt(self, number: int) -> None:
        """End the job's app, when it runs."""
        attempt = self._attempts.get(number)
        if attempt is not None:
            attempt.set()

    def end_attempts(self) -> None:
        """End every app that runs."""
        for attempt in list(self._attempts.values()):
            attempt.set()

    # execute

    def _execute(self, job: Job, lane: str) -> None:
        chosen = self._route_of(job)
        if job.attempts >= MAX_ATTEMPTS:
            raise CrashLoop(f"{job.attempts} attempts.")
        place = self._cards.start(self._need(job, lane))
        cancelled = self._attempts[job.id] = threading.Event()
        try:
            self._attempt(job, chosen, cancelled, place)
        finally:
            del self._attempts[job.id]
            self._cards.end(lane)

    def _need(self, job: Job, lane: str) -> Need:
        """What the job asks of this machine's GPUs; an app that cannot say it fails in its attempt, which counts.

        What runs in a cluster asks for none here.
        """
        if self._config.app(job.app).runner == "ray":
            return Need(job.id, lane, job.app, "", "", "none")
        try:
            manifest = self._executor.manifest(job.app)
        except AppFailed:
            return Need(job.id, lane, job.app, "", "", "none")
        needs = manifest.needs
        return Need(
            job.id,
            lane,
            job.app,
            manifest.digest,
            job.runs_as,
            needs.gpu_use,
            needs.gpu_memory_mb,
            job.alone,
            job.priority,
        )

    def lighten(self, job: Job, error: AppOutOfGpuMemory) -> bool:
        """Let a job that ran out of GPU memory run alone on its card, then in a cheaper profile; False: neither."""
        if not job.alone:
            self._store.run_lighter(job, "", f"{error} It is tried again alone on the card.")
            return True
        cheaper = self._cheaper_for(job)
        if cheaper:
            text = f"{error} It was alone on the card; it is tried again in the cheaper profile {cheaper}."
            self._store.run_lighter(job, cheaper, text)
        return bool(cheaper)

    def _cheaper_for(self, job: Job) -> str:
        try:
            return self._executor.manifest(job.app).cheaper_than(job.runs_as)
        except AppFailed:  # it cannot say it any more
            return ""

    def _attempt(self, job: Job, chosen: Route, cancelled: threading.Event, place: Place) -> None:
        where = f", on GPU {place.gpu}" if place.gpu else ""
        image = self._config.app(job.app).image
        where += f", image {image}" if image else ""
        starts = f"execute: {job.app} starts, attempt {job.attempt + 1}{where}"
        begun = self._store.begin(job, starts, new_attempt=True)
        if begun is None:
            return
        started = time.monotonic()
        milestones = Milestones(lambda text: self._store.note(begun, text))
        request = self._request(begun, chosen)
        manifest = self._executor.execute(begun, request, cancelled, milestones, place)
        text = f"executed in {time.monotonic() - started:.2f} s: {len(manifest.results)} results"
        hide = hider(begun.input_set.identity)
        told = dict.fromkeys((*manifest.notes, *_cheaper(request)))
        notes = [f"note: {hide(plain(note))}" for note in told]
        self._store.move(begun, JobStatus.EXECUTED, text, manifest.results, notes)

    def _route_of(self, job: Job) -> Route:
        found = self._config.route(job.route)
        if found is None:
            raise RouteRemoved(f"{job.route}.")
        return found

    def _request(self, job: Job, chosen: Route) -> JobRequest:
        destinations = [self._config.destination(name) for name in chosen.destinations]
        labelmap = all(destination.segmentation == "labelmap" for destination in destinations)
        return JobRequest(
            content_datetime=datetime.fromtimestamp(job.created_at, UTC).isoformat(),
            revision=job.input_set.revision,
            segmentation="labelmap" if labelmap else "binary",
            replaces=tuple(self._named(job, result) for result in self._replaced(job)),
            profile=job.runs_as,
            instead_of=self._executor.manifest(job.app).profile_name(job.profile) if job.cheaper else "",
        )

    def _named(self, job: Job, result: Result) -> dict[str, object]:
        """What GANTRY_JOB says of a result that is replaced."""
        named = {name: value for name, value in asdict(result).items() if name in NAMED_IN_JOB}
        return named | {"study_instance_uid": job.input_set.identity.study_instance_uid}

    def _replaced(self, job: Job) -> tuple[Result, ...]:
        predecessor = self._store.predecessor(job)
        return self._store.results(predecessor.id) if predecessor else ()

    # validate

    def _validate(self, job: Job) -> None:
        started = time.monotonic()
        manifest = load_manifest(self._executor.folder(job), job)
        stage, replaced = self._config.app(job.app).stage, self._replaced(job)
        results = validate(job, manifest, stage, predecessors=replaced)
        with self._accepting:
            for result in results:
                first = first_accepted(result, self._store.accepted(job, result.sop_instance_uid))
                if first is not None:
                    self._store.adopt(job, first)
            took = time.monotonic() - started
            text = f"validated in {took:.2f} s: {len(results)} results accepted"
            self._store.move(job, JobStatus.VALIDATED, text)

    # deliver

    def _deliver(self, job: Job) -> None:
        chosen = self._route_of(job)
        begun = self._store.begin(job, f"deliver: to {', '.join(chosen.destinations)}", new_attempt=False)
        if begun is None:
            return
        for name in chosen.destinations:
            self._deliver_to(begun, name)
        text = f"delivered: proved by {', '.join(chosen.destinations)}"
        self._store.move(begun, JobStatus.DELIVERED, text)

    def _deliver_to(self, job: Job, name: str) -> None:
        with open_destination(self._config.destination(name), self._config) as destination:
            proofs = deliver(
                self._store.results(job.id),
                destination,
                before_sending=lambda: self._before_sending(job),
                on_event=lambda text: self._store.note(job, text),
            )
        for proof in proofs:
            self._store.record_proof(job, proof)

    def _before_sending(self, job: Job) -> None:
        if not self._store.begin_sending(job):
            raise JobCancelled("It ended before its results were sent.")


def _cheaper(request: JobRequest) -> list[str]:
    """What results made in a cheaper profile say of it, and the history of their job when its app does not."""
    made = f"made in the cheaper profile {request.profile}: {request.instead_of} ran out of GPU memory"
    return [made] if request.instead_of else []
