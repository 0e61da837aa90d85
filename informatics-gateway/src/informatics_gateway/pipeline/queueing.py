# SPDX-License-Identifier: Apache-2.0
"""From a closed series to its jobs: seal, route, queue; and what people ask for afterwards."""

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import asdict, fields

from imaging_data import ExplainedError

from .. import quarantine
from ..assemble import seal
from ..config import Config, Route
from ..errors import JobCancelled, NoSuchApp, NoSuchJob, RouteRemoved
from ..model import InputSet, Job, JobStatus, SeriesKey
from ..route import route
from ..store import Store
from .faults import faults_named

log = logging.getLogger("gantry.pipeline")


class Queueing:
    """Makes jobs, ends them and takes them up again.  `on_news` tells the lanes; `on_ended` ends an attempt."""

    def __init__(
        self, store: Store, config: Config, on_news: Callable[[], None], on_ended: Callable[[int], None]
    ) -> None:
        self._store, self._config = store, config
        self._on_news, self._on_ended = on_news, on_ended
        self.assembling = threading.Lock()  # held while arrivals are taken in or a series is sealed

    def recover(self) -> None:
        """Route what was sealed and not routed when the gateway ended."""
        for input_set in self._store.unrouted_sets():
            self.close_series(input_set.key, input_set.closed_by)

    def close_series(self, key: SeriesKey, closed_by: str) -> None:
        """Seal the series and queue its jobs; a refusal goes to the quarantine, visible."""
        try:
            with faults_named(f"closing series {key.series_instance_uid}"):
                self._seal_and_queue(key, closed_by)
        except ExplainedError as error:
            self._refuse(key, closed_by, error)

    def _seal_and_queue(self, key: SeriesKey, closed_by: str) -> list[int]:
        sealed = seal(self._store, key, closed_by)
        before = self._store.jobs_of(sealed.input_set)
        made = self._queue(sealed.input_set, route(sealed.input_set, self._config))
        if sealed.again:
            for job in before:
                self._sent_again(job)
            self._store.mark_seen(key)
        return made

    def _refuse(self, key: SeriesKey, closed_by: str, error: ExplainedError) -> None:
        log.warning("series %s to %s: %s", key.series_instance_uid, key.called_ae_title, error)
        instances = [each.sop_instance_uid for each in self._store.arrived(key)]
        facts = asdict(key) | {"closed_by": closed_by}
        quarantine.keep_series(self._store.storage, str(error), error.hint, None, instances, facts)
        self._store.mark_routed(key)
        self._store.mark_seen(key)

    def _queue(self, input_set: InputSet, routes: Sequence[Route]) -> list[int]:
        made, ended = self._store.queue(input_set, [self._with_priority(each, input_set) for each in routes])
        for number in ended:
            self._on_ended(number)
        self._on_news()
        return made

    def _with_priority(self, route: Route, input_set: InputSet) -> Route:
        """The route with the priority that its job gets, as the source may say another."""
        return route.model_copy(update={"priority": self._config.priority(route, input_set.key.source)})

    def _sent_again(self, job: Job) -> None:
        again = f"sent again by {job.input_set.key.source}"
        if job.status is JobStatus.DELIVERED:
            self._store.resume(job, f"{again}: not run again, delivery is proved again")
        elif job.status in (JobStatus.FAILED, JobStatus.CANCELLED):
            self._store.resume(job, f"{again}: taken up where it stopped")
        else:
            self._store.note(job, f"{again}: is under way")
        self._on_news()

    # what people ask for

    def release(self, entry: quarantine.Entry) -> str:
        """Take a quarantined series up again; raises the reason when it still holds."""
        facts = {field.name: str(entry.facts[field.name]) for field in fields(SeriesKey)}
        with self.assembling:
            jobs = self._seal_and_queue(SeriesKey(**facts), "a release from quarantine")
        quarantine.remove(self._store.storage, entry.id)
        return f"{entry.id} is released: {len(jobs)} new jobs"

    def cancel(self, number: int) -> str:
        """End the job; what was sent stays."""
        job = self._job(number)
        if not self._store.end(job, JobStatus.CANCELLED, JobCancelled()):
            raise NoSuchJob(f"Job {number} has ended: {job.status}.", hint="Nothing is left to cancel.")
        self._on_ended(number)
        return f"job {number} cancelled"

    def retry(self, number: int, rerun: bool = False) -> str:
        """Go on at the step that failed, with the same bytes; `rerun` makes a new revision instead."""
        job = self._job(number)
        if rerun:
            return self._rerun(job)
        if job.status is JobStatus.SUPERSEDED:
            raise NoSuchJob(f"Job {number} was superseded.", hint="Retry the job of the newer revision.")
        self._store.resume(job, "retry: asked for by hand")
        self._on_news()
        return f"job {number} goes on"

    def pause(self, app: str) -> str:
        """No further job of the app starts, across restarts; what runs goes on, and results are delivered."""
        news = self._store.pause(self._app(app))
        return f"{app} is paused" if news else f"{app} was paused already"

    def unpause(self, app: str) -> str:
        """The app's jobs start again."""
        news = self._store.unpause(self._app(app))
        self._on_news()
        return f"{app} goes on" if news else f"{app} was not paused"

    def _app(self, name: str) -> str:
        known = [app.name for app in self._config.apps]
        if name not in known:
            raise NoSuchApp(f"There is no {name!r} but: {', '.join(known) or 'none'}.")
        return name

    def _rerun(self, job: Job) -> str:
        chosen, old = self._config.route(job.route), job.input_set
        if chosen is None:
            raise RouteRemoved(f"{job.route}.")
        with self.assembling:
            new = self._store.seal(old.key, old.hash, old.instances, "a rerun that was asked for by hand")
            [made] = self._queue(new, [chosen])
        return f"job {made} runs revision {new.revision}"

    def _job(self, number: int) -> Job:
        job = self._store.job(number)
        if job is None:
            raise NoSuchJob(f"Job {number}.")
        return job
