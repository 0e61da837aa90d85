# SPDX-License-Identifier: Apache-2.0
"""What is sent: a phantom with known truth, or the series of the user's own folder that the app takes."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from tool import Tool
from truth import LungNumbers, OrganVolumes, Truth

from imaging_data import Series, SeriesRule, find_instances
from imaging_data.phantom import thorax, thorax_grid, torso, torso_grid, write_series
from imaging_data.phantom.radiograph import chest_radiograph
from imaging_data.phantom.radiograph_file import write_radiograph

SEED = 1
Progress = Callable[[float], None]


@dataclass(frozen=True)
class Study:
    """The series to send, the files of the whole study, and the true numbers where they are known."""

    series: tuple[Series, ...]
    paths: tuple[Path, ...]
    truth: Truth = field(default_factory=lambda: LungNumbers({}))


def make_phantom(tool: Tool, folder: Path, quick: bool, progress: Progress) -> Study:
    """A phantom that the tool takes: a thorax for lungs, a chest radiograph, else a torso with organs.

    Raises RuntimeError for a tool that takes none of them.
    """
    write = {"lung_densitometry": _thorax, "chest_xray": _radiograph}.get(tool.name, _torso)
    folder.mkdir()
    truth = write(folder, quick, progress)
    [series] = find_instances(folder).series
    if not tool.manifest.series.matches_series(series.datasets):
        raise RuntimeError(f"There is no phantom for {tool.name}: give a folder of DICOM files with --study.")
    progress(1.0)
    return Study((series,), tuple(instance.path for instance in series.instances), truth)


def _thorax(folder: Path, quick: bool, progress: Progress) -> Truth:
    """A chest CT of 120 slices of 512x512, or of 60 of 256x256 when it has to be quick."""
    grid = thorax_grid(60, 256) if quick else thorax_grid(120, 512)
    rendered = thorax(SEED).render(grid, seed=SEED, progress=progress)
    write_series(rendered, folder)
    return LungNumbers(rendered.truth)


def _torso(folder: Path, quick: bool, progress: Progress) -> Truth:
    """A CT of the torso of 168 slices of 256x256, or of 112 of 132x132 when it has to be quick."""
    grid = torso_grid() if quick else torso_grid(168, 256)
    rendered = torso(SEED).render(grid, seed=SEED, progress=progress)
    write_series(rendered, folder)
    return OrganVolumes.of(rendered)


def _radiograph(folder: Path, quick: bool, progress: Progress) -> Truth:
    """A frontal chest radiograph with an effusion."""
    write_radiograph(chest_radiograph(SEED, ["Effusion"], 512 if quick else 1024), folder / "radiograph.dcm")
    return LungNumbers({})


def read_study(folder: Path, tool: Tool) -> Study:
    """The series under `folder` that the tool's rule takes.

    Raises RuntimeError saying for each series why it does not match, when none does.
    """
    found, rule = find_instances(folder), tool.manifest.series
    series = tuple(each for each in found.series if rule.matches_series(each.datasets))
    if not series:
        raise RuntimeError(
            f"No series under {folder} is one for {tool.name}.\n{_reasons(found.series, rule)}"
        )
    return Study(series, tuple(instance.path for each in found.series for instance in each.instances))


def _reasons(found: Iterable[Series], rule: SeriesRule) -> str:
    reasons = [f"  {each.series_instance_uid}: {'; '.join(_first_reason(each, rule))}" for each in found]
    return "\n".join(reasons or ["  There is no DICOM file in it."])


def _first_reason(series: Series, rule: SeriesRule) -> list[str]:
    return next(filter(None, (rule.explain(dataset) for dataset in series.datasets)), [])
