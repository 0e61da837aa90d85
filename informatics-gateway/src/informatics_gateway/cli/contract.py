# SPDX-License-Identifier: Apache-2.0
"""Is it a MAP that the gateway can run?  What it says of itself is checked, then it runs: A, B, A cold and warm.

Everything is compared in files: the same input with the same GANTRY_JOB must give the same bytes, whichever
patient a warm worker saw before (rule 10 of ARCHITECTURE.md).  A folder's cold runs have no network and no place
for other files than their results where this machine permits that; a container never has.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import Event

from imaging_data import ExplainedError

from ..apps import AppFolder, AppImage
from ..errors import GantryError
from ..runners import Program, Runner, Task, folders
from ..runners.container import cold_runner
from ..runners.results import FILE
from ..runners.sealed import SealedRunner, why_not
from ..runners.warm import WarmRunner
from .declared import Check, changed, check_declared, check_series, left_alone, model_hashes, state_of
from .runs import Run, difference, invalid, read_run, wrong_files, wrong_identity, wrong_input, wrong_models
from .samples import find_cases
from .trial import Case, attempt, read_case, with_gpu

JOB = {
    "content_datetime": "2026-01-01T12:00:00+00:00",
    "revision": 1,
    "segmentation": "binary",
    "replaces": [],
}
ORDER = "ABA"
NETWORK, FILES = "needs no network", "writes to its output only"
CAUSES = {  # why a run behind a seal, or in a container, may fail
    NETWORK: re.compile(
        r"Network is unreachable|name resolution|Name or service not known|\bENETUNREACH\b", re.IGNORECASE
    ),
    FILES: re.compile(r"Read-only file system|\bEROFS\b", re.IGNORECASE),
}
NO_WORKER = "a MAP of others is started for each job"


def check_app(
    app: AppFolder | AppImage, models: Path | None, cases: Sequence[Path], work: Path
) -> Iterator[Check]:
    """Check the app, one rule after the other, in the empty folder `work`.

    `cases` are two folders of DICOM files, A and B; none: the app's own sample, else phantoms.  Stops at the
    first rule without which the others cannot be looked at: no manifest, no models, no case, no results.
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
    yield from check_declared(app, manifest, program)
    try:
        found = find_cases(app, manifest.series, cases, work / "phantoms")
        read = [read_case(path, work / f"case{n}") for n, path in enumerate(found)]
    except ExplainedError as error:
        yield Check("has a case to run on", f"{error} {error.hint}")
        return
    yield check_series(manifest, program, read)
    yield from _check_runs(app, program, read, work)


def _check_runs(
    app: AppFolder | AppImage, program: Program, cases: Sequence[Case], work: Path
) -> Iterator[Check]:
    alone = left_alone(app, program)
    before = state_of(alone)
    why = "" if program.image else why_not()
    cold = cold_runner(program, work) if program.image or why else SealedRunner()
    in_cold, failed = _run_all(program, cold, cases, work / "cold")
    yield failed
    if failed.broken:
        return
    in_warm: list[Run] = []
    if program.layout.foreign:
        yield Check("runs warm", unchecked=NO_WORKER)
    else:
        in_warm, failed = _warm_runs(program, cases, work)
        yield failed
        if failed.broken:
            return
    yield from _look_at(app, program, in_cold, in_warm)
    touched = changed(before, state_of(alone))
    yield Check(FILES, touched, why)
    asked = (f"{run.label}: it asked for the network, {run.asked} times" for run in in_cold if run.asked)
    yield Check(NETWORK, _first(asked), why)
    yield Check("says when it fails", _silent_failure(program, cold, work / "empty"))


def _look_at(
    app: AppFolder | AppImage, program: Program, in_cold: Sequence[Run], in_warm: Sequence[Run]
) -> Iterator[Check]:
    """What the runs left."""
    every = [*in_cold, *in_warm]
    yield Check("names its input by its hash", _first(wrong_input(run) for run in every))
    yield Check("keeps patient and study", _first(wrong_identity(run) for run in every))
    known = model_hashes(app, program, [name for run in every for name in run.results.models])
    wrong = (wrong_files(run) or wrong_models(run, known) for run in every)
    yield Check("describes its files", _first(wrong))
    yield Check("leaves valid results", _first(invalid(run) for run in every))
    yield Check("same input, same results", difference(in_cold[0], in_cold[2]))
    pairs = zip(in_cold, in_warm, strict=False)
    kept = _first(difference(*pair) for pair in pairs)
    yield Check("keeps nothing between jobs", kept, "" if in_warm else NO_WORKER)


def _warm_runs(program: Program, cases: Sequence[Case], work: Path) -> tuple[list[Run], Check]:
    warm = WarmRunner(work)
    try:
        return _run_all(program, warm, cases, work / "warm")
    finally:
        warm.close()


def _run_all(
    program: Program, runner: Runner, cases: Sequence[Case], folder: Path
) -> tuple[list[Run], Check]:
    """A, B, A; the runs, and how the last one failed, by the rule that it broke."""
    folder.mkdir()
    runs: list[Run] = []
    for number, letter in enumerate(ORDER, 1):
        label = f"run {number} ({letter}, {folder.name})"
        case = cases[ORDER.index(letter)]
        try:
            results, kept = attempt(program, runner, case, folder / str(number), JOB)
            asked = runner.asked if isinstance(runner, SealedRunner) else 0
            runs.append(read_run(label, case, results, kept.output, asked))
        except ExplainedError as error:
            return runs, Check(_rule(str(error), f"runs {folder.name}"), f"{label}: {error}")
    return runs, Check(f"runs {folder.name}")


def _rule(sentence: str, otherwise: str) -> str:
    return next((name for name, words in CAUSES.items() if words.search(sentence)), otherwise)


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
