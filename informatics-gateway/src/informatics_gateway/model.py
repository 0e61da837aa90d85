# SPDX-License-Identifier: Apache-2.0
"""The nouns of the gateway.  Plain frozen data: no I/O, no SQL, no DICOM networking."""

from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from pathlib import Path
from typing import Any

RESEARCH_ONLY = "NOT FOR CLINICAL USE - RESEARCH ONLY"  # what each result of an app that is not promoted says


class JobStatus(StrEnum):
    """What a job has *finished*; what is under way is an Event, so nothing can be stuck in 'running'."""

    QUEUED = "queued"
    EXECUTED = "executed"
    VALIDATED = "validated"
    DELIVERED = "delivered"
    FAILED = "failed"
    CANCELLED = "cancelled"
    SUPERSEDED = "superseded"

    @property
    def ended(self) -> bool:
        """Whether nothing more happens to the job by itself."""
        return self in (self.DELIVERED, self.FAILED, self.CANCELLED, self.SUPERSEDED)


class Priority(IntEnum):
    """Which job goes first: the lower number."""

    URGENT = 0
    NORMAL = 1
    BACKGROUND = 2

    @classmethod
    def named(cls, name: str) -> "Priority":
        """The priority as gantry.toml names it."""
        return cls[name.upper()]


@dataclass(frozen=True)
class Association:
    """Who sent, and which button was pressed.  `id` names its folder under `incoming/`."""

    id: str
    source: str
    calling_ae_title: str
    called_ae_title: str
    host: str
    at: float


@dataclass(frozen=True)
class Identity:
    """Whose study it is (PS3.3 C.7.1.1): what must be one within an input set and in every result."""

    patient_id: str
    issuer_of_patient_id: str
    patient_name: str
    study_instance_uid: str


@dataclass(frozen=True)
class Instance:
    """One SOP instance on disk.  `sha256` is of the whole file's bytes."""

    sop_instance_uid: str
    sop_class_uid: str
    series_instance_uid: str
    identity: Identity
    path: Path
    sha256: str
    instance_number: int | None = None
    image_position: tuple[float, float, float] | None = None  # mm, LPS
    image_orientation: tuple[float, ...] | None = None  # six direction cosines

    @property
    def study_instance_uid(self) -> str:
        """The study it belongs to."""
        return self.identity.study_instance_uid


@dataclass(frozen=True)
class SeriesKey:
    """The unit of assembly: one series pressed onto one button by one source."""

    source: str
    called_ae_title: str
    study_instance_uid: str
    series_instance_uid: str


@dataclass(frozen=True)
class InputSet:
    """The sealed list of instances a job runs on.

    `hash` is `imaging_data.input_hash` of the instances' sha256; `revision` counts from 1 per SeriesKey.
    """

    id: int
    key: SeriesKey
    revision: int
    hash: str
    instances: tuple[Instance, ...]
    sealed_at: float
    closed_by: str

    @property
    def identity(self) -> Identity:
        """The one identity of the set (assemble refuses a set with two)."""
        return self.instances[0].identity


@dataclass(frozen=True)
class Result:
    """One DICOM object an app made, as its results.json describes it."""

    path: Path
    kind: str
    sop_class_uid: str
    sop_instance_uid: str
    series_instance_uid: str
    sha256: str
    ordinal: int = 0
    series_number: int | None = None


@dataclass(frozen=True)
class Job:
    """One app on one input set: the durable unit.

    `alone`: it ran out of GPU memory, and gets a card for itself.  `cheaper`: the profile that it runs in
    instead of its own, because it ran out of memory alone too; "" for none.
    """

    id: int
    input_set: InputSet
    route: str  # name of the route, by which its app and destinations are found in the configuration
    app: str
    status: JobStatus
    attempts: int  # attempts of the step under way; crashes count
    attempt: int  # number of the attempt folder in use, from 1
    created_at: float
    error: str = ""
    hint: str = ""
    profile: str = ""  # "": the app's default one
    priority: Priority = Priority.NORMAL
    alone: bool = False
    cheaper: str = ""

    @property
    def runs_as(self) -> str:
        """The profile in which it runs."""
        return self.cheaper or self.profile


@dataclass(frozen=True)
class AttemptFolder:
    """The folder of one try at executing a job: input/ (read only), output/ and app.log."""

    path: Path

    @property
    def input(self) -> Path:
        """The folder of the input set's files."""
        return self.path / "input"

    @property
    def output(self) -> Path:
        """The folder that the app writes to."""
        return self.path / "output"

    @property
    def log(self) -> Path:
        """What the app printed."""
        return self.path / "app.log"


@dataclass(frozen=True)
class Event:
    """One dated line in a job's history."""

    at: float
    job: int
    text: str


@dataclass(frozen=True)
class Manifest:
    """results.json of one attempt, as read by the gateway (see docs/map-contract.md)."""

    app: str
    version: str
    input_hash: str
    results: tuple[Result, ...]
    measurements: tuple[dict[str, Any], ...] = ()
    findings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    times: dict[str, float] = field(default_factory=dict)
    device: str = ""


@dataclass(frozen=True)
class Proof:
    """One destination has shown that it holds one result.  `how`: in words, for the job's events."""

    sop_instance_uid: str
    destination: str
    how: str
    at: float


@dataclass(frozen=True)
class Refusal:
    """A caller that was turned away, and what to add to the configuration to let it in."""

    calling_ae_title: str
    called_ae_title: str
    host: str
    reason: str
    hint: str
    at: float
    times: int = 1
