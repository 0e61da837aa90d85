# SPDX-License-Identifier: Apache-2.0
"""Jobs for the app in apps/contract_only, whose input says what it shall do."""

import json
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil

from informatics_gateway.config import Config
from informatics_gateway.execute import Executor, JobRequest
from informatics_gateway.model import Identity, InputSet, Instance, Job, JobStatus, Manifest, SeriesKey

APP = Path(__file__).parent / "apps" / "contract_only"
IDENTITY = Identity("PID-4711", "", "Doe^Jane", "1.2.3")
REQUEST = JobRequest("2026-11-20T09:15:00+00:00", 1, "binary")


def configuration(storage: Path, **app: Any) -> Config:
    """A configuration with that one app; `app` are keys of its [[app]] table, `image` in place of a path."""
    tables = {"name": "tool"} | ({} if "image" in app else {"path": APP}) | app
    return Config.model_validate({"storage": {"path": storage}, "app": [tables]})


def make_job(storage: Path, do: str, number: int = 1, attempt: int = 1, **wanted: Any) -> Job:
    """A queued job whose input says `do`; one more instance is beside it."""
    folder = storage / "instances"
    folder.mkdir(parents=True, exist_ok=True)
    texts = {f"1.2.3.{number}.1": json.dumps({"do": do, **wanted}), f"1.2.3.{number}.2": "pixels"}
    instances = tuple(_instance(folder, uid, text) for uid, text in texts.items())
    key = SeriesKey("MODALITY@127.0.0.1", "TOOL", IDENTITY.study_instance_uid, "1.2.4")
    sealed = InputSet(number, key, 1, "0" * 64, instances, 0.0, "released")
    return Job(number, sealed, "TOOL/tool", "tool", JobStatus.QUEUED, 0, attempt, 0.0)


def _instance(folder: Path, uid: str, text: str) -> Instance:
    path = folder / uid
    if not path.exists():
        path.write_text(text)
        path.chmod(0o444)
    return Instance(uid, "1.2.840.10008.5.1.4.1.1.2", "1.2.4", IDENTITY, path, "0" * 64)


class Bench:
    """An executor over a storage folder, closed by the fixture `bench`."""

    def __init__(self, storage: Path, **app: Any) -> None:
        self.storage = storage
        self.executor = Executor(configuration(storage, **app))
        self.jobs = 0

    def job(self, do: str, **wanted: Any) -> Job:
        """The next job."""
        self.jobs += 1
        return make_job(self.storage, do, self.jobs, **wanted)

    def run(self, do: str, cancelled: threading.Event | None = None, **wanted: Any) -> Manifest:
        """Run the next job."""
        return self.executor.execute(self.job(do, **wanted), REQUEST, cancelled or threading.Event())

    def run_aside(self, do: str, **wanted: Any) -> "Aside":
        """Run the next job in a thread."""
        return Aside(self, self.job(do, **wanted))

    def kept(self, number: int | None = None) -> Path:
        """Where the last job's, or that job's, first attempt is kept."""
        return self.storage / "jobs" / str(number or self.jobs) / "1"

    def left(self) -> list[str]:
        """What lies in the work folder."""
        return sorted(path.name for path in (self.storage / "work").iterdir())

    def processes(self) -> list[psutil.Process]:
        """The app's living processes: those that carry this storage folder's path."""
        return [process for process in psutil.process_iter() if self._is_ours(process)]

    def _is_ours(self, process: psutil.Process) -> bool:
        try:
            alive = process.status() != psutil.STATUS_ZOMBIE
            return alive and process.environ().get("HOME", "").startswith(str(self.storage))
        except psutil.Error:
            return False


class Aside:
    """A job that runs in a thread."""

    def __init__(self, bench: Bench, job: Job) -> None:
        self.work = bench.storage / "work" / f"{job.id}.{job.attempt}"
        self.cancelled = threading.Event()
        self.error: BaseException | None = None
        self.manifest: Manifest | None = None
        self._thread = threading.Thread(target=self._run, args=(bench.executor, job))
        self._thread.start()

    def _run(self, executor: Executor, job: Job) -> None:
        try:
            self.manifest = executor.execute(job, REQUEST, self.cancelled)
        except Exception as error:  # noqa: BLE001 - the test looks at it
            self.error = error

    def read(self, name: str) -> str:
        """Wait for a file of the app's output and read it."""
        return wait_for(lambda: self.read_now(name))

    def find(self, name: str) -> None:
        """Wait for a file of the app's output, which may be empty."""
        wait_for((self.work / "output" / name).exists)

    def read_now(self, name: str) -> str:
        """A file of the app's output, "" before there is one; a warm container has it in its spool."""
        spools = self.work.parent.glob(f"warm.*/spool/{self.work.name}")
        files = [folder / "output" / name for folder in (self.work, *spools)]
        return next((file.read_text() for file in files if file.exists()), "")

    def end(self) -> BaseException | None:
        """Wait for the end; the error it ended with."""
        self._thread.join(30)
        assert not self._thread.is_alive()
        return self.error


def wait_for(look: Callable[[], Any], seconds: float = 60) -> Any:
    """Wait until `look` gives something true."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)
    return found


def app_pid(manifest: Manifest) -> int:
    """The process that made the results."""
    return int(manifest.measurements[0]["value"])


def again(job: Job, attempt: int) -> Job:
    """The same job at another attempt."""
    return replace(job, attempt=attempt)
