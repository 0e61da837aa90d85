# SPDX-License-Identifier: Apache-2.0
"""What may be asked of the journal, by any process."""

import json
import sqlite3
import threading
import time
from collections.abc import Collection, Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, Self

from ..errors import BadConfiguration
from ..model import (
    Event,
    Identity,
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
from .version import check_version

FILE_NAME = "gantry.sqlite"
NEWEST = 2**63 - 1  # above every row id
KEY = "source = ? AND called_ae_title = ? AND study_instance_uid = ? AND series_instance_uid = ?"


class Journal:
    """Read-only view of the journal under `storage`; safe beside a running gateway (WAL)."""

    def __init__(self, storage: Path) -> None:
        self.storage = storage
        self._lock = threading.RLock()
        self._db = self._connect()
        self._db.row_factory = sqlite3.Row
        # Sealed sets never change.
        self.input_set = lru_cache(maxsize=256)(self._input_set)

    def _connect(self) -> sqlite3.Connection:
        path = self.storage / FILE_NAME
        if not path.exists():
            raise BadConfiguration(
                f"{path} does not exist.", hint="Start `gantry serve` with this configuration once."
            )
        db = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30, check_same_thread=False)
        try:
            with suppress(sqlite3.Error):  # `trouble` tells of it
                check_version(db, path)
        except BadConfiguration:
            db.close()
            raise
        return db

    def close(self) -> None:
        """Close the data base."""
        with self._lock:
            self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _all(self, sql: str, *values: Any) -> list[sqlite3.Row]:
        with self._lock:
            return self._db.execute(sql, values).fetchall()

    def _one(self, sql: str, *values: Any) -> sqlite3.Row | None:
        rows = self._all(sql, *values)
        return rows[0] if rows else None

    def trouble(self) -> str:
        """Why the journal cannot be read; empty when it can."""
        try:
            self._all("SELECT id FROM job LIMIT 1")
        except sqlite3.Error as error:
            return str(error)
        return ""

    # instances and input sets

    def instance(self, sop_instance_uid: str) -> Instance | None:
        """The stored instance with this UID."""
        row = self._one("SELECT * FROM instance WHERE sop_instance_uid = ?", sop_instance_uid)
        return self._instance(row) if row else None

    def _instance(self, row: sqlite3.Row) -> Instance:
        return Instance(
            row["sop_instance_uid"],
            row["sop_class_uid"],
            row["series_instance_uid"],
            Identity(
                row["patient_id"], row["issuer_of_patient_id"], row["patient_name"], row["study_instance_uid"]
            ),
            self.storage / row["path"],
            row["sha256"],
            row["instance_number"],
            _numbers(row["image_position"]),  # type: ignore[arg-type]
            _numbers(row["image_orientation"]),
        )

    def arrived(self, key: SeriesKey) -> list[Instance]:
        """Every instance of the series that ever came in for this button."""
        return [
            self._instance(row)
            for row in self._all(
                "SELECT * FROM instance WHERE sop_instance_uid IN"
                f" (SELECT sop_instance_uid FROM arrival WHERE {KEY})"
                " ORDER BY instance_number, sop_instance_uid",
                *key_values(key),
            )
        ]

    def open_series(self) -> dict[SeriesKey, float]:
        """The series with arrivals that assemble has not seen, and when the last one came."""
        rows = self._all(
            "SELECT source, called_ae_title, study_instance_uid, series_instance_uid, max(at) AS at"
            " FROM arrival WHERE NOT seen GROUP BY 1, 2, 3, 4"
        )
        return {SeriesKey(*row[:4]): row["at"] for row in rows}

    def unseen_arrivals(self, key: SeriesKey) -> dict[str, int]:
        """Association id to number of instances, for the arrivals that assemble has not seen."""
        sql = f"SELECT association, count(*) FROM arrival WHERE NOT seen AND {KEY} GROUP BY 1"
        return dict(map(tuple, self._all(sql, *key_values(key))))

    def studies_of(self, series_instance_uid: str) -> set[str]:
        """The StudyInstanceUIDs under which instances of this series came in."""
        sql = "SELECT DISTINCT study_instance_uid FROM arrival WHERE series_instance_uid = ?"
        return {row[0] for row in self._all(sql, series_instance_uid)}

    def latest_set(self, key: SeriesKey) -> InputSet | None:
        """The highest revision that was sealed for the series and button."""
        row = self._one(
            f"SELECT id FROM input_set WHERE {KEY} ORDER BY revision DESC LIMIT 1", *key_values(key)
        )
        return self.input_set(row["id"]) if row else None

    def unrouted_sets(self) -> list[InputSet]:
        """The sealed sets whose jobs were not queued before a crash."""
        return [self.input_set(row[0]) for row in self._all("SELECT id FROM input_set WHERE NOT routed")]

    def _input_set(self, number: int) -> InputSet:
        row = self._all("SELECT * FROM input_set WHERE id = ?", number)[0]
        instances = self._all(
            "SELECT instance.* FROM instance JOIN input_set_instance USING (sop_instance_uid)"
            " WHERE input_set = ? ORDER BY instance_number, sop_instance_uid",
            number,
        )
        return InputSet(
            row["id"],
            SeriesKey(
                row["source"], row["called_ae_title"], row["study_instance_uid"], row["series_instance_uid"]
            ),
            row["revision"],
            row["hash"],
            tuple(map(self._instance, instances)),
            row["sealed_at"],
            row["closed_by"],
        )

    # jobs

    def job(self, number: int) -> Job | None:
        """The job with this number."""
        row = self._one("SELECT * FROM job WHERE id = ?", number)
        return self._job(row) if row else None

    def jobs(self, limit: int = 100, status: JobStatus | None = None, before: int | None = None) -> list[Job]:
        """The newest jobs first; `before`: only those with a lower number."""
        rows = self._all(
            "SELECT * FROM job WHERE id < ? AND (? IS NULL OR status = ?) ORDER BY id DESC LIMIT ?",
            NEWEST if before is None else before,
            status,
            status,
            limit,
        )
        return [self._job(row) for row in rows]

    def jobs_of(self, input_set: InputSet) -> list[Job]:
        """The jobs on this input set."""
        return [self._job(row) for row in self._all("SELECT * FROM job WHERE input_set = ?", input_set.id)]

    def _job(self, row: sqlite3.Row) -> Job:
        return Job(
            row["id"],
            self.input_set(row["input_set"]),
            row["route"],
            row["app"],
            JobStatus(row["status"]),
            row["attempts"],
            row["attempt"],
            row["created_at"],
            row["error"],
            row["hint"],
            row["profile"],
            Priority(row["priority"]),
            bool(row["alone"]),
            row["cheaper"],
        )

    def next_job(
        self,
        app: str,
        statuses: Sequence[JobStatus],
        priorities: Sequence[Priority] = tuple(Priority),
        longest_waiting: bool = False,
        without: Collection[int] = (),
    ) -> tuple[Job | None, float | None]:
        """The app's job that is due now with one of these statuses, else when the next one will be.

        The first by priority, or the one that is due for longest whatever its priority.  A job waits for its
        earlier revision, where that one has begun to send.  `without`: numbers of jobs that are not wanted.
        """
        now = time.time()
        heads = [
            row
            for priority in priorities
            for status in statuses
            if (row := self._head(app, status, priority, without))
        ]
        due = [row for row in heads if row["due"] <= now]
        if not due:
            return None, min((row["due"] for row in heads), default=None)
        first = min(due, key=lambda row: (0 if longest_waiting else row["priority"], row["due"], row["id"]))
        return self._job(first), None

    def _head(
        self, app: str, status: JobStatus, priority: Priority, without: Collection[int]
    ) -> sqlite3.Row | None:
        """The first by time due; an index says which, however long the queue is."""
        return self._one(
            "SELECT job.* FROM job JOIN input_set AS mine ON mine.id = job.input_set"
            " WHERE app = ? AND status = ? AND priority = ? AND NOT EXISTS"
            " (SELECT 1 FROM input_set AS its JOIN job AS earlier ON earlier.input_set = its.id"
            " WHERE (earlier.app, earlier.profile) = (job.app, job.profile) AND earlier.sending"
            " AND earlier.status NOT IN ('delivered', 'failed', 'cancelled') AND its.revision < mine.revision"
            " AND (its.source, its.called_ae_title, its.study_instance_uid, its.series_instance_uid) ="
            " (mine.source, mine.called_ae_title, mine.study_instance_uid, mine.series_instance_uid))"
            f" AND job.id NOT IN ({','.join('?' * len(without))}) ORDER BY due, job.id LIMIT 1",
            app,
            status,
            priority,
            *without,
        )

    def reached(self, job: Job) -> JobStatus:
        """The last status the job finished well: where a retry of a failed one goes on."""
        row = self._one("SELECT reached FROM job WHERE id = ?", job.id)
        return JobStatus(row["reached"]) if row else job.status

    def failing_since(self, job: Job) -> float | None:
        """Since when the step under way has failed, across restarts."""
        row = self._one("SELECT failing_since FROM job WHERE id = ?", job.id)
        return row[0] if row else None

    def paused(self) -> set[str]:
        """The apps whose jobs do not start."""
        return {row[0] for row in self._all("SELECT app FROM paused")}

    def gpu_peak(self, app: str, digest: str, profile: str) -> int | None:
        """The most GPU memory, in MB, that the app was seen to take in this profile; None before it ran on one."""
        sql = "SELECT mb FROM gpu_peak WHERE (app, digest, profile) = (?, ?, ?)"
        row = self._one(sql, app, digest, profile)
        return row["mb"] if row else None

    def counts(self) -> dict[str, int]:
        """How many jobs have each status."""
        return dict(map(tuple, self._all("SELECT status, count(*) FROM job GROUP BY 1")))

    def events(self, job: int) -> list[Event]:
        """The job's history, oldest first."""
        rows = self._all("SELECT at, job, text FROM event WHERE job = ? ORDER BY id", job)
        return [Event(*row) for row in rows]

    def results(self, job: int) -> tuple[Result, ...]:
        """The job's results, in the order the app gave them."""
        rows = self._all("SELECT * FROM result WHERE job = ? ORDER BY ordinal, kind", job)
        return tuple(map(self._result_of, rows))

    def accepted(self, job: Job, sop_instance_uid: str) -> list[Result]:
        """What was accepted under this UID from other jobs on the same instances, oldest first."""
        rows = self._all(
            "SELECT result.* FROM result JOIN job ON job.id = result.job"
            " JOIN input_set ON input_set.id = job.input_set WHERE sop_instance_uid = ? AND job.id != ?"
            " AND input_set.hash = ? AND reached IN ('validated', 'delivered') ORDER BY job.id",
            sop_instance_uid,
            job.id,
            job.input_set.hash,
        )
        return list(map(self._result_of, rows))

    def _result_of(self, row: sqlite3.Row) -> Result:
        return Result(
            self.storage / row["path"],
            row["kind"],
            row["sop_class_uid"],
            row["sop_instance_uid"],
            row["series_instance_uid"],
            row["sha256"],
            row["ordinal"],
            row["series_number"],
        )

    def proofs(self, job: int) -> list[Proof]:
        """What the destinations have shown to hold of the job's results, oldest first."""
        sql = "SELECT sop_instance_uid, destination, how, at FROM proof WHERE job = ? ORDER BY at"
        return [Proof(*row) for row in self._all(sql, job)]

    def refusals(self) -> list[Refusal]:
        """Callers that were turned away, newest first."""
        rows = self._all("SELECT * FROM refusal ORDER BY at DESC LIMIT 100")
        return [
            Refusal(row[0], row[1], row[2], row["reason"], row["hint"], row["at"], row["times"])
            for row in rows
        ]

    def predecessor(self, job: Job) -> Job | None:
        """The job of the revision before that has begun to send its results, or None."""
        key = job.input_set.key
        row = self._one(
            f"SELECT job.* FROM job JOIN input_set ON input_set.id = job.input_set WHERE {KEY}"
            " AND app = ? AND profile = ? AND sending AND revision < ? ORDER BY revision DESC LIMIT 1",
            *key_values(key),
            job.app,
            job.profile,
            job.input_set.revision,
        )
        return self._job(row) if row else None


def key_values(key: SeriesKey) -> tuple[str, str, str, str]:
    """The values of KEY's question marks."""
    return key.source, key.called_ae_title, key.study_instance_uid, key.series_instance_uid


def _numbers(text: str | None) -> tuple[float, ...] | None:
    numbers = json.loads(text) if text else None
    return None if numbers is None else tuple(numbers)
