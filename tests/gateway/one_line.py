# SPDX-License-Identifier: Apache-2.0
"""One job in a real journal, and the real lanes that take it along, step by step, in the test's own thread."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from imaging_data import input_hash
from informatics_gateway.config import Config
from informatics_gateway.execute import Executor
from informatics_gateway.model import Association, Instance, Job, SeriesKey
from informatics_gateway.pipeline.lanes import Lanes
from informatics_gateway.store import Store


class Line:
    """A queued job of `app` on `instances`, of one series; `options` are keys of its [[app]]."""

    def __init__(self, storage: Path, app: Path, instances: Sequence[Instance], **options: Any) -> None:
        route = {"called_ae_title": "TOOL", "app": "tool", "destinations": ["files"]}
        files = {"name": "files", "kind": "folder", "path": storage / "out", "clinical": False}
        tables = {"app": [{"name": "tool", "path": app} | options], "route": [route], "destination": [files]}
        config = Config.model_validate({"storage": {"path": storage}} | tables)
        self.store, self.executor = Store(storage), Executor(config)
        self._lanes = Lanes(self.store, config, self.executor)
        source, first = "MODALITY@127.0.0.1", instances[0]
        who = Association("a", source, "MODALITY", "TOOL", "127.0.0.1", 0.0)
        self.store.record_arrivals([(who, instance, time.time()) for instance in instances])
        key = SeriesKey(source, "TOOL", first.study_instance_uid, first.series_instance_uid)
        content = input_hash(instance.sha256 for instance in instances)
        self.store.queue(self.store.seal(key, content, instances, "quiet"), config.routes)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.store.close()
        self.executor.close()

    @property
    def job(self) -> Job:
        """The job as it is now."""
        [job] = self.store.jobs()
        return job

    @property
    def events(self) -> list[str]:
        """What happened to it."""
        return [event.text for event in self.store.events(self.job.id)]

    def step(self) -> Job:
        """Take its next step; the job afterwards."""
        self._lanes.take_step(self.job)
        return self.job
