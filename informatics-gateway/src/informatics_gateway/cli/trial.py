# SPDX-License-Identifier: Apache-2.0
"""Run an app on a folder of DICOM files, without a gateway: its runners, its limits, no journal."""

import os
import shutil
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from typing import Any

from imaging_data import DuplicateInstances, Found, Series, SeriesInstance, find_instances

from ..app_manifest import AppManifest
from ..errors import AppFailed
from ..gpu.nvml import Nvml
from ..model import AttemptFolder
from ..runners import Program, Runner, Task, folders
from ..runners.adopt import Given, adopt
from ..runners.container import cold_runner
from ..runners.outcome import check
from ..runners.progress import OnProgress
from ..runners.results import Results, read_results


@dataclass(frozen=True)
class Case:
    """A folder of DICOM files, copied: `files` by SOPInstanceUID, `skipped` those that are not DICOM."""

    source: Path
    series: tuple[Series, ...]
    files: Mapping[str, Path]
    skipped: int

    @property
    def patient(self) -> tuple[str, str]:
        """PatientID and StudyInstanceUID of the first instance."""
        dataset = self.series[0].datasets[0]
        return str(dataset.get("PatientID", "")), self.series[0].study_instance_uid


@dataclass(frozen=True)
class Trial:
    """What a run left, how long it took, and on how many instances it ran."""

    results: Results
    output: Path
    wall_s: float
    instances: int
    skipped: int


def read_case(source: Path, copies: Path) -> Case:
    """Copy the DICOM files under `source` into the folder `copies`: an app never touches the originals.

    Raises AppFailed when there are none, and what `find_instances` raises for a damaged one.
    """
    found = find_instances(source)
    if not found.series:
        raise AppFailed(
            f"{source} holds no DICOM file ({len(found.skipped)} others).", "Give another folder."
        )
    instances = _each_once(found)
    copies.mkdir(mode=0o700)
    for uid, instance in instances.items():
        shutil.copyfile(instance.path, copies / f"{uid}.dcm")
        (copies / f"{uid}.dcm").chmod(0o444)
    files = {uid: copies / f"{uid}.dcm" for uid in instances}
    return Case(source, tuple(found.series), files, len(found.skipped))


def _each_once(found: Found) -> dict[str, SeriesInstance]:
    instances: dict[str, SeriesInstance] = {}
    for instance in (each for series in found.series for each in series.instances):
        first = instances.setdefault(instance.sop_instance_uid, instance)
        if first.sha256 != instance.sha256:
            raise DuplicateInstances(f"{first.path.name} and {instance.path.name} differ.")
    return instances


def attempt(
    program: Program,
    runner: Runner,
    case: Case,
    folder: Path,
    job: Mapping[str, Any] | None = None,
    on_progress: OnProgress = lambda step, fraction: None,
) -> tuple[Results, AttemptFolder]:
    """Run the app once in `folder`, which holds the kept output and log afterwards.

    Raises what execute raises.
    """
    kept = AttemptFolder(folder)
    cancelled = Event()
    with runner.turn(program, cancelled):
        work = folders.make(folder.with_name(f"{folder.name}.work"), case.files)
        try:
            ended = runner.run(program, Task(work, job, on_progress), cancelled)
        finally:
            strange = folders.keep(work, kept)
    check(ended, kept)
    if strange:
        raise AppFailed(f"It left what is no plain file: {', '.join(strange)}.")
    if program.layout.foreign:
        adopt(kept.output, _given(program, case, job or {}))
    return read_results(kept.output), kept


def _given(program: Program, case: Case, job: Mapping[str, Any]) -> Given:
    """What is known of a MAP's results without its word.  Raises AppFailed: it might have read any of several."""
    if len(case.series) > 1:
        raise AppFailed(
            f"It does not say which of the {len(case.series)} series it read.",
            "Give a folder with one series.",
        )
    return Given(
        app=program.name,
        version=program.layout.foreign,
        digest=program.image,
        input_hash=case.series[0].input_hash,
        sources=list(case.files.values()),
        content_datetime=job.get("content_datetime") or datetime.now(UTC).isoformat(),
    )


def with_gpu(program: Program, manifest: AppManifest) -> Program:
    """The program with a GPU if its app wants one: what CUDA_VISIBLE_DEVICES says, else the freest there is."""
    if manifest.needs.gpu_use == "none":
        return program
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is None:
        devices = Nvml().read().devices
        freest = max(devices, key=lambda each: each.total_mb - each.used_mb, default=None)
        chosen = freest.uuid if freest else ""
    return replace(program, gpu=chosen)


def run_by_hand(
    program: Program,
    source: Path,
    output: Path,
    profile: str = "",
    on_progress: OnProgress = lambda step, fraction: None,
) -> Trial:
    """Run the app on `source`; its results, results.json (or error.json) and app.log are left in `output`.

    `profile`: "" is the app's default one.  `on_progress` is told of the app's steps meanwhile.
    `output` must be new or empty.  Raises AppFailed when it is not, and what execute raises.
    """
    output.mkdir(parents=True, exist_ok=True)
    if any(output.iterdir()):
        raise AppFailed(
            f"{output} is not empty.", "Give a new folder: results of two runs must not be mixed."
        )
    began = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix=".gantry-", dir=output) as hidden:
        case = read_case(source, Path(hidden) / "instances")
        kept = AttemptFolder(Path(hidden) / "kept")
        try:
            job = {"profile": profile} if profile else None
            results, _ = attempt(
                program, cold_runner(program, Path(hidden)), case, kept.path, job, on_progress
            )
        finally:
            _hand_over(kept, output)
    return Trial(results, output, time.perf_counter() - began, len(case.files), case.skipped)


def _hand_over(kept: AttemptFolder, output: Path) -> None:
    left = [*kept.output.iterdir()] if kept.output.is_dir() else []
    for path in (*left, kept.log):
        if path.exists():
            path.rename(output / path.name)
