# SPDX-License-Identifier: Apache-2.0
"""What is shown, on the pages and by the API: no patient's name, ID or birth date, as there is no sign-in."""

from datetime import datetime
from importlib.metadata import version
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, FiniteFloat

from ..model import JobStatus

VERSION = version("gantry")


class Answer(BaseModel):
    """A frozen piece of an answer.  Times carry their zone, durations are seconds."""

    model_config = ConfigDict(frozen=True)


class JobSummary(Answer):
    """One job: one app on one series for one button.

    `status` is what the job has finished, `reached` the last status it finished well, `latest` the last
    line of its history.  `profile`: "" is the app's default one.  `seconds` runs from when the job was made to
    its end, or to now.
    """

    id: int
    source: str
    called_ae_title: str
    app: str
    profile: str
    study_instance_uid: str
    series_instance_uid: str
    series_description: str
    revision: int
    instances: int
    status: JobStatus
    reached: JobStatus
    ended: bool
    created_at: datetime
    changed_at: datetime
    seconds: float
    latest: str
    error: str
    hint: str


class EventAnswer(Answer):
    """One dated line in a job's history; `after_s`: since the line before."""

    at: datetime
    after_s: float
    text: str


class ProofAnswer(Answer):
    """A destination has shown that it holds a result."""

    destination: str
    how: str
    at: datetime


class ResultAnswer(Answer):
    """One DICOM object that the app made, and which destinations have proved to hold it."""

    kind: str
    ordinal: int
    sop_class_uid: str
    sop_class: str
    sop_instance_uid: str
    series_instance_uid: str
    series_number: int | None
    sha256: str
    proofs: tuple[ProofAnswer, ...]


class MeasurementAnswer(Answer):
    """One number that the app measured."""

    name: str
    value: FiniteFloat
    unit: str = ""
    site: str | None = None


class AppVersion(Answer):
    """The app as it named itself when it ran."""

    name: str = ""
    version: str = ""


class Report(Answer):
    """What the app's results.json says besides its results.  Empty until the results are validated."""

    app: AppVersion = AppVersion()
    measurements: tuple[MeasurementAnswer, ...] = ()
    findings: tuple[str, ...] = ()
    times: dict[str, FiniteFloat] = {}
    device: str = ""


class JobDetail(JobSummary):
    """One job with its history, results, proofs and numbers."""

    closed_by: str
    attempts: int
    events: tuple[EventAnswer, ...]
    results: tuple[ResultAnswer, ...]
    report: Report
    picture: str | None  # path of the picture of the result


class JobPage(Answer):
    """Some jobs, the newest first.  `next_before` is `before` of the next page, null on the last one."""

    jobs: tuple[JobSummary, ...]
    next_before: int | None
    counts: dict[JobStatus, int]


class RefusalAnswer(Answer):
    """A caller that was turned away, and what to add to the configuration to let it in."""

    calling_ae_title: str
    called_ae_title: str
    host: str
    reason: str
    hint: str
    at: datetime
    times: int


class QuarantineAnswer(Answer):
    """Something that was refused and kept; `release` is the command that takes it in again."""

    id: str
    kind: Literal["instance", "series"]
    sentence: str
    hint: str
    at: datetime
    source: str
    called_ae_title: str
    instances: int
    release: str


class Mistake(Answer):
    """Why there is no answer."""

    detail: str


MISTAKES: dict[int | str, dict[str, Any]] = {
    404: {"model": Mistake, "description": "There is no such thing here."},
    422: {"model": Mistake, "description": "A value in the address is not of its kind."},
    503: {"model": Mistake, "description": "The journal, or the data set, cannot be read now."},
}
