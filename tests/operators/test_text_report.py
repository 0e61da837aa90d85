# SPDX-License-Identifier: Apache-2.0
"""The report for the radiologist: one monospaced text, what it rests on, and what it replaces."""

import pytest
from dicom_tools import dsrdump
from result_files import all_kinds, write

from imaging_operators import TextReport
from imaging_operators.errors import InvalidResult

RESEARCH_ONLY = "NOT FOR CLINICAL USE - RESEARCH ONLY"


def replaced(kind: str, number: int) -> dict:
    return {
        "kind": kind,
        "ordinal": 0,
        "sop_class_uid": "1.2.840.10008.5.1.4.1.1.88.11",
        "sop_instance_uid": f"2.25.{number}",
        "study_instance_uid": "2.25.1",
        "series_instance_uid": "2.25.2",
        "series_number": number,
    }


REVISION = {"revision": 2, "replaces": [replaced("text-report", 303), replaced("measurements", 302)]}


def text_of(report) -> str:
    [item] = report.ContentSequence
    return item.TextValue


def test_it_is_a_basic_text_sr_with_one_text_under_finding(written):
    report = written["text-report-0"]
    assert report.SOPClassUID.name == "Basic Text SR Storage"
    assert report.ConceptNameCodeSequence[0].CodeValue == "18748-4"
    [item] = report.ContentSequence
    assert (item.ValueType, item.RelationshipType) == ("TEXT", "CONTAINS")
    assert item.ConceptNameCodeSequence[0].CodeValue == "121071"


def test_the_text_is_the_author_s_with_the_research_line(written):
    assert text_of(written["text-report-0"]).split("\n") == [
        "Lungs",
        "",
        "Volume      1.5 ml",
        "Mean     -801.3 HU",
        "",
        "test-app 1.2, Gantry tests",
        RESEARCH_ONLY,
    ]


def test_its_evidence_is_the_segmentation_and_the_source(written):
    report = written["text-report-0"]
    assert (
        report.CurrentRequestedProcedureEvidenceSequence
        == written["measurements-0"].CurrentRequestedProcedureEvidenceSequence
    )
    assert "PredecessorDocumentsSequence" not in report


def test_dcmtk_reads_it(written):
    said = dsrdump(written.folder / "text-report-0.dcm")
    assert "Volume      1.5 ml" in said
    assert '(121071,DCM,"Finding")' in said


def test_findings_stand_in_the_manifest(written):
    assert written.document["findings"] == ["lungs not completely imaged"]


def test_text_beyond_ascii(tmp_path, volume):
    report = TextReport("Lunge: Übersicht", "Δ ≤ 5 %  肺")
    written = write(tmp_path / "out", volume, report)
    assert text_of(written["text-report-0"]).startswith("Lunge: Übersicht\n\nΔ ≤ 5 %  肺")
    assert "Δ ≤ 5 %" in dsrdump(written.folder / "text-report-0.dcm")


@pytest.mark.parametrize("text", ["", " \n "])
def test_a_report_without_text_is_refused(text):
    with pytest.raises(InvalidResult, match="without text"):
        TextReport("Title", text)


@pytest.mark.parametrize(("kind", "number"), [("text-report", 303), ("measurements", 302)])
def test_a_later_revision_names_its_predecessor(tmp_path, volume, kind, number):
    written = write(tmp_path / "out", volume, all_kinds(volume), **REVISION)
    [study] = written[f"{kind}-0"].PredecessorDocumentsSequence
    [series] = study.ReferencedSeriesSequence
    [instance] = series.ReferencedSOPSequence
    assert (study.StudyInstanceUID, series.SeriesInstanceUID) == ("2.25.1", "2.25.2")
    assert instance.ReferencedSOPInstanceUID == f"2.25.{number}"
    assert written[f"{kind}-0"].SeriesDescription == f"{RESEARCH_ONLY} rev 2, replaces series {number}"
    assert "PredecessorDocumentsSequence" not in written["segmentation-0"]
    dsrdump(written.folder / f"{kind}-0.dcm")


def test_a_later_revision_says_so_in_the_text(tmp_path, volume):
    written = write(tmp_path / "out", volume, all_kinds(volume), **REVISION)
    assert "\nrev 2, replaces series 303\n" in text_of(written["text-report-0"])
