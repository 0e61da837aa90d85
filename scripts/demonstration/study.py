# SPDX-License-Identifier: Apache-2.0
"""What is sent: a phantom with known truth, or the series of the user's own folder that the app takes."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from imaging_data import Series, SeriesRule, find_instances
from imaging_data.phantom import LungTruth, thorax, thorax_grid, write_series

SEED = 1
Progress = Callable[[float], None]


@dataclass(frozen=True)
class Study:
    """The series to send, the files of the whole study, and the true numbers where they are known."""

    series: tuple[Series, ...]
    paths: tuple[Path, ...]
    truth: dict[str, LungTruth] = field(default_factory=dict)


def make_phantom(folder: Path, quick: bool, progress: Progress) -> Study:
    """A chest CT of 120 slices of 512x512, or of 60 of 256x256 when it has to be quick."""
    slices, rows = (60, 256) if quick else (120, 512)
    rendered = thorax(SEED).render(thorax_grid(slices, rows), seed=SEED, progress=progress)
    paths = write_series(rendered, folder)
    progress(1.0)
    return Study(tuple(find_instances(folder).series[:1]), tuple(paths), rendered.truth)


def read_study(folder: Path, app: Path) -> Study:
    """The series under `folder` that the app's rule takes.

    Raises RuntimeError saying for each series why it does not match, when none does.
    """
    found = find_instances(folder)
    rule = _rule(app)
    series = tuple(each for each in found.series if rule.matches_series(each.datasets))
    if not series:
        raise RuntimeError(f"No series under {folder} is one for {app.name}.\n{_reasons(found.series, rule)}")
    return Study(series, tuple(instance.path for each in found.series for instance in each.instances))


def _reasons(found: Iterable[Series], rule: SeriesRule) -> str:
    reasons = [f"  {each.series_instance_uid}: {'; '.join(_first_reason(each, rule))}" for each in found]
    return "\n".join(reasons or ["  There is no DICOM file in it."])


def _first_reason(series: Series, rule: SeriesRule) -> list[str]:
    return next(filter(None, (rule.explain(dataset) for dataset in series.datasets)), [])


def _rule(app: Path) -> SeriesRule:
    """The rule that the app itself gives."""
    command = [sys.executable, str(app / "app.py"), "manifest"]
    manifest = subprocess.run(command, capture_output=True, check=True, text=True).stdout
    return SeriesRule.from_config(json.loads(manifest)["series"])
