# SPDX-License-Identifier: Apache-2.0
"""Scores of a classifier: coded, compared with their operating points, readable as text."""

import math

import pytest
from code_tables import schemes_declared
from dicom_tools import dciodvfy_errors, dsrdump
from highdicom.sr import srread
from result_files import ct, write

from imaging_operators import Classification, Code, Score, codes
from imaging_operators.errors import InvalidResult

SCORES = [
    Score(codes.SCT.Nodule, 0.71, 0.5, codes.SCT.Lung),
    Score("Lung opacity", 0.5, 0.5),
    Score("Mass", 0.33),
]
CLASSIFIER = Classification(SCORES, "densenet-of-a-test", "phantoms only", "not for children")


@pytest.fixture(scope="module")
def scored(tmp_path_factory, volume):
    return write(tmp_path_factory.mktemp("out") / "output", volume, CLASSIFIER)


def test_each_score_is_a_group_with_its_finding_and_number(scored):
    report = srread(scored.folder / "classification-0.dcm")
    groups = report.content.get_image_measurement_groups()
    assert [group.finding_type.meaning for group in groups] == ["Nodule", "Lung opacity", "Mass"]
    numbers = [
        {item.name.meaning: (item.value, item.unit.value) for item in group.get_measurements()}
        for group in groups
    ]
    assert numbers == [
        {"Score": (0.71, "{score}"), "Threshold Value": (0.5, "{score}")},
        {"Score": (0.5, "{score}"), "Threshold Value": (0.5, "{score}")},
        {"Score": (0.33, "{score}")},
    ]
    said = [[each.value.value for each in group.get_qualitative_evaluations()] for group in groups]
    assert said == [["ABOVE"], ["NOTABOVE"], []]


def test_viewers_show_it_as_text(scored):
    said = dsrdump(scored.folder / "classification-0.dcm")
    assert "Above the operating point" in said
    for text in ("densenet-of-a-test", "phantoms only", "not for children"):
        assert f'="{text}">' in said
    assert "SEPARATE" in said
    assert "CONTINUOUS" not in said
    assert scored["classification-0"].ConceptNameCodeSequence[0].CodeValue != "126000"


def test_it_is_valid(scored):
    assert dciodvfy_errors(scored.folder / "classification-0.dcm") == []


def test_a_plain_label_is_a_declared_private_code(scored):
    assert schemes_declared(scored["classification-0"]) == {"99GANTRY"}
    assert Score("Enlarged cardiomediastinum", 0).code == Code(
        "ENLARGEDCARDIOME", "99GANTRY", "Enlarged cardiomediastinum"
    )


def test_a_label_in_another_alphabet_has_a_code_too():
    code = Score("肺炎", 0.5).code
    assert (len(code.value), code.meaning) == (16, "肺炎")
    assert code.value != Score("結節", 0.5).code.value


def test_long_codes_and_other_alphabets_are_written_as_highdicom_reads_them(tmp_path, volume):
    long = Code("a-code-of-over-16-characters", "99OWN", "Own finding")
    scores = [Score(long, 1 / 3), Score("肺炎", -0.0, 1e-300, codes.SCT.Lung)]
    written = write(tmp_path / "out", volume, Classification(scores, "模型"))
    assert dciodvfy_errors(written.folder / "classification-0.dcm") == []
    report = srread(written.folder / "classification-0.dcm")
    own, pneumonia = report.content.get_image_measurement_groups()
    assert (own.finding_type.value, own.finding_type.scheme_designator) == (long.value, "99OWN")
    assert [number.value for number in own.get_measurements()] == [1 / 3]
    assert (pneumonia.tracking_identifier, pneumonia.finding_type.meaning) == ("肺炎", "肺炎")
    assert [number.value for number in pneumonia.get_measurements()] == [0.0, 1e-300]
    assert "模型" in dsrdump(written.folder / "classification-0.dcm")
    assert schemes_declared(written["classification-0"]) == {"99GANTRY", "99OWN"}


def test_one_image_is_named_in_each_group(tmp_path):
    volume = ct(tmp_path / "ct", slices=1)
    written = write(tmp_path / "out", volume, CLASSIFIER)
    groups = srread(written.folder / "classification-0.dcm").content.get_image_measurement_groups()
    named = [image.referenced_sop_instance_uid for group in groups for image in group.source_images]
    assert named == [volume.source_of(0).sop_instance_uid] * 3


@pytest.mark.parametrize("label", ["", "x" * 65, "a\\b"])
def test_a_label_that_does_not_fit_is_refused(label):
    with pytest.raises(InvalidResult, match="The score's name"):
        Score(label, 0.5)


def test_a_score_and_a_segment_of_one_number_and_name_are_tracked_apart(tmp_path, volume, written):
    segments = written["segmentation-0"].SegmentSequence
    scores = [Score(segment.SegmentLabel, 0.5) for segment in segments]
    folder = write(tmp_path / "out", volume, Classification(scores, "m")).folder
    groups = srread(folder / "classification-0.dcm").content.get_image_measurement_groups()
    tracked = {group.tracking_uid for group in groups}
    assert len(tracked) == len(scores)
    assert tracked.isdisjoint({segment.TrackingUID for segment in segments})


def test_plain_scores_and_findings_stand_in_the_manifest(scored):
    document = scored.document
    assert document["measurements"] == [
        {"name": "Nodule", "value": 0.71, "unit": "{score}", "site": "Lung", "threshold": 0.5},
        {"name": "Lung opacity", "value": 0.5, "unit": "{score}", "site": "", "threshold": 0.5},
        {"name": "Mass", "value": 0.33, "unit": "{score}", "site": ""},
    ]
    assert document["findings"] == ["Nodule: score 0.71, above the operating point 0.5"]
    assert document["results"][0]["series_number"] == 305


def test_every_source_instance_is_evidence(scored, volume):
    [study] = scored["classification-0"].CurrentRequestedProcedureEvidenceSequence
    [series] = study.ReferencedSeriesSequence
    uids = [item.ReferencedSOPInstanceUID for item in series.ReferencedSOPSequence]
    assert uids == [instance.sop_instance_uid for instance, _ in volume.sources]


@pytest.mark.parametrize(
    ("value", "threshold", "sentence"),
    [(math.nan, 0.5, "The score of 'Mass' is nan"), (0.5, math.inf, "operating point of 'Mass' is inf")],
)
def test_what_is_no_number_is_refused(value, threshold, sentence):
    with pytest.raises(InvalidResult, match=sentence):
        Score("Mass", value, threshold)


@pytest.mark.parametrize(
    ("scores", "model", "sentence"),
    [
        ([], "m", "without any score"),
        (SCORES, " ", "does not name its model"),
        ([Score("Mass", 1.0), Score("mass", 2.0)], "m", "Two scores have the code 'MASS'"),
    ],
)
def test_what_cannot_be_a_report_is_refused(scores, model, sentence):
    with pytest.raises(InvalidResult, match=sentence):
        Classification(scores, model)
