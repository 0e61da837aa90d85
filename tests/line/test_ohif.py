# SPDX-License-Identifier: Apache-2.0
"""What OHIF 3.12.10 shows of the apps' results beside Orthanc: the names, the table, the picture.

Screenshots are written to build/ohif-screens, to be looked at.
"""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from ohif import Shown, Viewer
from orthanc import Orthanc
from pydicom import Dataset, dcmread

from imaging_data.phantom import thorax, thorax_grid, write_series

pytestmark = [pytest.mark.browser, pytest.mark.orthanc]

APPS = Path(__file__).parents[2] / "apps"
GANTRY = Path(sys.executable).with_name("gantry")


def thorax_phantom(folder: Path) -> list[Path]:
    """A small chest CT."""
    return write_series(thorax(seed=1).render(thorax_grid(40, 128), seed=1), folder)


@dataclass(frozen=True)
class AppCase:
    """An app, what it runs on, and what its results must show."""

    app: str
    source: Callable[[Path], list[Path]]
    segments: frozenset[str]
    table: tuple[str, ...]


CASES = [
    AppCase(
        "lung_densitometry",
        thorax_phantom,
        frozenset({"Right lung", "Left lung"}),
        ("both lungs", "LAA-950"),
    ),
]


@dataclass(frozen=True)
class Stored:
    """The results of one run, in Orthanc beside their source."""

    case: AppCase
    viewer: Viewer
    results: dict[str, Dataset]

    def show(self, kind: str):
        """The study in OHIF, with the result of this kind in the viewport."""
        result = self.results[kind]
        return self.viewer.show(result.StudyInstanceUID, result.SeriesInstanceUID)

    def shoot(self, shown: Shown, kind: str) -> None:
        shown.shoot(f"{self.case.app}-{kind}")


@pytest.fixture(scope="module", params=CASES, ids=lambda case: case.app)
def stored(request, viewer: Viewer, orthanc: Orthanc, tmp_path_factory: pytest.TempPathFactory) -> Stored:
    """One app's results, made by `gantry apps run`."""
    case, folder = request.param, tmp_path_factory.mktemp("ohif")
    source = case.source(folder / "source")
    output = folder / "results"
    command = [GANTRY, "apps", "run", APPS / case.app, source[0].parent, output]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    written = json.loads((output / "results.json").read_text())["results"]
    for path in (*source, *(output / one["file"] for one in written)):
        orthanc.upload(path)
    return Stored(case, viewer, {one["kind"]: dcmread(output / one["file"]) for one in written})


def test_the_segments_are_named_and_drawn_in_their_colours(stored):
    with stored.show("segmentation") as shown:
        segments = shown.segments()
        shown.wait_for_color(pixels=50)
        stored.shoot(shown, "segmentation")
    assert list(segments) == [item.SegmentLabel for item in stored.results["segmentation"].SegmentSequence]
    assert stored.case.segments <= set(segments)
    assert len(set(segments.values())) == len(segments)


def test_the_table_of_the_report_is_read(stored):
    with stored.show("text-report") as shown:
        text = shown.report()
        stored.shoot(shown, "text-report")
    [finding] = [item for item in stored.results["text-report"].ContentSequence if item.ValueType == "TEXT"]
    lines = [line.rstrip() for line in finding.TextValue.splitlines() if line.strip()]
    assert [line for line in lines if line not in text] == []
    assert all(word in text for word in stored.case.table)
    assert "NOT FOR CLINICAL USE - RESEARCH ONLY" in text


def test_the_coded_numbers_are_read(stored):
    with stored.show("measurements") as shown:
        shown.page.get_by_text("Imaging Measurements").first.wait_for()
        text = shown.page.locator("[data-cy='viewport-pane']").inner_text()
        stored.shoot(shown, "measurements")
    assert all(name in text for name in stored.case.segments)


def test_the_picture_is_shown(stored):
    with stored.show("secondary-capture") as shown:
        shown.wait_for_color(pixels=1000)
        stored.shoot(shown, "secondary-capture")
        assert stored.results["secondary-capture"].SeriesDescription in shown.series()
