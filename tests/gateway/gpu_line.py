# SPDX-License-Identifier: Apache-2.0
"""A line whose apps want GPUs: real journal, lanes, executor and app processes over a scripted driver."""

import json
import time
from pathlib import Path
from typing import Any, Self

from app_jobs import APP, IDENTITY
from fake_nvml import FakeNvml

from informatics_gateway.config import Config
from informatics_gateway.execute import Executor
from informatics_gateway.model import Association, Instance, Job, SeriesKey
from informatics_gateway.pipeline.lanes import Lanes
from informatics_gateway.store import Store

# It does what contract_only does, and `grab`: say which GPU it sees, and run out of memory in some profiles.
SCRIPT = f"""
import json, os, signal, sys, time
from pathlib import Path
sys.path.insert(0, {str(APP)!r})
import app as base

class OutOfMemoryError(MemoryError):
    pass

def grab(wanted, output):
    (output / "pid").write_text(str(os.getpid()))
    while wanted.get("until") and not Path(wanted["until"]).exists():
        time.sleep(0.02)
    if base.profile() in wanted.get("too_much", ()):
        raise OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB.")
    job = json.loads(os.environ["GANTRY_JOB"])
    (output / "asked").write_text(json.dumps({{key: job[key] for key in ("profile", "instead_of")}}))
    return {{"findings": [repr(os.environ.get("CUDA_VISIBLE_DEVICES"))]}}

base.DEEDS["grab"] = grab
base.MANIFEST.update(json.loads((Path(__file__).parent / "more.json").read_text()))
if sys.argv[1:] == ["manifest"]:
    print(json.dumps(base.MANIFEST))
elif sys.argv[1:] == ["worker"]:
    base.serve()
else:
    sys.exit(base.run(base.from_environment()))
"""


class GpuLine:
    """Apps by name, each with what its manifest says otherwise; `queue` makes jobs, `step` takes one along."""

    def __init__(
        self, folder: Path, driver: FakeNvml, apps: dict[str, dict[str, Any]], **tables: Any
    ) -> None:
        self.folder, self.driver = folder, driver
        for name, more in apps.items():
            (folder / name).mkdir()
            (folder / name / "app.py").write_text(SCRIPT)
            needs = {"cpu": 1, "memory_mb": 512, "gpu_memory_mb": 0, "timeout_s": 60} | more.get("needs", {})
            (folder / name / "more.json").write_text(json.dumps(more.get("manifest", {}) | {"needs": needs}))
        files = {"name": "files", "kind": "folder", "path": folder / "out", "clinical": False}
        config = {
            "app": [
                {"name": each, "path": folder / each} | more.get("app", {}) for each, more in apps.items()
            ],
            "route": [{"called_ae_title": each, "app": each, "destinations": ["files"]} for each in apps],
            "destination": [files],
            "storage": {"path": folder / "storage"},
        }
        self.config = Config.model_validate(config | tables)
        self.store, self.executor = Store(folder / "storage"), Executor(self.config)
        self.lanes = Lanes(self.store, self.config, self.executor)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.executor.close()
        self.store.close()

    def queue(self, app: str, profile: str | None = None, **wanted: Any) -> Job:
        """One more job of the app."""
        number = len(self.store.jobs()) + 1
        path = self.folder / "storage" / f"input-{number}"
        path.write_text(json.dumps({"do": "grab"} | wanted))
        uids = (f"1.2.3.{number}.1", "1.2.840.10008.5.1.4.1.1.2", f"1.2.4.{number}")
        instance = Instance(*uids, IDENTITY, path, str(number) * 64)
        sender = Association(f"a{number}", "MODALITY@127.0.0.1", "MODALITY", app, "127.0.0.1", 0.0)
        self.store.record_arrivals([(sender, instance, time.time())])
        key = SeriesKey(sender.source, app, IDENTITY.study_instance_uid, instance.series_instance_uid)
        sealed = self.store.seal(key, instance.sha256, [instance], "quiet")
        route = next(each for each in self.config.routes if each.app == app)
        [made], _ = self.store.queue(sealed, [route.model_copy(update={"profile": profile})])
        return self.now(made)

    def now(self, job: Job | int) -> Job:
        """The job as it is now."""
        found = self.store.job(job if isinstance(job, int) else job.id)
        assert found is not None
        return found

    def step(self, job: Job) -> Job:
        """Take its next step; the job afterwards."""
        self.lanes.take_step(self.now(job))
        return self.now(job)

    def events(self, job: Job) -> list[str]:
        """What happened to it."""
        return [event.text for event in self.store.events(job.id)]

    def saw(self, job: Job) -> str:
        """What the app saw in CUDA_VISIBLE_DEVICES."""
        output = self._output(job)
        [finding] = json.loads((output / "results.json").read_text())["findings"]
        return str(finding).strip("'")

    def asked(self, job: Job) -> dict[str, str]:
        """What the app saw of profiles in GANTRY_JOB."""
        found: dict[str, str] = json.loads((self._output(job) / "asked").read_text())
        return found

    def _output(self, job: Job) -> Path:
        return self.executor.folder(self.now(job)).output
