# SPDX-License-Identifier: Apache-2.0
"""What every result is: something an app returns that knows how to become one DICOM object."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, runtime_checkable

from pydicom import Dataset

from imaging_data.identifiers import derive_uid

from ..context import JobContext, Replaced
from .evidence import Reference
from .source import Source

if TYPE_CHECKING:
    from imaging_data import Volume

    from ..info import AppInfo, Profile
    from .source import Image

RESEARCH_ONLY = "NOT FOR CLINICAL USE - RESEARCH ONLY"


class Result(Protocol):
    """A result type.  `kind` names it in results.json and in its file's name."""

    kind: ClassVar[str]

    def to_dicom(self, context: "ResultContext") -> Dataset:
        """The object's content; the writer adds identifiers, dates and what all results share.

        Raises InvalidResult when it does not fit `context.volume`.
        """


@runtime_checkable
class Placed(Protocol):
    """A result with a place in the patient."""

    def check_written(self, content: bytes, context: "ResultContext") -> None:
        """Read the object back from the very bytes that will leave, and compare it with this result.

        Raises WrongGeometry.
        """


Results = Result | Sequence[Result]


@dataclass(frozen=True)
class Trace:
    """How the results were computed.

    models: SHA-256 of each model by its name.
    engine: what ran them, "OpenVINO 2026.4" for one; empty where the app does not say.
    """

    models: Mapping[str, str] = field(default_factory=dict)
    engine: str = ""
    device: str = "cpu"


@dataclass(frozen=True, eq=False)
class RunContext:
    """What all results of one run have in common."""

    image: "Image"
    info: "AppInfo"
    digest: str
    job: JobContext
    trace: Trace = field(default_factory=Trace)

    @cached_property
    def input_hash(self) -> str:
        """The hash of the instance bytes that were read (docs/map-contract.md)."""
        return self.image.series.input_hash

    @cached_property
    def profile(self) -> "Profile":
        """In which profile the app ran.  Raises BadJob."""
        return self.info.profile(self.job.profile)

    @property
    def cheaper_text(self) -> str:
        """What results made in a cheaper profile say of that; empty for all others."""
        asked = self.job.instead_of
        return (
            f"made in the cheaper profile {self.profile.name}: {asked} ran out of GPU memory" if asked else ""
        )

    @cached_property
    def source(self) -> Source:
        """What results need of the series that the app read."""
        return Source(self.image)

    def tracking_uid(self, number: int, label: str) -> str:
        """The UID under which SEG and SR speak of one segment (PS3.16 TID 4108)."""
        origin = ("gantry", "tracking", self.input_hash, self.digest, self.profile.text)
        return derive_uid(*origin, str(number), label)

    @property
    def device_uid(self) -> str:
        """The UID of this app's code as a device."""
        return derive_uid("gantry", "device", self.digest)

    def revision_text(self, replaced: Replaced) -> str:
        """What a result of a later revision says of the one it replaces."""
        return f"rev {self.job.revision}, replaces series {replaced.series_number}"


@dataclass(frozen=True, eq=False)
class ResultContext:
    """Where one result stands: the run, its kind and ordinal, and the results that were encoded before it."""

    run: RunContext
    kind: str
    ordinal: int
    encoded: dict[int, Dataset] = field(default_factory=dict)  # by id() of the author's result

    @property
    def volume(self) -> "Volume":
        """The volume the app worked on.  Raises InvalidResult when it read a radiograph."""
        return self.source.volume

    @property
    def info(self) -> "AppInfo":
        """Who the app is."""
        return self.run.info

    @property
    def source(self) -> Source:
        return self.run.source

    @property
    def replaced(self) -> Replaced | None:
        """The delivered result that this one replaces."""
        return self.run.job.predecessor(self.kind, self.ordinal)

    @property
    def segmentations(self) -> list[Reference]:
        """The run's segmentations; they are encoded before all other results."""
        return [Reference.to(dataset) for dataset in self.encoded.values() if dataset.Modality == "SEG"]

    @property
    def evidence(self) -> list[Reference]:
        """What a report rests on: the run's segmentations and the source."""
        return [*self.segmentations, *self.source.references]

    def encoded_as(self, result: Any) -> Dataset | None:
        """The DICOM object that `result` became, None when it is not among the run's results."""
        return self.encoded.get(id(result))

    def tracking_uid(self, number: int, label: str) -> str:
        """The UID of one group of this report, which is about no segment."""
        return self.run.tracking_uid(number, f"{self.kind} {self.ordinal} {label}")

    def uid(self, *parts: str) -> str:
        """A UID that always belongs to this input, code, revision, profile, kind, ordinal and `parts`."""
        run, job = self.run, self.run.job
        origin = ("gantry", run.input_hash, run.digest, str(job.revision), job.segmentation, run.profile.text)
        return derive_uid(*origin, self.kind, str(self.ordinal), *parts)
