# SPDX-License-Identifier: Apache-2.0
"""What `gantry serve`, and nobody else, writes into the journal."""

import fcntl
import json
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple
from pathlib import Path
from typing import Any

from imaging_data import ExplainedError

from ..config import Route
from ..errors import BadConfiguration
from ..model import (
    Association,
    InputSet,
    Instance,
    Job,
    JobStatus,
    Priority,
    Proof,
    Refusal,
    Result,
    SeriesKey,
)
from .journal import FILE_NAME, KEY, Journal, key_values
from .version import bring_up_to_date


class Store(Journal):
    """The journal's one writer.  A second one on the same storage folder is refused by name."""

    def __init__(self, storage: Path) -> None:
        storage.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock_file = (storage / "lock").open("w")
        try:
            fcntl.flock(self._lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._lock_file.close()
            raise BadConfiguration(
                f"{storage} is in use by another gantry serve.",
                hint="Stop that one, or give this one its own [storage] path.",
            ) from None
        super().__init__(storage)

    def _connect(self) -> sqlite3.Connection:
        db = sqlite3.connect(
            self.storage / FILE_NAME, isolation_level=None, timeout=30, check_same_thread=False
        )
        try:
            db.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL")
            bring_up_to_date(db, self.storage / FILE_NAME)
            db.execute("PRAGMA foreign_keys = ON")
        except BaseException:
            db.close()
            self._lock_file.close()
            raise
        return db

    def close(self) -> None:
        """Close the data base and let the next writer in."""
        super().close()
        self._lock_file.close()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def _event(self, job: int, text: str) -> None:
        self._db.execute("INSERT INTO event (job, at, text) VALUES (?, ?, ?)", (job, time.time(), text))

    # receive and assemble

    def record_arrivals(self, arrivals: Sequence[tuple[Association, Instance, float]]) -> None:
        """Journal instances and their arrivals, all or none; what is known already stays as it is.

        An instance that the same association brings again, later, is not seen yet.
        """
        with self._transaction() as db:
            for association, instance, at in arrivals:
                db.execute(
                    "INSERT OR IGNORE INTO association VALUES (?, ?, ?, ?, ?, ?)", astuple(association)
                )
                db.execute(
                    f"INSERT OR IGNORE INTO instance VALUES ({','.join('?' * 12)})", self._row(instance)
                )
                db.execute(
                    "INSERT INTO arrival (association, sop_instance_uid, source, called_ae_title,"
                    " study_instance_uid, series_instance_uid, at) VALUES (?, ?, ?, ?, ?, ?, ?)"
                    " ON CONFLICT DO UPDATE SET seen = seen AND excluded.at <= at, at = excluded.at",
                    (
                        association.id,
                        instance.sop_instance_uid,
                        *key_values(_series_key(association, instance)),
                        at,
                    ),
                )

    def _row(self, instance: Instance) -> tuple[Any, ...]:
        identity = instance.identity
        return (
            instance.sop_instance_uid,
            instance.sop_class_uid,
            instance.series_instance_uid,
            identity.study_instance_uid,
            identity.patient_id,
            identity.issuer_of_patient_id,
            identity.patient_name,
            str(instance.path.relative_to(self.storage)),
            instance.sha256,
            instance.instance_number,
            json.dumps(instance.image_position),
            json.dumps(instance.image_orientation),
        )

    def mark_seen(self, key: SeriesKey) -> None:
        """The series' arrivals were sealed, found sealed already, or refused."""
        with self._transaction() as db:
            db.execute(f"UPDATE arrival SET seen = 1 WHERE {KEY}", key_values(key))

    def seal(self, key: SeriesKey, hash_: str, instances: Sequence[Instance], closed_by: str) -> InputSet:
        """Seal the next revision of the series and mark the arrivals that it holds seen."""
        with self._transaction() as db:
            [[revision]] = db.execute(
                f"SELECT coalesce(max(revision), 0) + 1 FROM input_set WHERE {KEY}", key_values(key)
            ).fetchall()
            number = db.execute(
                "INSERT INTO input_set (source, called_ae_title, study_instance_uid, series_instance_uid,"
                " revision, hash, sealed_at, closed_by) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (*key_values(key), revision, hash_, time.time(), closed_by),
            ).lastrowid
            db.executemany(
                "INSERT INTO input_set_instance VALUES (?, ?)",
                [(number, instance.sop_instance_uid) for instance in instances],
            )
            db.execute(
                f"UPDATE arrival SET seen = 1 WHERE {KEY} AND sop_instance_uid IN"
                " (SELECT sop_instance_uid FROM input_set_instance WHERE input_set = ?)",
                (*key_values(key), number),
            )
            assert number is not None
            return self.input_set(number)

    # jobs

    def queue(self, input_set: InputSet, routes: Sequence[Route]) -> tuple[list[int], list[int]]:
        """The set is routed: one job for each route whose app has none on it in that profile.

        Jobs of the same app and profile on earlier revisions that have sent nothing are superseded.  Returns
        the numbers of the new jobs and of the superseded ones.
        """
        with self._transaction() as db:
            made: list[int] = []
            ended: list[int] = []
            for route in routes:
                ended += self._supersede(db, input_set, route)
                made += self._queue_one(db, input_set, route)
            db.execute("UPDATE input_set SET routed = 1 WHERE id = ?", (input_set.id,))
            return made, ended

    def _queue_one(self, db: sqlite3.Connection, input_set: InputSet, route: Route) -> list[int]:
        now, count = time.time(), len(input_set.instances)
        priority = route.priority or "normal"
        numbers = db.execute(
            "INSERT OR IGNORE INTO job (input_set, route, app, profile, status, reached, due, created_at, priority)"
            " VALUES (?, ?, ?, ?, 'queued', 'queued', ?, ?, ?) RETURNING id",
            (input_set.id, route.name, route.app, route.profile or "", now, now, Priority.named(priority)),
        ).fetchall()
        profile = f", profile {route.profile}" if route.profile else ""
        first = f"queued for {route.app}{profile}{f', {priority}' if route.priority else ''}"
        what = f"revision {input_set.revision}, {count} instance{'s'[: count != 1]}"
        for (number,) in numbers:
            self._event(number, f"{first}: {what}, closed by {input_set.closed_by}")
        return [number for (number,) in numbers]

    def _supersede(self, db: sqlite3.Connection, input_set: InputSet, route: Route) -> list[int]:
        numbers = db.execute(
            "UPDATE job SET status = 'superseded' WHERE app = ? AND profile = ? AND NOT sending"
            " AND status NOT IN ('delivered', 'cancelled', 'superseded') AND input_set IN"
            f" (SELECT id FROM input_set WHERE {KEY} AND revision < ?) RETURNING id",
            (route.app, route.profile or "", *key_values(input_set.key), input_set.revision),
        ).fetchall()
        for (number,) in numbers:
            self._event(number, f"superseded: revision {input_set.revision} of the series came in")
        return [number for (number,) in numbers]

    def mark_routed(self, key: SeriesKey) -> None:
        """The series' sets are in quarantine: no route took them."""
        with self._transaction() as db:
            db.execute(f"UPDATE input_set SET routed = 1 WHERE {KEY}", key_values(key))

    def begin(self, job: Job, text: str, new_attempt: bool) -> Job | None:
        """Count a try of the step under way before it starts, so that crashes count too.

        None when the job was ended meanwhile.
        """
        with self._transaction() as db:
            changed = db.execute(
                "UPDATE job SET attempts = attempts + 1, attempt = attempt + ? WHERE id = ? AND status = ?",
                (int(new_attempt), job.id, job.status),
            ).rowcount
            if not changed:
                return None
            self._event(job.id, text)
            return self.job(job.id)

    def uncount(self, job: Job) -> None:
        """The step under way was ended because the gateway stops, which says nothing against the app."""
        with self._transaction() as db:
            db.execute("UPDATE job SET attempts = max(0, attempts - 1) WHERE id = ?", (job.id,))
            self._event(job.id, "interrupted: the gateway stops")

    def begin_sending(self, job: Job) -> bool:
        """Mark that bytes of the job's results leave now; False when it was ended meanwhile."""
        with self._transaction() as db:
            done = db.execute("UPDATE job SET sending = 1 WHERE id = ? AND status = 'validated'", (job.id,))
            return bool(done.rowcount)

    def move(
        self,
        job: Job,
        to: JobStatus,
        text: str,
        results: Sequence[Result] = (),
        notes: Sequence[str] = (),
    ) -> bool:
        """The step under way is done: write status, events (`text`, then `notes`) and results at once.

        False, and nothing is written, when the job was ended meanwhile.
        """
        with self._transaction() as db:
            changed = db.execute(
                "UPDATE job SET status = ?, reached = ?, attempts = 0, due = ?, failing_since = NULL,"
                " error = '', hint = '' WHERE id = ? AND status = ?",
                (to, to, time.time(), job.id, job.status),
            ).rowcount
            if changed:
                for result in results:
                    db.execute(
                        "INSERT INTO result VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", self._result(job, result)
                    )
                for line in (text, *notes):
                    self._event(job.id, line)
            return bool(changed)

    def adopt(self, job: Job, first: Result) -> None:
        """The job's result of this UID is from now on the file that was accepted first under it."""
        with self._transaction() as db:
            db.execute(
                "UPDATE result SET path = ?, sha256 = ? WHERE job = ? AND sop_instance_uid = ?",
                (str(first.path.relative_to(self.storage)), first.sha256, job.id, first.sop_instance_uid),
            )
            self._event(
                job.id, f"{first.kind}: the same was accepted before, only its times differ; that one counts"
            )

    def _result(self, job: Job, result: Result) -> tuple[Any, ...]:
        return (
            job.id,
            result.ordinal,
            result.kind,
            str(result.path.relative_to(self.storage)),
            result.sop_class_uid,
            result.sop_instance_uid,
            result.series_instance_uid,
            result.series_number,
            result.sha256,
        )

    def postpone(self, job: Job, seconds: float, error: ExplainedError) -> None:
        """Try the step again later."""
        now = time.time()
        with self._transaction() as db:
            db.execute(
                "UPDATE job SET due = ?, error = ?, hint = ?, failing_since = coalesce(failing_since, ?)"
                " WHERE id = ?",
                (now + seconds, str(error), error.hint, now, job.id),
            )
            self._event(job.id, f"{error} Next try in {seconds:.0f} s.")

    def run_lighter(self, job: Job, cheaper: str, text: str) -> None:
        """The app ran out of GPU memory: it runs again at once, alone on its card, in this profile if any."""
        with self._transaction() as db:
            db.execute(
                "UPDATE job SET alone = 1, cheaper = ?, attempts = 0, due = ? WHERE id = ? AND status = 'queued'",
                (cheaper, time.time(), job.id),
            )
            self._event(job.id, text)

    def pause(self, app: str) -> bool:
        """No job of the app starts any more; False when that is so already."""
        with self._transaction() as db:
            return bool(db.execute("INSERT OR IGNORE INTO paused VALUES (?, ?)", (app, time.time())).rowcount)

    def unpause(self, app: str) -> bool:
        """The app's jobs start again; False when it was not paused."""
        with self._transaction() as db:
            return bool(db.execute("DELETE FROM paused WHERE app = ?", (app,)).rowcount)

    def record_gpu_peak(self, app: str, digest: str, profile: str, mb: int) -> None:
        """The app was seen to take so much GPU memory in this profile; the most is kept."""
        with self._transaction() as db:
            db.execute(
                "INSERT INTO gpu_peak VALUES (?, ?, ?, ?, ?)"
                " ON CONFLICT DO UPDATE SET mb = max(mb, excluded.mb), at = excluded.at",
                (app, digest, profile, mb, time.time()),
            )

    def end(self, job: Job, status: JobStatus, error: ExplainedError) -> bool:
        """Fail or cancel the job, unless it ended meanwhile."""
        ended = [each for each in JobStatus if each.ended]
        with self._transaction() as db:
            changed = db.execute(
                "UPDATE job SET status = ?, error = ?, hint = ? WHERE id = ?"
                f" AND status NOT IN ({','.join('?' * len(ended))})",
                (status, str(error), error.hint, job.id, *ended),
            ).rowcount
            if changed:
                self._event(job.id, f"{status}: {error} {error.hint}")
            return bool(changed)

    def resume(self, job: Job, text: str) -> None:
        """Take an ended job up again at the step that failed; a delivered one is proved again.

        One whose app runs again runs as it was asked for at first.
        """
        reached = JobStatus.VALIDATED if job.status is JobStatus.DELIVERED else None
        with self._transaction() as db:
            db.execute(
                "UPDATE job SET status = coalesce(?, reached), reached = coalesce(?, reached), attempts = 0,"
                " due = ?, failing_since = NULL, error = '', hint = '' WHERE id = ?",
                (reached, reached, time.time(), job.id),
            )
            db.execute("UPDATE job SET alone = 0, cheaper = '' WHERE id = ? AND status = 'queued'", (job.id,))
            self._event(job.id, text)

    def note(self, job: Job, text: str) -> None:
        """One more line in the job's history."""
        with self._transaction():
            self._event(job.id, text)

    def record_proof(self, job: Job, proof: Proof) -> None:
        """A destination has shown that it holds a result."""
        with self._transaction() as db:
            db.execute(
                "INSERT INTO proof VALUES (?, ?, ?, ?, ?)",
                (job.id, proof.sop_instance_uid, proof.destination, proof.how, proof.at),
            )

    def record_refusal(self, refusal: Refusal) -> None:
        """A caller was turned away; the same one for the same reason is counted."""
        with self._transaction() as db:
            db.execute(
                "INSERT INTO refusal VALUES (?, ?, ?, ?, ?, ?, 1)"
                " ON CONFLICT DO UPDATE SET at = excluded.at, times = times + 1",
                astuple(refusal)[:6],
            )


def _series_key(association: Association, instance: Instance) -> SeriesKey:
    return SeriesKey(
        association.source,
        association.called_ae_title,
        instance.study_instance_uid,
        instance.series_instance_uid,
    )
