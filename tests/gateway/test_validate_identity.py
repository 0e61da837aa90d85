# SPDX-License-Identifier: Apache-2.0
"""The patient that came in, in whatever character set; and references that may lead out of the job."""

from pathlib import Path

import made_results
import pytest
from builders import ct_series
from made_results import Made
from pydicom import Dataset
from pydicom.uid import generate_uid

from imaging_data import read_header
from informatics_gateway.errors import InvalidResult
from informatics_gateway.model import Identity, Result
from informatics_gateway.validate import validate
from informatics_gateway.validate.identity import check_identity, person_name, text

STEP = "1.2.840.10008.3.1.2.3.3"  # Modality Performed Procedure Step


def job_of(folder: Path, **attributes: object) -> Made:
    job = made_results.made(folder, ct_series(folder / "source", slices=3, **attributes))
    job.add("text-report", made_results.text_report(job.sources[0]))
    return job


def refusal(job: Made) -> str:
    with pytest.raises(InvalidResult) as refused:
        validate(job.job, job.manifest, "shadow")
    return str(refused.value)


@pytest.mark.parametrize(
    ("character_set", "name"),
    [
        ("ISO_IR 100", "Müller^Jörg"),
        ("ISO_IR 144", "Иванов^Иван"),
        (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎=やまだ^たろう"),
        ("GB18030", "Wang^XiaoDong=王^小东"),
    ],
)
@pytest.mark.parametrize("kept", [True, False])
def test_a_name_is_the_same_in_another_character_set(tmp_path, character_set, name, kept):
    job = job_of(tmp_path, SpecificCharacterSet=character_set, PatientName=name)
    assert read_header(job.job.input_set.instances[0].path).SpecificCharacterSet == character_set
    written = character_set if kept else "ISO_IR 192"
    job.change("text-report", lambda dataset: setattr(dataset, "SpecificCharacterSet", written))
    report = job.read("text-report")
    assert report.SpecificCharacterSet == written
    assert str(report.PatientName) == name
    assert validate(job.job, job.manifest, "shadow")


def test_a_name_that_lost_its_characters_is_another_name(tmp_path):
    job = job_of(tmp_path, SpecificCharacterSet="ISO_IR 192", PatientName="Müller^Jörg")
    job.change("text-report", lambda dataset: setattr(dataset, "PatientName", "M??ller^J??rg"))
    assert "PatientName" in refusal(job)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Doe^Jane", "Doe^Jane^^^"),
        ("Doe^Jane ", "Doe^Jane"),
        ("Doe^Jane==", "Doe^Jane"),
        ("Jo\u0308rg", "J\u00f6rg"),
    ],
)
def test_names_that_mean_the_same(one, other):
    assert person_name(one) == person_name(other)


@pytest.mark.parametrize(
    ("one", "other"), [("Doe^Jane", "Doe Jane"), ("Doe^Jane", "^Doe^Jane"), ("Doe", "=Doe"), ("Doe", "DOE")]
)
def test_names_that_do_not(one, other):
    assert person_name(one) != person_name(other)


def test_delimiters_count_in_an_identifier():
    assert text(" 12 ") == text("12")
    assert text("12^") != text("12")


def test_an_identity_without_values_is_compared_too():
    dataset = Dataset()
    dataset.StudyInstanceUID = "1.2"
    nobody = Identity("", "", "", "1.2")
    check_identity(dataset, nobody)
    dataset.PatientID = "1"
    with pytest.raises(InvalidResult, match="PatientID"):
        check_identity(dataset, nobody)


def with_step(dataset: Dataset, uid: str) -> None:
    step = Dataset()
    step.ReferencedSOPClassUID, step.ReferencedSOPInstanceUID = STEP, uid
    dataset.ReferencedPerformedProcedureStepSequence = [step]


def test_the_sources_own_procedure_step_may_be_named_and_no_other(tmp_path):
    uid = generate_uid()
    holder = Dataset()
    with_step(holder, uid)
    job = job_of(
        tmp_path, ReferencedPerformedProcedureStepSequence=holder.ReferencedPerformedProcedureStepSequence
    )
    job.change("text-report", lambda dataset: with_step(dataset, uid))
    assert validate(job.job, job.manifest, "shadow")
    job.change("text-report", lambda dataset: with_step(dataset, generate_uid()))
    assert "ReferencedPerformedProcedureStepSequence refers to" in refusal(job)


def predecessor_of(result: Result) -> Result:
    return Result(
        path=Path("gone"),
        kind=result.kind,
        sop_class_uid=result.sop_class_uid,
        sop_instance_uid=generate_uid(),
        series_instance_uid=generate_uid(),
        sha256="",
    )


def documents(study: str, named: Result) -> list[Dataset]:
    """Items of PredecessorDocumentsSequence and of the evidence sequences (PS3.3 table C.17-3)."""
    instance, series, item = Dataset(), Dataset(), Dataset()
    instance.ReferencedSOPClassUID, instance.ReferencedSOPInstanceUID = (
        named.sop_class_uid,
        named.sop_instance_uid,
    )
    series.SeriesInstanceUID, series.ReferencedSOPSequence = named.series_instance_uid, [instance]
    item.StudyInstanceUID, item.ReferencedSeriesSequence = study, [series]
    return [item]


def test_a_report_may_name_the_report_that_it_replaces(tmp_path):
    job = job_of(tmp_path)
    before = predecessor_of(job.results["text-report"])
    items = documents(job.sources[0].StudyInstanceUID, before)
    job.change("text-report", lambda dataset: setattr(dataset, "PredecessorDocumentsSequence", items))
    assert validate(job.job, job.manifest, "shadow", predecessors=[before])
    assert "PredecessorDocumentsSequence refers to" in refusal(job)


def test_a_replaced_report_is_no_evidence(tmp_path):
    job = job_of(tmp_path)
    before = predecessor_of(job.results["text-report"])
    items = documents(job.sources[0].StudyInstanceUID, before)
    job.change("text-report", lambda dataset: setattr(dataset, "PertinentOtherEvidenceSequence", items))
    with pytest.raises(InvalidResult, match="PertinentOtherEvidenceSequence"):
        validate(job.job, job.manifest, "shadow", predecessors=[before])


def test_a_reference_is_found_where_the_vr_is_hidden(tmp_path):
    """UN is read by the dictionary, as viewers do; implicit VR too."""
    job = job_of(tmp_path)
    items = documents(job.sources[0].StudyInstanceUID, predecessor_of(job.results["text-report"]))
    job.change("text-report", lambda dataset: setattr(dataset, "PertinentOtherEvidenceSequence", items))
    report = job.read("text-report")
    report.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2"
    path = job.results["text-report"].path
    report.save_as(path, implicit_vr=True, enforce_file_format=True)
    job.change("text-report", lambda dataset: None)
    assert job.read("text-report").file_meta.TransferSyntaxUID.is_implicit_VR
    assert "PertinentOtherEvidenceSequence refers to" in refusal(job)
