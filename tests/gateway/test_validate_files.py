# SPDX-License-Identifier: Apache-2.0
"""What lies in the output folder is what results.json says, byte for byte; no UID stands for two things."""

import os
import shutil
from dataclasses import replace
from pathlib import Path

import made_results
import pytest
from builders import ct_series
from made_results import Made
from pydicom.uid import JPEG2000, CTImageStorage, generate_uid

from informatics_gateway.errors import InvalidResult
from informatics_gateway.model import Result
from informatics_gateway.validate import validate


@pytest.fixture
def job(tmp_path: Path) -> Made:
    """A job with a text report and a picture."""
    job = made_results.made(tmp_path, ct_series(tmp_path / "source", slices=3))
    job.add("text-report", made_results.text_report(job.sources[0]))
    job.add("secondary-capture", made_results.secondary_capture(job.sources[0]))
    return job


def refusal(job: Made) -> str:
    with pytest.raises(InvalidResult) as refused:
        validate(job.job, job.manifest, "shadow")
    return str(refused.value)


def amend(job: Made, which: str, **fields: object) -> Result:
    """Change what results.json says of a result."""
    job.results[which] = replace(job.results[which], **fields)
    return job.results[which]


def test_the_job_of_these_tests_is_valid(job):
    assert validate(job.job, job.manifest, "shadow") == tuple(job.results.values())


def test_an_app_that_read_other_bytes(job):
    manifest = replace(job.manifest, input_hash="0" * 64)
    with pytest.raises(InvalidResult, match="other instances"):
        validate(job.job, manifest, "shadow")


def test_no_results(job):
    job.results.clear()
    assert "left no result" in refusal(job)


def test_a_file_that_was_changed_after_the_manifest(job):
    with job.results["text-report"].path.open("ab") as file:
        file.write(b"\0\0")
    assert "text-report-0.dcm): its sha256" in refusal(job)


def test_a_file_that_is_not_there(job):
    job.results["text-report"].path.unlink()
    assert "is not there" in refusal(job)


def test_a_file_that_the_manifest_does_not_list(job):
    shutil.copy(job.results["text-report"].path, job.output / "more.dcm")
    assert "more.dcm is in the output folder and not in results.json" in refusal(job)


def test_a_folder_that_the_manifest_does_not_list(job):
    (job.output / ".hidden").mkdir()
    assert ".hidden is in the output folder" in refusal(job)


def test_a_link_to_a_file_elsewhere(job, tmp_path):
    path = job.results["text-report"].path
    path.rename(tmp_path / "elsewhere.dcm")
    path.symlink_to(tmp_path / "elsewhere.dcm")
    assert "no plain file" in refusal(job)


@pytest.mark.parametrize("name", ["../elsewhere.dcm", "sub/elsewhere.dcm"])
def test_a_path_that_leaves_the_folder(job, name):
    path = job.results["text-report"].path
    target = job.output / name
    target.parent.mkdir(exist_ok=True)
    path.rename(target)
    amend(job, "secondary-capture", ordinal=0)
    amend(job, "text-report", path=target)
    job.results = dict(reversed(job.results.items()))
    assert "outside the output folder" in refusal(job)


def test_a_folder_without_results_json(job):
    (job.output / "results.json").unlink()
    assert "beside results.json" in refusal(job)


def test_one_file_for_two_results(job):
    first = job.results["text-report"]
    job.results["again"] = replace(first, kind="again")
    assert "one file twice" in refusal(job)


def test_bytes_that_are_no_dicom(job):
    path = job.results["text-report"].path
    path.write_bytes(b"{}" * 300)
    amend(job, "text-report", sha256=made_results.file_sha256(path))
    assert "The file is not DICOM" in refusal(job)


def test_a_file_that_was_cut_off(job):
    path = job.results["text-report"].path
    os.truncate(path, path.stat().st_size - 7)
    amend(job, "text-report", sha256=made_results.file_sha256(path))
    assert "cannot be read" in refusal(job)


def test_an_sop_class_that_is_none_for_results(job):
    job.change("secondary-capture", lambda dataset: setattr(dataset, "SOPClassUID", CTImageStorage))
    amend(job, "secondary-capture", sop_class_uid=CTImageStorage)
    assert "CT Image Storage is an unknown SOP class" in refusal(job)


