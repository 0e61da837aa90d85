# SPDX-License-Identifier: Apache-2.0
"""Step 4, execute: run a job's app on its input set; an attempt folder with results and a manifest is left.

In the storage folder, all on one file system, so that moving is renaming:

    work/<job>.<attempt>/    while the app runs: input, output, app.log, process.json, home; gone afterwards
    work/warm.<app>.*/       a warm worker's own: worker.log, process.json, home
    jobs/<job>/<attempt>/    what is kept of an attempt, failed or not: output, app.log
"""

import logging
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from threading import Event
from typing import Any

from .app_manifest import AppManifest
from .apps import AppFolder, AppImage, app_of, check_foreign
from .config import App, Config
from .errors import AppFailed, EngineRefused, EngineUnavailable, InvalidResult, JobCancelled
from .gpu.cards import Place
from .model import AttemptFolder, Identity, Job, Manifest, Result
from .runners import MB, Program, Runner, Task, folders
from .runners.adopt import Given, adopt
from .runners.container import ContainerRunner, end_containers
from .runners.leftovers import FILE, end_recorded, read_record
from .runners.outcome import check
from .runners.process import ProcessRunner
from .runners.progress import OnProgress
from .runners.ray_runner import RayRunner
from .runners.results import Results, read_results
from .runners.warm import WarmRunner
from .runners.warm_container import take_out

log = logging.getLogger("gantry.execute")

ATTEMPT = re.compile(r"([0-9]+)\.([0-9]+)")
SHORTEST_HIDDEN = 3  # characters: hiding every "A" would leave no sentence


@dataclass(frozen=True)
class JobRequest:
    """What the results need of the job and the app cannot know: GANTRY_JOB of docs/map-contract.md.

    `content_datetime`: ISO 8601, with its zone.  `segmentation`: "binary" or "labelmap".  `replaces`: the
    delivered results of the previous revision.  `profile`: "" is the app's default one.  `instead_of`: when it is
    a cheaper one than the job asked for, the one that ran out of GPU memory.
    """

    content_datetime: str
    revision: int
    segmentation: str
    replaces: tuple[dict[str, Any], ...] = ()
    profile: str = ""
    instead_of: str = ""


class Executor:
    """Runs jobs, each in an attempt folder of its own; may be called from several threads."""

    def __init__(self, config: Config) -> None:
        storage = config.storage.path
        self._config = config
        self._jobs = storage / "jobs"
        self._work = storage / "work"
        self._work.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._warm = WarmRunner(self._work)
        self._runners: dict[str, Runner] = {
            "process": ProcessRunner(),
            "container": ContainerRunner(self._work),
            "warm": self._warm,
            "ray": RayRunner(self._work, config.ray.address, config.ray.token_file),
        }
        self._manifests: dict[tuple[str, int], AppManifest] = {}

    def execute(
        self,
        job: Job,
        request: JobRequest,
        cancelled: Event,
        on_progress: OnProgress = lambda step, fraction: None,
        place: Place | None = None,
    ) -> Manifest:
        """Run the job's app until it and every process it started have ended.

        Gives back the manifest of the results, which are on disk then.  Meanwhile `on_progress` is told of the
        app's steps, without what names the patient.  Whatever happens, what the app left is in `folder(job)`,
        and its work folder is gone before the app's worker gets another job.  `place`: the lane that runs it,
        whose warm worker it gets, and its GPU; without one it is the app's first lane, and has none.

        Raises NoSuchProfile, AppRefused, AppOutOfTime, AppOutOfMemory, AppOutOfGpuMemory, AppCrashed,
        AppWroteNoManifest, AppFailed, JobCancelled; of a cluster NodeLost, NodeRefused, RayOpen, RayRefused
        and RayUnavailable.
        """
        app = self._config.app(job.app)
        program = _placed(self._program(app, request.profile), place)
        runner = self._runners[app.runner]
        kept = self.folder(job)
        hide = hider(job.input_set.identity)

        def told(step: str, fraction: float) -> None:
            on_progress(hide(step), fraction)

        instances = {each.sop_instance_uid: each.path for each in job.input_set.instances}
        with runner.turn(program, cancelled):
            _go_on(cancelled)
            work = folders.make(self._work / f"{job.id}.{job.attempt}", instances)
            try:
                ended = runner.run(program, Task(work, asdict(request), told), cancelled)
            finally:
                strange = folders.keep(work, kept)
        check(ended, kept, hide)
        _go_on(cancelled)
        _refuse(strange)
        if program.layout.foreign:
            adopt(kept.output, _given(job, program, request))
        manifest = load_manifest(kept, job)
        folders.make_durable(kept)
        return manifest

    def manifest(self, name: str) -> AppManifest:
        """What the app says of itself, with the needs that the configuration gives it.  Raises AppFailed."""
        app = self._config.app(name)
        own = {key: getattr(app, key) for key in ("timeout_s", "memory_mb", "gpu", "gpu_memory_mb")}
        known = self._manifest(app_of(app, pull=True))
        return known.but_with(**{key: value for key, value in own.items() if value is not None})

    def keeps(self, lane: str) -> bool:
        """Whether the lane has a warm worker."""
        return self._warm.keeps(lane)

    def let_go(self, lane: str) -> None:
        """Stop the lane's warm worker, which must have no job."""
        self._warm.let_go(lane)

    def folder(self, job: Job) -> AttemptFolder:
        """Where the job's present attempt is kept once it has ended."""
        return AttemptFolder(self._jobs / str(job.id) / str(job.attempt))

    def end_leftovers(self) -> tuple[str, ...]:
        """End what a gateway before this one left running, and tidy its work folders; their names.

        The log of an interrupted attempt is kept, its output is not.  To be called before the first job.
        Without its engine a container may run on; it is ended before its job, or its app's warm container, is
        started again.
        """
        try:
            if any(app.image for app in self._config.apps):
                end_containers(self._work)
        except (EngineUnavailable, EngineRefused) as error:
            log.warning("what still runs in containers is not known: %s %s", error, error.hint)
        take_out(self._work)
        left = tuple(sorted(path.name for path in self._work.iterdir() if path.is_dir()))
        for name in left:
            record = read_record(self._work / name / FILE)
            if record is not None:
                end_recorded(record)
        for name in left:
            self._tidy(self._work / name)
        return left

    def _tidy(self, work: Path) -> None:
        attempt = ATTEMPT.fullmatch(work.name)
        if attempt is None:
            folders.remove(work)
            return
        kept = AttemptFolder(self._jobs / attempt[1] / attempt[2])
        folders.keep(AttemptFolder(work), kept)
        folders.remove(kept.output)

    def stop_idle(self) -> None:
        """Stop warm workers that have waited for work for longer than their app's `idle_s`."""
        for runner in self._runners.values():
            runner.stop_idle()

    def close(self) -> None:
        """Stop every warm worker.  No job may be under way."""
        for runner in self._runners.values():
            runner.close()

    def _program(self, app: App, profile: str) -> Program:
        manifest = self.manifest(app.name)
        manifest.check_profile(profile)
        program = app_of(app, pull=True).program(manifest, app.models)
        if program.layout.foreign:
            check_foreign(app, self._config.routes)
        limits = replace(program.limits, output_bytes=app.output_mb * MB)
        environment = {**program.environment, **app.environment}
        program = replace(program, name=app.name, limits=limits, idle_s=app.idle_s, environment=environment)
        return _for_cluster(program, app, manifest) if app.runner == "ray" else program

    def _manifest(self, tool: AppFolder | AppImage) -> AppManifest:
        """The app is asked once for each edition of its script, or image."""
        key = (str(tool), tool.edition)
        if key not in self._manifests:
            self._manifests[key] = tool.manifest()
        return self._manifests[key]


