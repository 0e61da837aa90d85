# SPDX-License-Identifier: Apache-2.0
"""The line every study walks, once, one way: receive -> assemble -> route -> execute -> validate -> deliver.

Read this file first.  The receiver tells of arrivals; one intake thread assembles and routes; each app has
a lane that executes and a lane that validates and delivers, so that an archive that is down holds up no app,
and one app no other.  Only this module changes a job's status, and only after the step's work is durable: a
crash at any moment repeats at most the step that was under way.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, fields
from datetime import UTC, datetime

from imaging_data import ImagingDataError

from . import quarantine
from .assemble import seal
from .config import App, Config, Route
from .deliver import deliver
from .destinations import open_destination
from .errors import CrashLoop, GantryError, GatewayFault, JobCancelled, NoSuchJob, RouteRemoved
from .execute import Executor, JobRequest, load_manifest
from .intake import Intake
from .model import InputSet, Job, JobStatus, Result, SeriesKey
from .receive import Receiver
from .route import route
from .store import Store
from .validate import validate

log = logging.getLogger("gantry.pipeline")

MAX_ATTEMPTS = 3  # of execute; crashes of the gateway count
LONGEST_WAIT_S = 900.0
LOOK_AROUND_S = 1.0
EXECUTE_LANE = (JobStatus.QUEUED,)
DELIVER_LANE = (JobStatus.EXECUTED, JobStatus.VALIDATED)


@contextmanager
def faults_named(what: str) -> Iterator[None]:
    """The pipeline's one edge: a fault of ours becomes a GatewayFault, so that no thread ends by it."""
    try:
        yield
    except (GantryError, ImagingDataError):
        raise
    except Exception as error:
        log.exception("fault in the gateway: %s", what)
        raise GatewayFault(f"{type(error).__name__} while {what}.") from error


