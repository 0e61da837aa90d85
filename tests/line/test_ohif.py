# SPDX-License-Identifier: Apache-2.0
"""What OHIF 3.12.10 shows of every app's results beside Orthanc: the names, the tables, the picture, the page.

Screenshots are written to build/ohif-screens, to be looked at.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import pytest
from app_process import run_app
from ohif import Shown, Viewer
from orthanc import Orthanc
from pydicom import Dataset, dcmread

from imaging_data.phantom import Rendered, thorax, thorax_grid, torso, torso_grid, write_series

pytestmark = [pytest.mark.browser, pytest.mark.orthanc]

APPS = Path(__file__).parents[2] / "apps"
RESEARCH_ONLY = "NOT FOR CLINICAL USE - RESEARCH ONLY"


@dataclass(frozen=True)
class AppCase:
    """An app, the folder of samples or the phantom that it runs on, and what OHIF must show of its results.

    segments: names that are among those of the segmentation.  words: of the text report.  coded: of the
    results of kind `numbers`.
    """

    app: str
    source: str | Callable[[], Rendered]
    words: tuple[str, ...]
    coded: tuple[str, ...]
    segments: frozenset[str] = frozenset()
    numbers: str = "measurements"
    pdf: bool = False
    test_models: bool = False

    def __str__(self) -> str:
        return self.app


LUNGS = AppCase(
    app="lung_densitometry",
    source=lambda: thorax(seed=1).render(thorax_grid(40, 128), seed=1),
    words=("both lungs", "LAA-950"),
    coded=("15th percentile of lung density", "Left lung"),
    segments=frozenset({"Right lung", "Left lung"}),
)
ORGANS = AppCase(
    app="organ_segmentation",
    source=lambda: torso(seed=77).render(torso_grid(), seed=77, factor=1),
    words=("Trained on phantoms only",),
    coded=("Attenuation Coefficient", "Liver"),
    segments=frozenset({"Liver", "Spleen", "Aorta"}),
)
TOTAL = AppCase(
    app="totalsegmentator",
    source=lambda: torso(seed=78).render(torso_grid(), seed=78, factor=1),
    words=("Task total (fast)", "liver"),
    coded=("Volume", "spleen"),
    segments=frozenset({"liver", "spleen"}),
    test_models=True,
)
CHEST = AppCase(
    app="chest_xray",
    source="cxr_nih_labelled",
    words=("Cardiomegaly", "operating point 0.5", "Trained on: procedural phantoms only"),
    coded=("Score: ", "Above the operating point", "Pleural effusion"),
    numbers="classification",
    pdf=True,
    test_models=True,
)
CASES = (LUNGS, ORGANS, TOTAL, CHEST)


def of(*cases: AppCase) -> pytest.MarkDecorator:
    """The test is for these apps."""
    return pytest.mark.parametrize("stored", cases, ids=str, indirect=True, scope="module")


@dataclass(frozen=True)
class Stored:
    """The results of one run by kind, in Orthanc beside their source, whose instances come in order."""

    case: AppCase
    viewer: Viewer
    results: dict[str, Dataset]
    source: Sequence[Dataset]

    def show(self, kind: str) -> AbstractContextManager[Shown]:
        """The study in OHIF, with the result of this kind in the viewport."""
        result = self.results[kind]
        return self.viewer.show(result.StudyInstanceUID, result.SeriesInstanceUID)

    def shoot(self, shown: Shown, kind: str) -> None:
        """A screenshot named after app and kind."""
        shown.shoot(f"{self.case.app}-{kind}")


@pytest.fixture(scope="module")
def stored(
    request: pytest.FixtureRequest,
    viewer: Viewer,
    orthanc: Orthanc,
    test_models: Callable[[str], Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Stored:
    """One app's results and their source, sent to Orthanc."""
    case, folder = request.param, tmp_path_factory.mktemp("ohif")
    source, output = folder / "source", folder / "results"
    if isinstance(case.source, str):
        source = request.getfixturevalue("samples") / case.source
    else:
        write_series(case.source(), source)
    models = test_models(case.app) if case.test_models else None
    written = run_app(APPS / case.app, source, output, models)
    files = sorted(source.glob("*.dcm"))
    for path in (*files, *written.values()):
        orthanc.upload(path)
    slices = [dcmread(path, stop_before_pixels=True) for path in files]
    return Stored(case, viewer, {kind: dcmread(path) for kind, path in written.items()}, slices)


@of(LUNGS, ORGANS, TOTAL)
def test_the_segments_are_named_and_drawn_in_their_colours(stored):
    middle = sorted(stored.source, key=lambda one: one.ImagePositionPatient[2])[len(stored.source) // 2]
    with stored.show("segmentation") as shown:
        segments = shown.segments()
        shown.go_to(middle.SOPInstanceUID)
        shown.wait_for_color(pixels=1000)
        stored.shoot(shown, "segmentation")
    assert list(segments) == [item.SegmentLabel for item in stored.results["segmentation"].SegmentSequence]
    assert stored.case.segments <= set(segments)
    assert len(set(segments.values())) == len(segments)


@of(*CASES)
def test_the_table_of_the_text_report_is_read(stored):
    with stored.show("text-report") as shown:
        text = shown.report("pre")
        stored.shoot(shown, "text-report")
    [finding] = [item for item in stored.results["text-report"].ContentSequence if item.ValueType == "TEXT"]
    lines = [line.rstrip() for line in finding.TextValue.splitlines() if line.strip()]
    assert [line for line in lines if line not in text] == []
    assert [word for word in (*stored.case.words, RESEARCH_ONLY) if word not in text] == []


@of(*CASES)
def test_the_coded_numbers_are_read(stored):
    with stored.show(stored.case.numbers) as shown:
        text = shown.report("text=Imaging Measurements")
        stored.shoot(shown, stored.case.numbers)
    assert [word for word in stored.case.coded if word not in text] == []


@of(*CASES)
def test_the_picture_is_shown(stored):
    with stored.show("secondary-capture") as shown:
        shown.wait_for_color(pixels=1000)
        stored.shoot(shown, "secondary-capture")
        described = shown.series()
    for result in stored.results.values():
        assert result.SeriesDescription in described


@of(CHEST)
def test_the_page_is_shown(stored):
    document = stored.results["pdf"].EncapsulatedDocument
    with stored.show("pdf") as shown:
        content = shown.pdf()
        stored.shoot(shown, "pdf")
    assert content.startswith(b"%PDF")
    assert content.rstrip(b"\0") == bytes(document).rstrip(b"\0")
