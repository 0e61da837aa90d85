# SPDX-License-Identifier: Apache-2.0
"""One run of an app: load once, run the graph, leave results.json or error.json and an exit status."""

import json
import sys
import traceback
from collections.abc import Mapping

from imaging_data.errors import ImagingDataError, UnusableSeries

from .context import Folders, Run, models_folder
from .errors import AppError, OutOfMemory
from .files import write_durably
from .loaded import App, LoadedApp
from .progress import reported_to

DONE, FAILED, UNUSABLE_SERIES = 0, 1, 2


def run_once(app: App, environment: Mapping[str, str]) -> int:
    """A cold run with the folders that the environment names; the exit status of the process."""
    try:
        run = Run.from_environment(environment)
    except ImagingDataError as error:
        print(f"{type(error).__name__}: {error} {error.hint}", file=sys.stderr)
        return FAILED
    return execute(LoadedApp(app), run)


def execute(loaded: LoadedApp, run: Run) -> int:
    """Run the graph once; the exit status.  Of a failure, error.json and a traceback are left."""
    try:
        from .graph import run_graph  # MONAI Deploy, seconds: only where a run is asked for

        loaded.app.info.profile(run.job.profile)
        with reported_to(run.folders.output):
            loaded.load(run.folders.models)
            run_graph(loaded, run)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - the process entry
        traceback.print_exc()
        return _leave_error(run.folders, error)
    return DONE


def load_ahead(loaded: LoadedApp, environment: Mapping[str, str]) -> None:
    """What a warm worker does before its first job: import MONAI Deploy and load the models it is given."""
    from . import graph  # noqa: F401

    models = models_folder(environment)
    if models is not None or not loaded.app.info.models:
        loaded.load(models)


def _leave_error(folders: Folders, error: BaseException) -> int:
    named = _named(error)
    document = {"error": type(named).__name__, "message": str(named), "hint": named.hint}
    print(f"{document['error']}: {named} {named.hint}", file=sys.stderr)
    write_durably(folders.output / "error.json", json.dumps(document, indent=2).encode())
    return UNUSABLE_SERIES if isinstance(named, UnusableSeries) else FAILED


def _named(error: BaseException) -> ImagingDataError:
    if isinstance(error, ImagingDataError):
        return error
    if _is_out_of_memory(error):
        return OutOfMemory(str(error))
    if isinstance(error, SystemExit):
        return AppError(f"It called sys.exit({error.code!r}).", "predict() must return a result or raise.")
    return AppError(f"{type(error).__name__}: {error}")


def _is_out_of_memory(error: BaseException) -> bool:
    """Main memory, or the GPU's where torch is loaded (its error is a RuntimeError of its own)."""
    on_gpu = getattr(sys.modules.get("torch"), "OutOfMemoryError", MemoryError)
    return isinstance(error, MemoryError | on_gpu)
