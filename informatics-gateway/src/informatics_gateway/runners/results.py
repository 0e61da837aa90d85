# SPDX-License-Identifier: Apache-2.0
"""results.json, as docs/map-contract.md says, read strictly before anything in it is believed."""

import os
import stat
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from imaging_data import check_uid
from imaging_data.errors import InvalidIdentifier

from ..errors import AppFailed, AppWroteNoManifest
from .folders import read_regular

FILE = "results.json"
SIZE_LIMIT = 4 << 20
AUTHOR = "Report it to the app's author: docs/map-contract.md says what results.json must hold."


def _uid(value: str) -> str:
    try:
        return check_uid(value, "UID")
    except InvalidIdentifier:
        raise ValueError("is no UID (PS3.5 section 9.1)") from None  # the value may be anything


Uid = Annotated[str, AfterValidator(_uid)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Text = Annotated[str, Field(min_length=1, max_length=1024)]
Number = Annotated[float, Field(allow_inf_nan=False)]


class _Entry(BaseModel):
    """Strict types and no infinite numbers; a key that is not known here is left alone."""

    model_config = ConfigDict(strict=True, frozen=True)


class AppEntry(_Entry):
    """Which app made the results."""

    name: Text
    version: Text
    creator: str
    digest: str
    profile: str = Field("", pattern=r"^[a-z0-9_.-]{0,64}$")


class InputEntry(_Entry):
    """What the app really read: `hash` is `imaging_data.input_hash` over the files of the series."""

    hash: Sha256
    series_instance_uid: Uid
    instances: int = Field(ge=1)


class ResultEntry(_Entry):
    """One DICOM object, in `file` beside results.json."""

    kind: str = Field(pattern=r"^[a-z][a-z0-9-]{0,63}$")
    ordinal: int = Field(ge=0)
    file: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$")
    sop_class_uid: Uid
    sop_instance_uid: Uid
    study_instance_uid: Uid
    series_instance_uid: Uid
    series_number: int
    sha256: Sha256


class MeasurementEntry(_Entry):
    """A plain number, with its UCUM unit and where it was measured."""

    name: Text
    value: Number
    unit: str
    site: str | None = None


class Results(_Entry):
    """The whole file."""

    contract: Literal[1]
    app: AppEntry
    input: InputEntry
    results: tuple[ResultEntry, ...] = Field(min_length=1, max_length=1000)
    measurements: tuple[MeasurementEntry, ...] = ()
    findings: tuple[Text, ...] = ()
    notes: tuple[Text, ...] = Field(default=(), max_length=100)
    models: dict[str, Sha256] = {}
    times: dict[str, Number] = {}
    device: str = ""

    @model_validator(mode="after")
    def one_of_each(self) -> Self:
        for what, values in (
            ("file", [entry.file for entry in self.results]),
            ("sop_instance_uid", [entry.sop_instance_uid for entry in self.results]),
            ("kind and ordinal", [(entry.kind, entry.ordinal) for entry in self.results]),
        ):
            if len(set(values)) < len(values):
                raise ValueError(f"two results have the same {what}")
        return self


def read_results(output: Path) -> Results:
    """Read results.json in an app's output folder, and see that the files it names are plain files there.

    What the files hold is validate's part.  Raises AppWroteNoManifest, or AppFailed naming the field.
    """
    try:
        content = read_regular(output / FILE, SIZE_LIMIT)
    except FileNotFoundError:
        raise AppWroteNoManifest from None
    except (OSError, ValueError) as error:
        raise AppFailed(f"{FILE} cannot be read: {error}.", AUTHOR) from error
    try:
        results = Results.model_validate_json(content)
    except ValidationError as error:
        raise AppFailed(f"{FILE} is not as agreed: {_first(error)}.", AUTHOR) from error
    for entry in results.results:
        if not _is_file(output / entry.file):
            raise AppFailed(f"{FILE} names {entry.file}, which is not there.", AUTHOR)
    return results


def _first(error: ValidationError) -> str:
    """Field and reason of the first problem, without the value: that may be anything."""
    problem = error.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(map(str, problem['loc'])) or 'the file'}: {problem['msg']}"


def _is_file(path: Path) -> bool:
    return os.path.lexists(path) and stat.S_ISREG(path.lstat().st_mode)
