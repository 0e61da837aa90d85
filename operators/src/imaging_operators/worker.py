# SPDX-License-Identifier: Apache-2.0
"""A warm worker: loads once, then runs one job a line (docs/map-contract.md).

The answers go to the file descriptor that was standard output at start.  Descriptors 1 and 2 themselves are
turned to the job's log during a job, so that whatever the app, or a library below it, prints is there.
"""

import ctypes
import gc
import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Self

from imaging_data.errors import ImagingDataError

from .context import Folders, JobContext, Run
from .errors import BadJob
from .execution import DONE, FAILED, execute, load_ahead
from .loaded import App, LoadedApp

STDIN, STDOUT, STDERR = 0, 1, 2


def serve(app: App) -> None:
    """Answer {"ready": true}, then one line for each job; ends the process.

    After an answer other than 0 the process ends, because what the app left behind is not to be trusted.
    """
    orders, answers = _take_over_descriptors()
    loaded = _load(app)
    gc.collect()
    gc.freeze()  # what is loaded stays: collecting after each job then looks at the job only
    _answer(answers, {"ready": True})
    status = DONE
    for line in orders:
        status = _serve_job(loaded, line)
        _answer(answers, {"exit": status})
        if status != DONE:
            break
        gc.collect()
    _end(status)


def _load(app: App) -> LoadedApp:
    loaded = LoadedApp(app)
    try:
        load_ahead(loaded, os.environ)
    except ImagingDataError as error:
        _tell(error)
        _end(FAILED)
    return loaded


def _tell(error: ImagingDataError) -> None:
    print(f"{type(error).__name__}: {error} {error.hint}", file=sys.stderr)


def _take_over_descriptors() -> tuple[BinaryIO, int]:
    """Keep the two ends of the protocol for ourselves, out of the app's reach and of its children's."""
    orders = os.fdopen(os.dup(STDIN), "rb")
    answers = os.dup(STDOUT)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, STDIN)
    os.close(nothing)
    os.dup2(STDERR, STDOUT)
    return orders, answers


def _answer(answers: int, document: dict[str, Any]) -> None:
    os.write(answers, json.dumps(document).encode() + b"\n")


def _serve_job(loaded: LoadedApp, line: bytes) -> int:
    try:
        order = Order.from_line(line)
    except ImagingDataError as error:
        _tell(error)
        return FAILED
    with _printing_to(order.log), _environment(order.environment):
        return execute(loaded, order.run)


@dataclass(frozen=True)
class Order:
    """One line of the protocol: a run, and where its output is to be printed."""

    run: Run
    log: Path
    environment: Mapping[str, str]  # as a cold run would have it

    @classmethod
    def from_line(cls, line: bytes) -> Self:
        """Raises BadJob, saying what is missing or wrong."""
        try:
            order = json.loads(line)
        except ValueError as error:
            raise BadJob(f"The line is not JSON: {error}.") from error
        missing = {"input", "output", "log"} - set(order if isinstance(order, dict) else ())
        if missing:
            raise BadJob(f"The line lacks {', '.join(sorted(missing))}.")
        models = Path(order["models"]) if order.get("models") else None
        folders = Folders(Path(order["input"]), Path(order["output"]), models)
        job = order.get("job", {})
        environment = folders.to_environment() | {"GANTRY_JOB": json.dumps(job)}
        return cls(Run(folders, JobContext.from_json(job)), Path(order["log"]), environment)


@contextmanager
def _printing_to(log: Path) -> Iterator[None]:
    """Turn descriptors 1 and 2 to `log`, and back."""
    before = os.dup(STDOUT), os.dup(STDERR)
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(file, STDOUT)
    os.dup2(file, STDERR)
    os.close(file)
    try:
        yield
    finally:
        _flush()
        for kept, descriptor in zip(before, (STDOUT, STDERR), strict=True):
            os.dup2(kept, descriptor)
            os.close(kept)


def _flush() -> None:
    """Python's buffers, then those of C libraries."""
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    ctypes.CDLL(None).fflush(None)


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """The job's folders in the environment, for operators of the author's own; as before afterwards."""
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _end(status: int) -> None:
    """End at once: threads and exit handlers of the app have no say."""
    _flush()
    os._exit(status)
