# SPDX-License-Identifier: Apache-2.0
"""Findings with a place, scores and pages in OHIF, over a real abdomen."""

import sys
from pathlib import Path

import numpy as np
import pytest
from ohif import Viewer
from orthanc import Orthanc

sys.path.append(str(Path(__file__).parents[1] / "operators"))

from result_files import Written, volume_in, write

from imaging_operators import (
    Classification,
    Mark,
    Measurement,
    PlacedFinding,
    PlacedFindings,
    Score,
    SecondaryCapture,
    codes,
)

pytestmark = [pytest.mark.browser, pytest.mark.orthanc]

OUTLINE = [(200, 150), (200, 230), (270, 230), (270, 150), (200, 150)]
DIAMETER = Measurement(codes.SCT.Length, 61.5, codes.UCUM.Millimeter)


@pytest.fixture(scope="module")
def found(
    samples: Path, viewer: Viewer, orthanc: Orthanc, tmp_path_factory: pytest.TempPathFactory
) -> Written:
    """The results, in Orthanc beside the abdomen."""
    source = samples / "ct_abdomen_completed"
    volume = volume_in(source)
    pages = np.zeros((3, 300, 400, 3), np.uint8)
    pages[..., 1] = 200
    lesion = PlacedFinding(codes.SCT.Nodule, Mark(OUTLINE, 8), [DIAMETER], "Lesion 7", codes.SCT.Liver)
    results = [
        PlacedFindings([lesion, PlacedFinding(codes.SCT.Nodule, Mark(OUTLINE, 3), [DIAMETER], "Lesion 8")]),
        Classification(
            [Score(codes.SCT.Nodule, 0.71, 0.5)], "a model of this test", limits="not for children"
        ),
        SecondaryCapture(pages),
    ]
    written = write(tmp_path_factory.mktemp("findings") / "out", volume, results)
    for path in (*source.glob("*.dcm"), *written.folder.glob("*.dcm")):
        orthanc.upload(path)
    return written


def shown(viewer: Viewer, result):
    """The study in OHIF, with this result in the viewport."""
    return viewer.show(result.StudyInstanceUID, result.SeriesInstanceUID)


def test_a_finding_is_drawn_on_its_slice_with_its_number_and_site(viewer, found):
    """OHIF counts slices from the head; the volume's begin at the feet."""
    with shown(viewer, found["placed-findings-0"]) as seen:
        pane = seen.page.locator("[data-cy='viewport-pane']")
        pane.get_by_text("61.50 mm").wait_for()
        pane.get_by_text("(12/20)").wait_for()
        seen.shoot("placed-findings")
        assert "Liver" in pane.inner_text()


def test_scores_are_read_as_text(viewer, found):
    with shown(viewer, found["classification-0"]) as seen:
        text = seen.report("text=Imaging Measurements")
        seen.shoot("classification")
    for said in (
        "Score: 0.71 {score}",
        "Above the operating point",
        "a model of this test",
        "not for children",
    ):
        assert said in text


def test_pages_are_shown(viewer, found):
    with shown(viewer, found["secondary-capture-0"]) as seen:
        seen.wait_for_color(pixels=1000)
        seen.page.get_by_text("(1/3)").wait_for()
        seen.shoot("pages")
