# SPDX-License-Identifier: Apache-2.0
"""What is left of a patient is found, wherever it stands, and never said."""

import pytest
from deidentify_inputs import DATE, ID, KEY, NAME, UID_ROOT, ct, encoded
from pydicom import Dataset, dcmread

from imaging_data import UnsupportedTransferSyntax, read_header
from imaging_data.deidentify import Profile, deidentify_files
from imaging_data.deidentify.profile import CLEAN_PIXELS
from imaging_data.deidentify.verify import Verification

RESEARCH, PHONE = Profile.read("research"), "+49 30 123456"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Originals of two patients, and what came of them."""
    folder = tmp_path_factory.mktemp("verify")
    (folder / "in").mkdir()
    texts = {"StudyDescription": "Follow up of the mayor", "OperatorsName": "Quxoperator^Q"}
    texts["PatientTelephoneNumbers"] = PHONE
    (folder / "in" / "1.dcm").write_bytes(encoded(ct(**texts)))
    other = {"PatientName": "Second^Person", "PatientID": "ANOTHER-2", "StudyInstanceUID": f"{UID_ROOT}.22"}
    (folder / "in" / "2.dcm").write_bytes(
        encoded(ct(SOPInstanceUID=f"{UID_ROOT}.21", StudyDate="19900101", **other))
    )
    deidentify_files(folder / "in", folder / "out", None, Profile.read("research"), KEY)
    return folder


@pytest.fixture(scope="module")
def verification(made):
    """With the key."""
    return Verification(made / "in", KEY)


def test_nothing_is_found_where_nothing_is_left(made, verification):
    done = verification.run(made / "out")
    assert (done.files, done.findings) == (2, [])
    assert done.not_searched == {"text in pixels: not asked for"}
    without = Verification(made / "in").run(made / "out")
    assert without.findings == []
    assert "dates: name the key" in without.not_searched


def test_the_originals_themselves_are_full_of_it(made, verification):
    kinds = {each.kind for each in verification.run(made / "in").findings}
    assert kinds >= {"name or identifier", "UID", "date", "text"}


def _in_sequence(dataset: Dataset) -> None:
    item = Dataset()
    item.TextValue = f"told by {NAME.upper()}"
    dataset.SharedFunctionalGroupsSequence = [item]


LEAKS = {
    "a name": (lambda d: setattr(d, "RescaleType", NAME), "name or identifier", "(0028,1054)"),
    "a part of a name": (lambda d: setattr(d, "ImageComments", f"x{NAME}y"), "name or identifier", "(0020,4000)"),
    "an operator": (lambda d: setattr(d, "ImageComments", "by quxoperator"), "name or identifier", "(0020,4000)"),
    "in a sequence": (_in_sequence, "name or identifier", "(5200,9229)[0](0040,A160)"),
    "an identifier": (lambda d: setattr(d, "StudyID", ID), "name or identifier", "(0020,0010)"),
    "a date": (lambda d: setattr(d, "ContentDate", DATE), "date", "(0008,0023)"),
    "a date and time": (lambda d: setattr(d, "AcquisitionDateTime", f"{DATE}1011"), "date", "(0008,002A)"),
    "a date in a text": (lambda d: setattr(d, "RescaleType", "on 15.2.1963"), "date", "(0028,1054)"),
    "a great age": (lambda d: setattr(d, "PatientAge", "093Y"), "great age", "(0010,1010)"),
    "a telephone": (lambda d: setattr(d, "ImageComments", PHONE), "text", "(0020,4000)"),
    "private in spite of the safe list": (
        lambda d: d.private_block(0x0019, "SIEMENS MR HEADER", create=True).add_new(0x77, "SQ", [Dataset()]),
        "private attribute", "(0019,1077)",
    ),
    "a UID": (lambda d: setattr(d, "SynchronizationFrameOfReferenceUID", f"{UID_ROOT}.4"), "UID", "(0020,0200)"),
    "a text": (lambda d: setattr(d, "ImageComments", "Follow up of the mayor"), "text", "(0020,4000)"),
    "private": (
        lambda d: d.private_block(0x0019, "X", create=True).add_new(1, "LO", "y"), "private attribute", "(0019,0010)",
    ),
    "binary": (lambda d: d.add_new(0x00282000, "OB", NAME.encode() + b"\0"), "name, identifier or text", "byte"),
    "the head": (
        lambda d: setattr(d.file_meta, "SourceApplicationEntityTitle", NAME), "name or identifier",
        "file meta (0002,0016)",
    ),
}  # fmt: skip


@pytest.mark.parametrize("leak", LEAKS)
def test_a_leak_is_found_where_it_is(made, verification, tmp_path, leak):
    change, kind, place = LEAKS[leak]
    [path] = [path for path in made.glob("out/*/*/*.dcm") if dcmread(path).PatientID == KEY.pseudonym("", ID)]
    dataset = dcmread(path)
    if leak == "private":
        dataset.DeidentificationMethodCodeSequence = []
    change(dataset)
    dataset.save_as(tmp_path / "leak.dcm")
    findings = verification.run(tmp_path).findings
    assert kind in {each.kind for each in findings}
    assert any(each.place.startswith(place) for each in findings)
    assert not any(text in repr(each) for each in findings for text in (NAME, ID, DATE, "mayor"))


def test_a_name_in_the_preamble_is_found(made, verification, tmp_path):
    content = bytearray(next(iter(made.glob("out/*/*/*.dcm"))).read_bytes())
    content[: len(NAME)] = NAME.encode()
    (tmp_path / "leak.dcm").write_bytes(content)
    wide = Verification(made / "in")
    assert [each.place for each in wide.run(tmp_path).findings] == ["byte 0"]


def test_the_names_of_files_are_searched_and_what_is_no_dicom_is_said(made, verification, tmp_path):
    clean = next(iter(made.glob("out/*/*/*.dcm"))).read_bytes()
    for name in (f"scan of {NAME.lower()}.dcm", f"{UID_ROOT}.1.dcm", "2.25.1.dcm"):
        (tmp_path / name).write_bytes(clean)
    (tmp_path / "who.csv").write_text(NAME)
    done = verification.run(tmp_path)
    assert {each.kind for each in done.findings} == {"name or identifier", "UID"}
    assert {each.place for each in done.findings} == {"the name of the file"}
    assert "files that are no DICOM: 1" in done.not_searched


def test_a_short_name_inside_another_word_is_not_meant(tmp_path):
    (tmp_path / "in.dcm").write_bytes(encoded(ct(PatientName="Mary^Ori")))
    result = ct(
        PatientName="X", PatientID="X", StudyDate="19990101", PatientBirthDate="", SOPInstanceUID="1.2.3.9"
    )
    result.PatientAge = "033Y"
    result.StudyInstanceUID = result.SeriesInstanceUID = result.FrameOfReferenceUID = "1.2.3.4"
    for text, found in (("summary", []), ("of Mary.", ["name or identifier"])):
        result.RescaleType = text
        (tmp_path / "out.dcm").write_bytes(encoded(result).replace(NAME.upper().encode(), b"SOMEWHERE"))
        assert [
            each.kind for each in Verification(tmp_path / "in.dcm").run(tmp_path / "out.dcm").findings
        ] == found


def test_a_usual_word_in_a_code_is_nobody_s_name(tmp_path):
    (tmp_path / "in").mkdir()
    original = ct(PatientName=f"Perfusion^{NAME}", ImageType=["DERIVED", "PERFUSION"], PatientAge="033Y")
    (tmp_path / "in" / "1.dcm").write_bytes(encoded(original))
    deidentify_files(tmp_path / "in", tmp_path / "out", None, RESEARCH, KEY)
    assert Verification(tmp_path / "in", KEY).run(tmp_path / "out").findings == []


def test_what_cannot_be_searched_is_said(made, tmp_path):
    def no_reader(parts: object, reading: object) -> list[str]:
        raise UnsupportedTransferSyntax("JPEG")

    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "cut.dcm").write_bytes(encoded(ct())[:-9])
    done = Verification(tmp_path / "in").run(made / "out", no_reader)
    said = {each.partition(":")[0] for each in done.not_searched}
    assert said >= {"originals that are damaged", "text in some pixels"}
    [finding] = Verification(made / "in").run(tmp_path / "in").findings
    assert finding.kind == "damaged: not searched"


def test_words_in_pixels_are_compared(made, verification):
    assert verification.run(made / "out", lambda parts, reading: ["chest"]).findings == []
    found = verification.run(made / "out", lambda parts, reading: [NAME.lower(), "second"]).findings
    assert {each.kind for each in found} == {"text in pixels"}
    assert len(found) == 2


def test_nothing_of_a_real_image_with_texts_everywhere_is_left(samples, tmp_path):
    original = samples / "deid_burned_in_text" / "2_ORIGINAL.dcm"
    wanted = {"PatientName", "PatientID", "InstitutionName", "ReferringPhysicianName", "StudyDescription"}
    assert all(read_header(original).get(keyword) for keyword in wanted)
    deidentify_files(
        original, tmp_path / "out", None, Profile("attributes", RESEARCH.options - {CLEAN_PIXELS}), KEY
    )
    done = Verification(original, KEY).run(tmp_path / "out")
    assert (done.files, done.findings) == (1, [])
