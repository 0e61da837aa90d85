# SPDX-License-Identifier: Apache-2.0
"""What holds for each kind of report, document and picture alike."""

import io

import pytest
from builders import enhanced_ct
from dicom_tools import dciodvfy_errors, dsrdump
from documents import KINDS, documents
from pypdf import PdfReader
from result_files import ct, volume_in, write

from imaging_operators import KeyObject, Mark, PresentationState
from imaging_operators.errors import InvalidResult

NUMBERS = {
    "classification": 305,
    "placed-findings": 309,
    "presentation-state": 308,
    "secondary-capture": 304,
    "key-object": 312,
    "pdf": 307,
}
OBLIQUE = {
    "ImageOrientationPatient": [0.8, 0.6, 0, 0, 0, -1],
    "ImagePositionPatient": lambda index: [-1.5 * index, 2.0 * index, 0.0],
}
MINIMAL = dict.fromkeys(["StudyDescription", "SeriesDescription", "BodyPartExamined", "StudyDate", "StudyID"])


def named_instances(dataset) -> set[str]:
    return {str(each.value) for each in dataset.iterall() if each.keyword == "ReferencedSOPInstanceUID"}


@pytest.mark.parametrize("kind", KINDS)
def test_no_errors(documented, kind):
    assert dciodvfy_errors(documented.folder / f"{kind}-0.dcm") == []


@pytest.mark.parametrize(
    "attributes",
    [OBLIQUE, MINIMAL, {"PatientName": "Ä=山=や"}, {"Modality": "MR"}],
    ids=["oblique", "minimal", "name", "another modality"],
)
def test_no_errors_from_other_sources(tmp_path, attributes):
    volume = ct(tmp_path / "ct", **attributes)
    written = write(tmp_path / "out", volume, documents(3))
    assert [dciodvfy_errors(written.folder / f"{kind}-0.dcm") for kind in KINDS] == [[]] * 6


def test_images_of_an_enhanced_source_are_named_by_frame(tmp_path):
    enhanced_ct(tmp_path / "ct")
    volume = volume_in(tmp_path / "ct")
    written = write(tmp_path / "out", volume, documents(2))
    assert [dciodvfy_errors(written.folder / f"{kind}-0.dcm") for kind in KINDS] == [[]] * 6
    frame = volume.frame_number_of(2)
    for kind in ("placed-findings", "presentation-state", "key-object"):
        frames = {each.value for each in written[f"{kind}-0"].iterall() if each.tag == 0x00081160}
        assert frames == {volume.frame_number_of(0), frame}


def test_kinds_have_their_series_numbers(documented):
    found = {entry["kind"]: entry["series_number"] for entry in documented.document["results"]}
    assert found == NUMBERS
    assert len({entry["series_instance_uid"] for entry in documented.document["results"]}) == 6


@pytest.mark.parametrize("kind", ["classification", "placed-findings", "secondary-capture", "pdf"])
def test_every_source_instance_is_named(documented, volume, kind):
    source = {instance.sop_instance_uid for instance, _ in volume.sources}
    assert named_instances(documented[f"{kind}-0"]) >= source


def test_what_is_drawn_on_is_named_and_nothing_else(documented, volume):
    first, last = (volume.source_of(index).sop_instance_uid for index in (0, -1))
    pages = documented["secondary-capture-0"].SOPInstanceUID
    assert named_instances(documented["presentation-state-0"]) == {first, last}
    assert named_instances(documented["key-object-0"]) == {first, last, pages}


def test_the_identity_is_the_source_s_and_its_letters_survive(tmp_path):
    names = ["Yamada^Tarou=山田^太郎=やまだ^たろう", "Παπαδόπουλος^Άννα", "Иванов^Иван", "العربي^محمد"]
    sets = [["", "ISO 2022 IR 87"], "ISO_IR 126", "ISO_IR 144", "ISO_IR 127"]
    for number, (name, character_set) in enumerate(zip(names, sets, strict=True)):
        volume = ct(tmp_path / f"ct{number}", PatientName=name, SpecificCharacterSet=character_set)
        written = write(tmp_path / f"out{number}", volume, documents(1))
        for result in written.objects.values():
            assert (str(result.PatientName), result.SpecificCharacterSet) == (name, character_set)
            assert result.StudyInstanceUID == volume.series.study_instance_uid
        if number:  # not Japanese, which DCMTK cannot decode as Debian builds it
            assert name in dsrdump(written.folder / "classification-0.dcm")


def test_the_same_run_twice_makes_the_same_bytes(tmp_path, volume, documented):
    again = write(tmp_path / "out", volume, documents(volume.shape[0] - 1))
    assert again.bytes() == documented.bytes()


@pytest.mark.parametrize(
    "make", [lambda index: KeyObject([index]), lambda index: PresentationState([Mark([(1, 1)], index)])]
)
def test_other_images_make_another_object(tmp_path, volume, make):
    one, other = (
        write(tmp_path / str(index), volume, make(index)).document["results"][0]["sop_instance_uid"]
        for index in (1, 2)
    )
    assert one != other


def test_plain_numbers_and_findings_stand_in_the_manifest(documented):
    document = documented.document
    assert document["measurements"][-1] == {"name": "Length", "value": 6.0, "unit": "mm", "site": "Nodule 1"}
    assert document["findings"] == ["Nodule: score 0.71, above the operating point 0.5", "a finding"]


@pytest.mark.parametrize("result", [KeyObject([99]), PresentationState([Mark([(1, 1)], 99)])])
def test_a_slice_that_there_is_not_is_refused(tmp_path, volume, result):
    with pytest.raises(InvalidResult, match="no slice 99; the slices are 0 to 7"):
        write(tmp_path / "out", volume, result)


def test_every_document_says_research_only(documented):
    line = "NOT FOR CLINICAL USE - RESEARCH ONLY"
    for result in documented.objects.values():
        assert result.SeriesDescription.startswith(line)
    assert line in dsrdump(documented.folder / "key-object-0.dcm")
    texts = [
        item.TextObjectSequence[0]
        for item in documented["presentation-state-0"].GraphicAnnotationSequence[:1]
    ]
    assert [text.UnformattedTextValue for text in texts] == [line]
    reader = PdfReader(io.BytesIO(documented["pdf-0"].EncapsulatedDocument))
    assert all(line in page.extract_text() for page in reader.pages)