def _placed(program: Program, place: Place | None) -> Program:
    if place is None:
        return program
    environment = dict(place.environment) | dict(program.environment)
    return replace(program, name=place.lane, gpu=place.gpu, environment=environment)


def _for_cluster(program: Program, app: App, manifest: AppManifest) -> Program:
    """A node finds the image by itself, and its GPU is the cluster's to give."""
    image, gpu_use = app.image or "", manifest.needs.gpu_use
    return replace(program, image=image, on_node=app.on_node, gpu_use=gpu_use)


def _given(job: Job, program: Program, request: JobRequest) -> Given:
    """What is known of a MAP's results without its word."""
    return Given(
        app=job.app,
        version=program.layout.foreign,
        digest=program.image,
        input_hash=job.input_set.hash,
        sources=[each.path for each in job.input_set.instances],
        content_datetime=request.content_datetime,
    )


def load_manifest(folder: AttemptFolder, job: Job) -> Manifest:
    """The manifest in a kept attempt's output, read strictly, with the paths of its results.

    Raises AppWroteNoManifest; AppFailed, naming the field; InvalidResult when it says another study than
    the job's, or another profile than the job asked for.
    """
    results = read_results(folder.output)
    if job.runs_as and results.app.profile != job.runs_as:
        raise InvalidResult(f"results.json says profile {results.app.profile!r}, the job {job.runs_as!r}.")
    if any(
        entry.study_instance_uid != job.input_set.identity.study_instance_uid for entry in results.results
    ):
        raise InvalidResult("results.json lists a result with another StudyInstanceUID than the job's.")
    return as_manifest(results, folder.output)


def load_report(output: Path) -> dict[str, Any]:
    """results.json in a kept output folder as plain values; empty when there is none that is as agreed."""
    try:
        return read_results(output).model_dump(mode="json")
    except AppFailed:
        return {}


def as_manifest(results: Results, output: Path) -> Manifest:
    """The gateway's noun for what results.json says."""
    wanted = set(Result.__dataclass_fields__) - {"path"}
    return Manifest(
        app=results.app.name,
        version=results.app.version,
        input_hash=results.input.hash,
        results=tuple(
            Result(path=output / entry.file, **entry.model_dump(include=wanted)) for entry in results.results
        ),
        measurements=tuple(entry.model_dump() for entry in results.measurements),
        findings=results.findings,
        notes=results.notes,
        times=results.times,
        device=results.device,
    )


def hider(identity: Identity) -> Callable[[str], str]:
    """A function that takes this patient's name and identifiers out of a sentence."""
    texts = [identity.patient_id, identity.patient_name, *re.split(r"[\^=\s]+", identity.patient_name)]
    hidden = sorted({text for text in texts if len(text) >= SHORTEST_HIDDEN}, key=len, reverse=True)
    if not hidden:
        return str
    pattern = re.compile("|".join(map(re.escape, hidden)), re.IGNORECASE)
    return lambda sentence: pattern.sub("[patient]", sentence)


def _go_on(cancelled: Event) -> None:
    if cancelled.is_set():
        raise JobCancelled


def _refuse(strange: list[str]) -> None:
    if strange:
        raise AppFailed(
            f"It left what is no plain file: {', '.join(strange)}.",
            hint="An app must leave files: no links, devices, pipes or sockets.",
        )
