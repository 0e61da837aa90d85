# SPDX-License-Identifier: Apache-2.0
"""Results of an app that read a radiograph: what has no place in the patient, and nothing else."""

from io import BytesIO

import numpy as np
import pytest
from dicom_tools import dciodvfy_errors, dsrdump
from documents import KINDS, documents
from reportlab.pdfgen.canvas import Canvas
from result_files import write

from imaging_data import find_instances, read_radiograph
from imaging_data.phantom.radiograph import chest_radiograph
from imaging_data.phantom.radiograph_file import write_radiograph
from imaging_operators import (
    Classification,
    EncapsulatedPDF,
    Mark,
    Measurement,
    Measurements,
    PresentationState,
    Score,
    SecondaryCapture,
    Segment,
    Segmentation,
    TextReport,
    codes,
)
from imaging_operators.errors import InvalidResult


@pytest.fixture(scope="module")
def radiograph(tmp_path_factory):
    path = tmp_path_factory.mktemp("radiograph") / "image.dcm"
    write_radiograph(chest_radiograph(1, side=64), path)
    [series] = find_instances(path.parent).series
    return read_radiograph(series)


RESULTS = [
    Classification([Score(codes.SCT.Pneumothorax, 0.25, 0.5)], "a model"),
    Measurements([Measurement(codes.SCT.Area, 3.5, codes.UCUM.SquareMillimeter, site=codes.SCT.Heart)]),
    TextReport("Chest", "nothing"),
    SecondaryCapture(np.zeros((80, 300, 3), np.uint8)),
]


def test_reports_and_pictures_of_a_radiograph_are_valid_and_name_it(radiograph, tmp_path):
    written = write(tmp_path / "out", radiograph, RESULTS)
    assert len(written.objects) == len(RESULTS)
    for path in written.folder.glob("*.dcm"):
        assert dciodvfy_errors(path) == []
    for kind in ("classification", "measurements", "text-report"):
        [study] = written[f"{kind}-0"].CurrentRequestedProcedureEvidenceSequence
        [series] = study.ReferencedSeriesSequence
        [instance] = series.ReferencedSOPSequence
        assert series.SeriesInstanceUID == radiograph.series.series_instance_uid
        assert instance.ReferencedSOPInstanceUID == radiograph.instance.sop_instance_uid
        assert instance.ReferencedSOPClassUID == radiograph.instance.dataset.SOPClassUID
    assert "(43468-8,LN," in dsrdump(written.folder / "measurements-0.dcm")  # a radiograph, of CID 100
    assert written.document["input"]["hash"] == radiograph.series.input_hash


def test_a_segmentation_of_a_radiograph_is_refused_by_name(radiograph, tmp_path):
    labelmap = np.ones((1, *radiograph.shape), np.uint8)
    segmentation = Segmentation(labelmap, [Segment(1, codes.SCT.Lung)])
    with pytest.raises(InvalidResult, match="read a radiograph") as refused:
        write(tmp_path / "out", radiograph, segmentation)
    assert "Classification" in refused.value.hint


def test_a_page_of_a_radiograph_names_its_source(radiograph, tmp_path):
    file = BytesIO()
    canvas = Canvas(file)
    canvas.drawString(50, 500, "page")
    canvas.save()
    written = write(tmp_path / "out", radiograph, EncapsulatedPDF(file.getvalue(), "Page"))
    [item] = written["pdf-0"].SourceInstanceSequence
    assert item.ReferencedSOPInstanceUID == radiograph.instance.sop_instance_uid
    assert dciodvfy_errors(written.folder / "pdf-0.dcm") == []


def test_documents_and_marks_of_a_radiograph_are_valid(radiograph, tmp_path):
    written = write(tmp_path / "out", radiograph, documents())
    assert [dciodvfy_errors(written.folder / f"{kind}-0.dcm") for kind in KINDS] == [[]] * len(KINDS)
    header = radiograph.instance.dataset
    [window] = written["presentation-state-0"].SoftcopyVOILUTSequence
    assert (window.WindowCenter, window.WindowWidth) == (header.WindowCenter, header.WindowWidth)


def test_a_window_over_a_radiograph_is_refused(radiograph, tmp_path):
    state = PresentationState([Mark([(1, 1)])], (0.5, 1))
    with pytest.raises(InvalidResult, match="its array has no unit"):
        write(tmp_path / "out", radiograph, state)