def test_file_meta_information_of_another_instance(job):
    """pydicom would mend it when it saves: the bytes are changed."""
    path = job.results["text-report"].path
    uid = job.results["text-report"].sop_instance_uid.encode()
    content = path.read_bytes()
    path.write_bytes(content.replace(uid, uid[:-1] + b"0" if uid[-1:] != b"0" else uid[:-1] + b"1", 1))
    amend(job, "text-report", sha256=made_results.file_sha256(path))
    assert "MediaStorageSOPInstanceUID" in refusal(job)


def test_an_unknown_transfer_syntax(job):
    path = job.results["text-report"].path
    path.write_bytes(path.read_bytes().replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.9.9\0", 1))
    amend(job, "text-report", sha256=made_results.file_sha256(path))
    assert "names no transfer syntax" in refusal(job)


def test_a_result_that_has_the_uid_of_an_input_instance(job):
    uid = job.sources[0].SOPInstanceUID
    job.change("text-report", lambda dataset: setattr(dataset, "SOPInstanceUID", uid))
    amend(job, "text-report", sop_instance_uid=uid)
    assert "its SOPInstanceUID is that of another instance" in refusal(job)


def test_two_results_with_one_uid(job):
    uid = job.results["text-report"].sop_instance_uid
    job.change("secondary-capture", lambda dataset: setattr(dataset, "SOPInstanceUID", uid))
    amend(job, "secondary-capture", sop_instance_uid=uid)
    assert "its SOPInstanceUID is that of another instance" in refusal(job)


def test_a_result_in_the_source_series(job):
    uid = job.sources[0].SeriesInstanceUID
    job.change("text-report", lambda dataset: setattr(dataset, "SeriesInstanceUID", uid))
    amend(job, "text-report", series_instance_uid=uid)
    assert "SeriesInstanceUID is the source's" in refusal(job)


def test_two_kinds_in_one_series(job):
    uid = job.results["text-report"].series_instance_uid
    job.change("secondary-capture", lambda dataset: setattr(dataset, "SeriesInstanceUID", uid))
    amend(job, "secondary-capture", series_instance_uid=uid)
    assert "results of another kind" in refusal(job)


def test_two_pictures_in_one_series_are_fine(job):
    uid = job.results["secondary-capture"].series_instance_uid
    more = made_results.secondary_capture(job.sources[0])
    more.SeriesInstanceUID = uid
    job.add("more", more)
    amend(job, "more", kind="secondary-capture", ordinal=1)
    assert len(validate(job.job, job.manifest, "shadow")) == 3


def test_compressed_pixels_that_cannot_be_decoded(job):
    labelmap = made_results.segmentation(job.sources, "LABELMAP")
    job.add("labelmap", labelmap)
    assert validate(job.job, job.manifest, "shadow")
    job.change("labelmap", lambda dataset: setattr(dataset.file_meta, "TransferSyntaxUID", JPEG2000))
    assert "cannot be decoded" in refusal(job)


def test_an_empty_labelmap_is_seen_through_its_compression(job):
    nothing = made_results.mask_of(job.sources) * 0
    labelmap = made_results.segmentation(job.sources, "LABELMAP", nothing)
    job.add("labelmap", labelmap)
    assert "marks nothing" in refusal(job)


def test_a_pdf(job):
    pdf = made_results.plain(job.sources[0], "1.2.840.10008.5.1.4.1.1.104.1", "DOC", 308)
    pdf.EncapsulatedDocument, pdf.MIMETypeOfEncapsulatedDocument = b"%PDF-1.4\n%%EOF\n", "application/pdf"
    job.add("pdf", pdf)
    assert validate(job.job, job.manifest, "shadow")
    job.change("pdf", lambda dataset: setattr(dataset, "EncapsulatedDocument", b"<html>"))
    assert "holds no PDF" in refusal(job)


def test_a_presentation_state_for_no_image(job):
    state = made_results.plain(job.sources[0], "1.2.840.10008.5.1.4.1.1.11.1", "PR", 309)
    state.ReferencedSeriesSequence = []
    state.SeriesInstanceUID = generate_uid()
    job.add("presentation", state)
    assert "for no image" in refusal(job)
