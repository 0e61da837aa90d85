# SPDX-License-Identifier: Apache-2.0
"""One run of a check, what is wrong with it, and how two runs on one case differ: in sentences, empty for none."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from pydicom import Dataset, dcmread

from imaging_data import Series, content_sha256, file_sha256, read_header

from ..errors import InvalidResult
from ..execute import as_manifest
from ..model import InputSet, Job, JobStatus, SeriesKey
from ..receive import read_instance
from ..runners.results import Results
from ..validate import validate
from .trial import Case

STAGE = "shadow"  # in which every app begins
UIDS = {
    "SOPClassUID": "sop_class_uid",
    "SOPInstanceUID": "sop_instance_uid",
    "SeriesInstanceUID": "series_instance_uid",
}


@dataclass(frozen=True)
class Run:
    """One run that ended well: its results, and the SHA-256 and attributes of each file, by its name.

    `asked`: how often it asked for the network.
    """

    label: str
    case: Case
    results: Results
    output: Path
    files: dict[str, str]
    headers: dict[str, Dataset]
    asked: int

    @property
    def said(self) -> tuple[object, ...]:
        """What must be the same in every run on this case, the files apart."""
        return self.results.input, self.results.measurements, self.results.findings

    @property
    def series(self) -> Series | None:
        """The series of the case that it says it read."""
        uid = self.results.input.series_instance_uid
        return next((each for each in self.case.series if each.series_instance_uid == uid), None)


def read_run(label: str, case: Case, results: Results, output: Path, asked: int = 0) -> Run:
    """The run with what its files hold.  Raises what `read_header` raises."""
    names = [entry.file for entry in results.results]
    hashes = {name: file_sha256(output / name) for name in names}
    headers = {name: read_header(output / name) for name in names}
    return Run(label, case, results, output, hashes, headers, asked)


def wrong_input(run: Run) -> str:
    """Whether input.hash is that of the series' files."""
    said, series = run.results.input, run.series
    if series is None:
        return f"{run.label}: input.series_instance_uid is no series of the input"
    right = (series.input_hash, len(series.instances)) == (said.hash, said.instances)
    return (
        "" if right else f"{run.label}: input.hash is not that of the series' {len(series.instances)} files"
    )


def wrong_identity(run: Run) -> str:
    """Whether each result carries the patient and study of its input."""
    for entry in run.results.results:
        header = run.headers[entry.file]
        if (str(header.get("PatientID", "")), str(header.get("StudyInstanceUID", ""))) != run.case.patient:
            return f"{run.label}: {entry.file} carries another PatientID or StudyInstanceUID than its input"
    return ""


def wrong_files(run: Run) -> str:
    """Whether each file is as results.json describes it."""
    for entry in run.results.results:
        if run.files[entry.file] != entry.sha256:
            return f"{run.label}: {entry.file} has another sha256 than results.json says"
        for keyword, field in UIDS.items():
            if run.headers[entry.file].get(keyword) != getattr(entry, field):
                return f"{run.label}: {entry.file} has another {keyword} than results.json says"
    return ""


def wrong_models(run: Run, known: Mapping[str, str]) -> str:
    """Whether the models that it says it used are those that are there; `known`: SHA-256 by name."""
    for name, sha256 in run.results.models.items():
        if known.get(name, sha256) != sha256:
            return f"{run.label}: results.json says another sha256 of the model {name} than it has"
    return ""


def invalid(run: Run) -> str:
    """Whether the gateway would let its results out: its own step `validate`."""
    if run.series is None:
        return ""
    paths = tuple(run.case.files[each.sop_instance_uid] for each in run.series.instances)
    input_set = _input_set(paths, run.series.input_hash)
    job = Job(1, input_set, "check", run.results.app.name, JobStatus.EXECUTED, 1, 1, 0.0)
    try:
        validate(job, as_manifest(run.results, run.output), STAGE)
    except InvalidResult as error:
        return f"{run.label}: {error}"
    return ""


@lru_cache(maxsize=8)
def _input_set(paths: tuple[Path, ...], digest: str) -> InputSet:
    instances = tuple(map(read_instance, paths))
    first = instances[0]
    key = SeriesKey("check", "check", first.study_instance_uid, first.series_instance_uid)
    return InputSet(1, key, 1, digest, instances, 0.0, "check")


def difference(one: Run, other: Run) -> str:
    """How two runs on the same case differ."""
    labels = f"{one.label} and {other.label} differ: "
    if one.results.app != other.results.app:
        return f"{labels}the app itself changed meanwhile (its digest is another)"
    first, second = one.files, other.files
    if set(first) != set(second):
        return f"{labels}other files"
    for name in first:
        if first[name] != second[name]:
            return f"{labels}{name}, {_how(one.output / name, other.output / name)}"
    return "" if one.said == other.said else f"{labels}measurements or findings in results.json"


def _how(one: Path, other: Path) -> str:
    alike = content_sha256(dcmread(one)) == content_sha256(dcmread(other))
    return "in UIDs, dates or times only" if alike else "in its content"