class Pipeline:
    """The running gateway, without its pages: the journal, the receiver, the lanes and the app processes."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.store = Store(config.storage.path)
        self.executor = Executor(config)
        self.intake = Intake(self.store, config, self.close_series)
        self.receiver = Receiver(config, self.intake)
        self._stopping = threading.Event()
        self._work = threading.Condition()
        self._news = 0
        self._cancels: dict[int, threading.Event] = {}
        self._threads: list[threading.Thread] = []
        self._steps: dict[JobStatus, Callable[[Job], None]] = {
            JobStatus.QUEUED: self._execute,
            JobStatus.EXECUTED: self._validate,
            JobStatus.VALIDATED: self._deliver,
        }

    def start(self) -> None:
        """Take up what a crash left, then open the doors."""
        self.executor.end_leftovers()
        self._route_what_a_crash_left()
        self.intake.recover()
        for app in self.config.apps:
            for statuses in (EXECUTE_LANE, DELIVER_LANE):
                self._spawn(f"{statuses[0]}-{app.name}", lambda a=app, s=statuses: self._lane(a, s))
        self._spawn("intake", self._intake)
        self.receiver.start()

    def stop(self) -> None:
        """Close the doors, end the app processes and wait for the lanes."""
        self.receiver.stop()
        self._stopping.set()
        self.intake.wake()
        for cancel in list(self._cancels.values()):
            cancel.set()
        self._wake_lanes()
        for thread in self._threads:
            thread.join()
        self.executor.close()
        self.store.close()

    def _spawn(self, name: str, run: Callable[[], None]) -> None:
        thread = threading.Thread(target=run, name=name, daemon=True)
        thread.start()
        self._threads.append(thread)

    # assemble and route

    def _intake(self) -> None:
        while not self._stopping.is_set():
            try:
                with faults_named("taking instances in"):
                    self.intake.turn()
            except GatewayFault:
                self._stopping.wait(1.0)  # a full disk, say, passes; arrivals are kept

    def close_series(self, key: SeriesKey, closed_by: str) -> None:
        """Seal the series and queue its jobs; a refusal goes to the quarantine, visible."""
        try:
            with faults_named(f"closing series {key.series_instance_uid}"):
                self._seal_and_queue(key, closed_by)
        except (GantryError, ImagingDataError) as error:
            self._refuse(key, closed_by, error)

    def _refuse(self, key: SeriesKey, closed_by: str, error: GantryError | ImagingDataError) -> None:
        log.warning("series %s to %s: %s", key.series_instance_uid, key.called_ae_title, error)
        instances = [each.sop_instance_uid for each in self.store.arrived(key)]
        facts = asdict(key) | {"closed_by": closed_by}
        quarantine.keep_series(self.store.storage, str(error), error.hint, None, instances, facts)
        self.store.mark_routed(key)
        self.store.mark_seen(key)

    def _seal_and_queue(self, key: SeriesKey, closed_by: str) -> list[int]:
        sealed = seal(self.store, key, closed_by)
        before = self.store.jobs_of(sealed.input_set)
        made = self._queue(sealed.input_set, route(sealed.input_set, self.config))
        if sealed.again:
            for job in before:
                self._sent_again(job)
            self.store.mark_seen(key)
        return made

    def _queue(self, input_set: InputSet, routes: Sequence[Route]) -> list[int]:
        made, ended = self.store.queue(input_set, [(each.name, each.app) for each in routes])
        for number in ended:
            self._cancel_attempt(number)
        self._wake_lanes()
        return made

    def _route_what_a_crash_left(self) -> None:
        for input_set in self.store.unrouted_sets():
            self.close_series(input_set.key, input_set.closed_by)

    def _sent_again(self, job: Job) -> None:
        again = f"sent again by {job.input_set.key.source}"
        if job.status is JobStatus.DELIVERED:
            self.store.resume(job, f"{again}: not run again, delivery is proved again")
        elif job.status in (JobStatus.FAILED, JobStatus.CANCELLED):
            self.store.resume(job, f"{again}: taken up where it stopped")
        else:
            self.store.note(job, f"{again}: is under way")
        self._wake_lanes()

    # the lanes

    def _lane(self, app: App, statuses: Sequence[JobStatus]) -> None:
        while not self._stopping.is_set():
            news = self._news
            job, due = self.store.next_job(app.name, statuses)
            if job is not None:
                self.take_step(job)
                self._wake_lanes()
            else:
                self._wait(news, due)
            if statuses is EXECUTE_LANE:
                self.executor.stop_idle()

    def _wait(self, news: int, due: float | None) -> None:
        """Wait for a job to become due, unless there was news since the journal was asked."""
        seconds = LOOK_AROUND_S if due is None else min(LOOK_AROUND_S, max(0.0, due - time.time()))
        with self._work:
            self._work.wait_for(lambda: self._news != news, seconds)

    def _wake_lanes(self) -> None:
        with self._work:
            self._news += 1
            self._work.notify_all()

    def take_step(self, job: Job) -> None:
        """Move the job one status along, or record why not."""
        try:
            with faults_named(f"working on job {job.id} after {job.status}"):
                self._steps[job.status](job)
        except GantryError as error:
            self._failed(job, error)

    def _failed(self, job: Job, error: GantryError) -> None:
        if self._stopping.is_set() and isinstance(error, JobCancelled):
            self.store.uncount(job)
            return
        wait = self._next_wait(job, error)
        if wait is not None:
            self.store.postpone(job, wait, error)
        elif self.store.end(job, JobStatus.FAILED, error):
            log.warning("job %d failed: %s", job.id, error.sentence)

    def _next_wait(self, job: Job, error: GantryError) -> float | None:
        """Seconds until the step is tried again; None: it is not."""
        if not error.retryable:
            return None
        tries = (self.store.job(job.id) or job).attempts
        if job.status is JobStatus.QUEUED:
            return 5.0**tries if tries < MAX_ATTEMPTS else None
        since = self.store.failing_since(job) or time.time()
        if time.time() - since > self.config.deliver.retry_hours * 3600:
            return None
        return float(min(LONGEST_WAIT_S, 2**tries))

    # execute, validate, deliver

    def _route_of(self, job: Job) -> Route:
        found = self.config.route(job.route)
        if found is None:
            raise RouteRemoved(f"{job.route}.")
        return found

    def _execute(self, job: Job) -> None:
        chosen = self._route_of(job)
        if job.attempts >= MAX_ATTEMPTS:
            raise CrashLoop(f"{job.attempts} attempts.")
        cancel = self._cancels[job.id] = threading.Event()
        try:
            self._attempt(job, chosen, cancel)
        finally:
            del self._cancels[job.id]

    def _attempt(self, job: Job, chosen: Route, cancel: threading.Event) -> None:
        starts = f"execute: {job.app} starts, attempt {job.attempt + 1}"
        begun = self.store.begin(job, starts, new_attempt=True)
        if begun is None:
            return
        started = time.monotonic()
        manifest = self.executor.execute(begun, self._request(begun, chosen), cancel)
        text = f"executed in {time.monotonic() - started:.2f} s: {len(manifest.results)} results"
        self.store.move(begun, JobStatus.EXECUTED, text, manifest.results)

    def _request(self, job: Job, chosen: Route) -> JobRequest:
        destinations = [self.config.destination(name) for name in chosen.destinations]
        labelmap = all(destination.segmentation == "labelmap" for destination in destinations)
        return JobRequest(
            content_datetime=datetime.fromtimestamp(job.created_at, UTC).isoformat(),
            revision=job.input_set.revision,
            segmentation="labelmap" if labelmap else "binary",
            replaces=self._replaces(job),
        )

    def _replaces(self, job: Job) -> tuple[dict[str, object], ...]:
        """What GANTRY_JOB says of the results of the revision before, where they were delivered."""
        keep = (
            "kind",
            "ordinal",
            "sop_class_uid",
            "sop_instance_uid",
            "series_instance_uid",
            "series_number",
        )
        study = {"study_instance_uid": job.input_set.identity.study_instance_uid}
        return tuple(
            {name: value for name, value in asdict(result).items() if name in keep} | study
            for result in self._replaced(job)
        )

    def _replaced(self, job: Job) -> tuple[Result, ...]:
        predecessor = self.store.predecessor(job)
        return self.store.results(predecessor.id) if predecessor else ()

    def _validate(self, job: Job) -> None:
        started = time.monotonic()
        manifest = load_manifest(self.executor.folder(job), job)
        replaced = self._replaced(job)
        results = validate(job, manifest, self.config.app(job.app).stage, predecessors=replaced)
        took = time.monotonic() - started
        self.store.move(
            job, JobStatus.VALIDATED, f"validated in {took:.2f} s: {len(results)} results accepted"
        )

    def _deliver(self, job: Job) -> None:
        chosen = self._route_of(job)
        begun = self.store.begin(job, f"deliver: to {', '.join(chosen.destinations)}", new_attempt=False)
        if begun is None:
            return
        results = self.store.results(job.id)
        for name in chosen.destinations:
            with open_destination(self.config.destination(name), self.config) as destination:
                proofs = deliver(
                    results,
                    destination,
                    before_sending=lambda: self._before_sending(job),
                    on_event=lambda text: self.store.note(job, text),
                )
            for proof in proofs:
                self.store.record_proof(job, proof)
        self.store.move(begun, JobStatus.DELIVERED, f"delivered: proved by {', '.join(chosen.destinations)}")

    def _before_sending(self, job: Job) -> None:
        if not self.store.begin_sending(job):
            raise JobCancelled("It ended before its results were sent.")

    # what people ask for

    def health(self) -> list[str]:
        """What is wrong with the running gateway, in sentences."""
        dead = [thread.name for thread in self._threads if not thread.is_alive()]
        return [f"The {name} thread has ended." for name in dead]

    def cancel(self, number: int) -> str:
        """End the job; what was sent stays."""
        job = self._job(number)
        if not self.store.end(job, JobStatus.CANCELLED, JobCancelled()):
            raise NoSuchJob(f"Job {number} has ended: {job.status}.", hint="Nothing is left to cancel.")
        self._cancel_attempt(number)
        return f"job {number} cancelled"

    def _cancel_attempt(self, number: int) -> None:
        attempt = self._cancels.get(number)
        if attempt is not None:
            attempt.set()

    def retry(self, number: int, rerun: bool = False) -> str:
        """Go on at the step that failed, with the same bytes; `rerun` makes a new revision instead."""
        job = self._job(number)
        if rerun:
            return self._rerun(job)
        if job.status is JobStatus.SUPERSEDED:
            raise NoSuchJob(f"Job {number} was superseded.", hint="Retry the job of the newer revision.")
        self.store.resume(job, "retry: asked for by hand")
        self._wake_lanes()
        return f"job {number} goes on"

    def _rerun(self, job: Job) -> str:
        old = job.input_set
        new = self.store.seal(old.key, old.hash, old.instances, "a rerun that was asked for by hand")
        made = self._queue(new, [self._route_of(job)])
        return f"job {made[0]} runs revision {new.revision}"

    def release(self, entry: str) -> str:
        """Take a quarantined instance or series up again; raises the reason when it still holds."""
        found = quarantine.show(self.store.storage, entry)
        if found.kind == "instance":
            self.intake.release(entry)
            return f"{entry} is taken in again"
        facts = {field.name: str(found.facts[field.name]) for field in fields(SeriesKey)}
        with self.intake.lock:
            jobs = self._seal_and_queue(SeriesKey(**facts), "a release from quarantine")
        quarantine.remove(self.store.storage, entry)
        return f"{entry} is released: {len(jobs)} jobs"

    def _job(self, number: int) -> Job:
        job = self.store.job(number)
        if job is None:
            raise NoSuchJob(f"Job {number}.")
        return job
