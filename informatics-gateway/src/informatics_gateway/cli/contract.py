# SPDX-License-Identifier: Apache-2.0
"""Does an app keep docs/map-contract.md?  It runs on two cases, A, B, A cold and A, B, A warm, and on none.

Everything is compared in files: the same input with the same GANTRY_JOB must give the same bytes, whichever
patient a warm worker saw before (rule 10 of ARCHITECTURE.md).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from pydicom import Dataset, dcmread

from imaging_data import ExplainedError, content_sha256, file_sha256, read_header

from ..apps import AppFolder, AppImage
from ..errors import GantryError
from ..runners import Program, Runner, Task, folders
from ..runners.container import cold_runner
from ..runners.results import FILE, Results
from ..runners.warm import WarmRunner
from .trial import Case, attempt, read_case, with_gpu

JOB = {
    "content_datetime": "2026-01-01T12:00:00+00:00",
    "revision": 1,
    "segmentation": "binary",
    "replaces": [],
}
ORDER = "ABA"
UIDS = {
    "SOPClassUID": "sop_class_uid",
    "SOPInstanceUID": "sop_instance_uid",
    "SeriesInstanceUID": "series_instance_uid",
}


@dataclass(frozen=True)
class Check:
    """One rule of the contract, and what broke it (empty: kept)."""

    name: str
    broken: str = ""


@dataclass(frozen=True)
class Run:
    """One run that ended well: its results, and the SHA-256 and attributes of each file, by its name."""

    label: str
    case: Case
    results: Results
    output: Path
    files: dict[str, str]
    headers: dict[str, Dataset]

    @property
    def said(self) -> tuple[object, ...]:
        """What must be the same in every run on this case, the files apart."""
        return self.results.input, self.results.measurements, self.results.findings


def check_app(
    app: AppFolder | AppImage, models: Path | None, cases: Sequence[Path], work: Path
) -> Iterator[Check]:
    """Check the app, one rule after the other, in the empty folder `work`.

    `cases` are two folders of DICOM files, A and B.  Stops at the first rule without which the others
    cannot be looked at: no manifest, no models, no results.
    """
    try:
        manifest = app.manifest()
    except GantryError as error:
        yield Check("prints its manifest", str(error))
        return
    yield Check("prints its manifest")
    try:
        program = with_gpu(app.program(manifest, models), manifest)
    except GantryError as error:
        yield Check("has its models", f"{error} {error.hint}")
        return
    yield Check("has its models")
    yield from _check_runs(
        program, [read_case(path, work / f"case{n}") for n, path in enumerate(cases)], work
    )


def _check_runs(program: Program, cases: Sequence[Case], work: Path) -> Iterator[Check]:
    cold, warm = cold_runner(program, work), WarmRunner(work)
    every: list[Run] = []
    try:
        for name, runner in (("cold", cold), ("warm", warm)):
            runs, broken = _run_all(program, runner, cases, work / name)
            yield Check(f"runs {name}", broken)
            if broken:
                return
            every += runs
    finally:
        warm.close()
    in_cold, in_warm = every[: len(ORDER)], every[len(ORDER) :]
    yield Check("names its input by its hash", _first(_wrong_input(run) for run in every))
    yield Check("keeps patient and study", _first(_wrong_identity(run) for run in every))
    yield Check("describes its files", _first(_wrong_files(run) for run in every))
    yield Check("same input, same results", _difference(in_cold[0], in_cold[2]))
    pairs = zip(in_cold, in_warm, strict=True)
    yield Check("keeps nothing between jobs", _first(_difference(*pair) for pair in pairs))
    yield Check("says when it fails", _silent_failure(program, cold, work / "empty"))


def _run_all(program: Program, runner: Runner, cases: Sequence[Case], folder: Path) -> tuple[list[Run], str]:
    """A, B, A; the runs, and how the last one failed (empty: it did not)."""
    folder.mkdir()
    runs: list[Run] = []
    for number, letter in enumerate(ORDER, 1):
        label = f"run {number} ({letter}, {folder.name})"
        case = cases[ORDER.index(letter)]
        try:
            results, kept = attempt(program, runner, case, folder / str(number), JOB)
            runs.append(_read(label, case, results, kept.output))
        except ExplainedError as error:
            return runs, f"{label}: {error}"
    return runs, ""


def _read(label: str, case: Case, results: Results, output: Path) -> Run:
    names = [entry.file for entry in results.results]
    hashes = {name: file_sha256(output / name) for name in names}
    return Run(label, case, results, output, hashes, {name: read_header(output / name) for name in names})


def _wrong_input(run: Run) -> str:
    said = run.results.input
    for series in run.case.series:
        if series.series_instance_uid == said.series_instance_uid:
            right = (series.input_hash, len(series.instances)) == (said.hash, said.instances)
            return (
                ""
                if right
                else f"{run.label}: input.hash is not that of the series' {len(series.instances)} files"
            )
    return f"{run.label}: input.series_instance_uid is no series of the input"


def _wrong_identity(run: Run) -> str:
    for entry in run.results.results:
        header = run.headers[entry.file]
        if (str(header.get("PatientID", "")), str(header.get("StudyInstanceUID", ""))) != run.case.patient:
            return f"{run.label}: {entry.file} carries another PatientID or StudyInstanceUID than its input"
    return ""


def _wrong_files(run: Run) -> str:
    for entry in run.results.results:
        if run.files[entry.file] != entry.sha256:
            return f"{run.label}: {entry.file} has another sha256 than results.json says"
        for keyword, field in UIDS.items():
            if run.headers[entry.file].get(keyword) != getattr(entry, field):
                return f"{run.label}: {entry.file} has another {keyword} than results.json says"
    return ""


def _difference(one: Run, other: Run) -> str:
    """How two runs on the same case differ, in a sentence; empty when they do not."""
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


def _silent_failure(program: Program, runner: Runner, folder: Path) -> str:
    """An empty input must not end in success."""
    work = folders.make(folder, {})
    try:
        ended = runner.run(program, Task(work, JOB), Event())
    except GantryError as error:
        return f"with an empty input: {error}"
    if ended.exit == 0:
        return "with an empty input its exit status is 0"
    if (work.output / FILE).exists():
        return f"with an empty input it leaves {FILE}"
    return ""


def _first(sentences: Iterator[str]) -> str:
    return next((sentence for sentence in sentences if sentence), "")
