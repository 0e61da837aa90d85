# SPDX-License-Identifier: Apache-2.0
"""What one run is given: its folders and what its results need of the job (docs/map-contract.md)."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, Self, get_args

from .errors import BadJob

SegmentationKind = Literal["binary", "labelmap"]


@dataclass(frozen=True)
class Replaced:
    """One delivered result of the previous revision, which a result of this run replaces."""

    kind: str
    ordinal: int
    sop_class_uid: str
    sop_instance_uid: str
    study_instance_uid: str
    series_instance_uid: str
    series_number: int

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Self:
        """Raises BadJob for a missing entry; unknown ones are left aside."""
        try:
            texts = {key: str(raw[key]) for key in _REPLACED_TEXTS}
            return cls(ordinal=int(raw["ordinal"]), series_number=int(raw["series_number"]), **texts)
        except (KeyError, TypeError, ValueError) as error:
            raise BadJob(f"GANTRY_JOB.replaces: {error!r}.") from error


_REPLACED_TEXTS = ("kind", "sop_class_uid", "sop_instance_uid", "study_instance_uid", "series_instance_uid")


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class JobContext:
    """GANTRY_JOB.  By hand, without a gateway: now, revision 1, binary segmentations, nothing replaced."""

    content_datetime: datetime = field(default_factory=_now)
    revision: int = 1
    segmentation: SegmentationKind = "binary"
    replaces: tuple[Replaced, ...] = ()
    profile: str = ""  # "": the default one
    instead_of: str = ""  # the profile that ran out of GPU memory, when this is the cheaper one

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Self:
        """Raises BadJob, naming the entry, for a value of another type or kind."""
        known: dict[str, Any] = {}
        if "content_datetime" in raw:
            known["content_datetime"] = _datetime(raw["content_datetime"])
        if "revision" in raw:
            known["revision"] = _revision(raw["revision"])
        if "segmentation" in raw:
            known["segmentation"] = _segmentation(raw["segmentation"])
        known["replaces"] = _replaces(raw.get("replaces", []))
        for key in ("profile", "instead_of"):
            known[key] = _profile(key, raw.get(key, ""))
        return cls(**known)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Of the variable GANTRY_JOB, or the defaults without it.  Raises BadJob."""
        text = environment.get("GANTRY_JOB", "")
        try:
            raw = json.loads(text) if text else {}
        except json.JSONDecodeError as error:
            raise BadJob(f"GANTRY_JOB is not JSON: {error}.") from error
        if not isinstance(raw, dict):
            raise BadJob("GANTRY_JOB is not a JSON object.")
        return cls.from_json(raw)

    def predecessor(self, kind: str, ordinal: int) -> Replaced | None:
        """The delivered result that the one of this kind and ordinal replaces."""
        same = (item for item in self.replaces if (item.kind, item.ordinal) == (kind, ordinal))
        return next(same, None)


def _datetime(value: Any) -> datetime:
    try:
        moment = datetime.fromisoformat(value)
    except (TypeError, ValueError) as error:
        raise BadJob(f"GANTRY_JOB.content_datetime {value!r} is not an ISO 8601 time.") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _replaces(value: Any) -> tuple[Replaced, ...]:
    if not isinstance(value, list):
        raise BadJob(f"GANTRY_JOB.replaces is not a list but {type(value).__name__}.")
    return tuple(Replaced.from_json(item) for item in value)


def _profile(key: str, value: Any) -> str:
    if not isinstance(value, str):
        raise BadJob(f"GANTRY_JOB.{key} {value!r} is no text.")
    return value


def _revision(value: Any) -> int:
    if not isinstance(value, int) or value < 1:
        raise BadJob(f"GANTRY_JOB.revision {value!r} is not a number from 1.")
    return value


def _segmentation(value: Any) -> SegmentationKind:
    for known in get_args(SegmentationKind):
        if value == known:
            return known  # type: ignore[no-any-return]
    raise BadJob(f"GANTRY_JOB.segmentation {value!r} is neither 'binary' nor 'labelmap'.")


@dataclass(frozen=True)
class Folders:
    """The folders of one run; `models` is None where the app is given none."""

    input: Path
    output: Path
    models: Path | None = None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Of HOLOSCAN_INPUT_PATH and its like, or of the older MONAI_INPUTPATH.  Raises BadJob."""
        return cls(
            _folder(environment, "HOLOSCAN_INPUT_PATH", "MONAI_INPUTPATH"),
            _folder(environment, "HOLOSCAN_OUTPUT_PATH", "MONAI_OUTPUTPATH"),
            models_folder(environment),
        )

    def to_environment(self) -> dict[str, str]:
        """The variables under which operators of the author's own find the folders."""
        paths = {"INPUT": self.input, "OUTPUT": self.output, "MODEL": self.models}
        given = {name: str(path) for name, path in paths.items() if path is not None}
        holoscan = {f"HOLOSCAN_{name}_PATH": path for name, path in given.items()}
        return holoscan | {f"MONAI_{name}PATH": path for name, path in given.items()}


def models_folder(environment: Mapping[str, str]) -> Path | None:
    """The models folder that the environment names, None where it names none."""
    named = environment.get("HOLOSCAN_MODEL_PATH") or environment.get("MONAI_MODELPATH")
    return Path(named) if named else None


def _folder(environment: Mapping[str, str], *names: str) -> Path:
    for name in names:
        if environment.get(name):
            return Path(environment[name])
    raise BadJob(f"The variable {names[0]} is not set.")


@dataclass(frozen=True)
class Run:
    """One run of the app: where it reads and writes, and for which job."""

    folders: Folders
    job: JobContext = field(default_factory=JobContext)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Raises BadJob."""
        return cls(Folders.from_environment(environment), JobContext.from_environment(environment))
