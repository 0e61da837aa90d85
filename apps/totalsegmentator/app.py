# SPDX-License-Identifier: Apache-2.0
"""TotalSegmentator: organs, bones, muscles and vessels on CT and MR.  Research use only."""

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from totalseg import CHEAPER, PROFILES, SPEED, Job, Results, checkpoints, report, segment, set_up

from imaging_operators import AppInfo, InferenceApp, Needs, SeriesRule, Volume


class TotalSegmentator(InferenceApp):
    """The package TotalSegmentator; a profile is one of its tasks."""

    info = AppInfo(
        name="totalsegmentator",
        version="0.1.0",
        creator="Gantry",
        needs=Needs(cpu=2, memory_mb=12288, timeout_s=3600, gpu="preferred"),
        models=checkpoints("total", fast=True),
        profiles=PROFILES,
        cheaper=CHEAPER,
    )
    series = SeriesRule(Modality={"CT", "MR"})

    def setup(self, models: Path) -> None:
        """The package without network and telemetry; each task's network is loaded when it is first used."""
        self.weights = set_up(self.folder, models)
        self.engine = f"TotalSegmentator {version('TotalSegmentator')}, PyTorch {version('torch')}"

    def models_of(self, task: str = "total", fast: bool = False, **_: Any) -> tuple[str, ...]:
        """The checkpoints of the profile's task."""
        return checkpoints(task, fast)

    def predict(
        self,
        volume: Volume,
        task: str = "total",
        fast: bool = False,
        classes: Sequence[str] = (),
        rtstruct: bool = False,
        speed: Sequence[str] = SPEED,
    ) -> Results:
        """SEG and measurements of what was found; a table and a picture in any case."""
        job = Job(task, fast, tuple(classes), frozenset(speed))
        return report(volume, job, segment(volume, job, self.weights), rtstruct)


if __name__ == "__main__":
    TotalSegmentator().run()
