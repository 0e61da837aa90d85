# SPDX-License-Identifier: Apache-2.0
"""The structured report for machines: TID 1500, with a reference to each segment."""

import math

import pytest
from dicom_tools import dsrdump
from highdicom.sr import srread
from result_files import MILLILITRE, SEGMENTS, all_kinds, block, ct, write

from imaging_operators import Measurement, Measurements, Segmentation, codes
from imaging_operators.errors import InvalidResult

VOLUME = Measurement(codes.SCT.Volume, 1.0, MILLILITRE)


def containers(item):
    """Every CONTAINER below and with `item`."""
    if item.get("ValueType") == "CONTAINER":
        yield item
    for child in item.get("ContentSequence", []):
        yield from containers(child)


def named(item, meaning):
    """The items below `item` whose concept has this meaning."""
    for child in item.get("ContentSequence", []):
        if child.ConceptNameCodeSequence[0].CodeMeaning == meaning:
            yield child
        yield from named(child, meaning)


@pytest.fixture
def report(written):
    return written["measurements-0"]


def test_it_is_a_comprehensive_3d_sr_after_tid_1500(report):
    assert report.SOPClassUID.name == "Comprehensive 3D SR Storage"
    [template] = report.ContentTemplateSequence
    assert (template.MappingResource, template.TemplateIdentifier) == ("DCMR", "1500")
    assert report.ConceptNameCodeSequence[0].CodeValue == "126001"
    assert (report.CompletionFlag, report.VerificationFlag) == ("COMPLETE", "UNVERIFIED")


def test_every_container_is_separate(report):
    found = list(containers(report))
    assert len(found) == 5  # the root, the measurements and three groups
    assert {item.ContinuityOfContent for item in found} == {"SEPARATE"}


def test_each_group_refers_to_its_segment_and_series(written, report, volume):
    segmentation = written["segmentation-0"]
    groups = list(named(report, "Measurement Group"))
    for number, group in enumerate(groups[:2], start=1):
        [segment] = named(group, "Referenced Segment")
        [reference] = segment.ReferencedSOPSequence
        assert reference.ReferencedSOPInstanceUID == segmentation.SOPInstanceUID
        assert reference.ReferencedSegmentNumber == number
        [series] = named(group, "Source Series for Segmentation")
        assert volume.series.series_instance_uid == series.UID
        [tracking] = named(group, "Tracking Unique Identifier")
        assert segmentation.SegmentSequence[number - 1].TrackingUID == tracking.UID
    assert not list(named(groups[2], "Referenced Segment"))


def test_highdicom_reads_the_numbers(written):
    report = srread(written.folder / "measurements-0.dcm")
    groups = report.content.get_volumetric_roi_measurement_groups()
    [left, nodule] = groups
    assert left.finding_sites[0].value == codes.SCT.Lung
    assert left.finding_sites[0].laterality == codes.SCT.Left
    values = {item.name.meaning: item.value for group in groups for item in group.get_measurements()}
    assert values["Volume"] == 1.5
    assert values["Attenuation Coefficient"] == -801.25
    assert values["Low attenuation area"] == 0.1 + 0.2
    assert nodule.tracking_identifier == "Nodule"


def test_dcmtk_reads_it(written):
    said = dsrdump(written.folder / "measurements-0.dcm")
    assert '(118565006,SCT,"Volume")="1.5" (mm3,UCUM,"cubic millimeter")' in said
    assert '(121401,DCM,"Derivation")=(373098007,SCT,"Mean")' in said
    assert '(121058,DCM,"Procedure reported")=(25045-6,LN,"CT unspecified body region")' in said


def test_the_evidence_is_the_segmentation_and_the_source(written, report, volume):
    [study] = report.CurrentRequestedProcedureEvidenceSequence
    assert study.StudyInstanceUID == volume.series.study_instance_uid
    named_uids = [
        item.ReferencedSOPInstanceUID
        for series in study.ReferencedSeriesSequence
        for item in series.ReferencedSOPSequence
    ]
    source = [instance.sop_instance_uid for instance, _ in volume.sources]
    assert named_uids == [written["segmentation-0"].SOPInstanceUID, *source]
    assert "PertinentOtherEvidenceSequence" not in report


def test_plain_numbers_stand_in_the_manifest(written):
    assert written.document["measurements"] == [
        {"name": "Volume", "value": 1.5, "unit": "mm3", "site": "Left lung"},
        {"name": "Attenuation Coefficient (Mean)", "value": -801.25, "unit": "[hnsf'U]", "site": "Left lung"},
        {"name": "Low attenuation area", "value": 0.1 + 0.2, "unit": "%", "site": "Nodule"},
        {"name": "Volume", "value": 3.0, "unit": "mm3", "site": "Lung"},
    ]


def test_a_segmentation_that_only_measurements_name_is_written_too(tmp_path, volume):
    segmentation = Segmentation(block(volume), SEGMENTS)
    item = Measurement(codes.SCT.Volume, 2.0, MILLILITRE, segment=2)
    written = write(tmp_path / "out", volume, Measurements([item], segmentation))
    assert [entry["kind"] for entry in written.document["results"]] == ["segmentation", "measurements"]
    [reference] = next(named(written["measurements-0"], "Referenced Segment")).ReferencedSOPSequence
    assert reference.ReferencedSOPInstanceUID == written["segmentation-0"].SOPInstanceUID
    assert reference.ReferencedSegmentNumber == 2


def test_numbers_without_a_segmentation(tmp_path, volume):
    written = write(tmp_path / "out", volume, Measurements([VOLUME], findings=("nothing found",)))
    report = srread(written.folder / "measurements-0.dcm")
    [group] = report.content.get_image_measurement_groups()
    assert [item.value for item in group.get_measurements()] == [1.0]
    assert written.document["findings"] == ["nothing found"]


def test_the_procedure_is_the_modality_s_or_the_author_s(tmp_path):
    volume = ct(tmp_path / "mr", Modality="PT")
    usual = write(tmp_path / "usual", volume, Measurements([VOLUME]))["measurements-0"]
    own = Measurements([VOLUME], procedure=codes.cid100.PETWholeBody)
    chosen = write(tmp_path / "chosen", volume, own)["measurements-0"]
    procedures = [
        next(named(report, "Procedure reported")).ConceptCodeSequence[0].CodeValue
        for report in (usual, chosen)
    ]
    assert procedures == ["44136-0", "44139-4"]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_refused(value):
    with pytest.raises(InvalidResult, match="The measurement 'Volume' is"):
        Measurement(codes.SCT.Volume, value, MILLILITRE)


@pytest.mark.parametrize(
    ("items", "arguments", "sentence"),
    [
        ([], {}, "without any item"),
        ([VOLUME], {"title": codes.cid7021.ImagingMeasurementReport}, "stay blank in viewers"),
        ([Measurement(codes.SCT.Volume, 1.0, MILLILITRE, segment=1)], {}, r"segments \{1\}"),
    ],
)
def test_what_cannot_be_a_report_is_refused(items, arguments, sentence):
    with pytest.raises(InvalidResult, match=sentence):
        Measurements(items, **arguments)


def test_two_reports_of_one_run_are_two_series(tmp_path, volume):
    written = write(tmp_path / "out", volume, [Measurements([VOLUME]), *all_kinds(volume)])
    numbers = [entry["series_number"] for entry in written.document["results"]]
    assert numbers == [301, 302, 303, 1302, 304]
    assert len({entry["series_instance_uid"] for entry in written.document["results"]}) == 5
