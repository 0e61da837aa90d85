# SPDX-License-Identifier: Apache-2.0
"""Results keep their source's character set, or say in UTF-8 what it cannot: pydicom and DCMTK read the same."""

import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest
from pydicom import Dataset
from pydicom.dataset import Dataset as Item
from result_files import SEGMENTS, all_kinds, block, ct, write

from imaging_data.characters import keep_character_set
from imaging_operators import AppInfo, Segment, Segmentation, TextReport, codes

DCM2XML = Path("/usr/bin/dcm2xml")
KEPT = {  # character set, name in all its component groups, and a word in another VR
    "latin-1": ("ISO_IR 100", "Ångström^Åsa", "Thorax nüchtern"),
    "latin-2": ("ISO_IR 101", "Wałęsa^Łukasz", "płuco"),
    "cyrillic": ("ISO_IR 144", "Иванов^Иван", "лёгкое"),
    "arabic": ("ISO_IR 127", "قباني^لنزار", "رئة"),
    "greek": ("ISO_IR 126", "Διονυσιος", "πνεύμονας"),
    "hebrew": ("ISO_IR 138", "שרון^דבורה", "ריאה"),
    "turkish": ("ISO_IR 148", "Çavuşoğlu^Şule", "akciğer"),
    "thai": ("ISO_IR 166", "นามสกุล^ชื่อ", "ปอด"),
    "katakana": ("ISO_IR 13", "ﾔﾏﾀﾞ^ﾀﾛｳ", "ﾊｲ"),
    "japanese": (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎=やまだ^たろう", "胸部 CT"),
    "japanese with katakana": (
        ["ISO 2022 IR 13", "ISO 2022 IR 87"],
        "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう",
        "胸部",
    ),
    "korean": (["", "ISO 2022 IR 149"], "Hong^Gildong=洪^吉洞=홍^길동", "흉부"),
    "greek with escapes": (["", "ISO 2022 IR 126"], "Papadopoulos^Anna=Παπαδόπουλος^Άννα", "πνεύμονας"),
    "latin and cyrillic": (["ISO 2022 IR 100", "ISO 2022 IR 144"], "Müller^Jörg=Мюллер^Йорг", "für"),
    "chinese": ("GB18030", "Wang^XiaoDong=王^小东=", "胸部平扫"),
    "chinese, GBK": ("GBK", "Wang^XiaoDong=王^小东", "胸部平扫"),
    "utf-8": ("ISO_IR 192", "Müller^Jörg=山田^太郎", "胸部"),
    "ascii": (None, "Doe^Jane", "Chest"),
}


def source_attributes(character_set, name: str, word: str) -> dict:
    """Attributes with the word at the top, in a sequence, and in a sequence within it."""
    other, qualifier, procedure = Item(), Item(), Item()
    other.PatientID, other.TypeOfPatientID, other.IssuerOfPatientID = "7", "TEXT", word
    qualifier.CodeValue, qualifier.CodingSchemeDesignator, qualifier.CodeMeaning = "1", "99X", word
    other.IssuerOfPatientIDQualifiersSequence = [Item()]
    other.IssuerOfPatientIDQualifiersSequence[0].AssigningAgencyOrDepartmentCodeSequence = [qualifier]
    procedure.CodeValue, procedure.CodingSchemeDesignator, procedure.CodeMeaning = "2", "99X", word
    return {
        "SpecificCharacterSet": character_set,
        "PatientName": name,
        "StudyDescription": word,
        "OtherPatientIDsSequence": [other],
        "ProcedureCodeSequence": [procedure],
    }


def read_by_dcmtk(path: Path) -> dict[str, list[str]]:
    """Values by keyword, at any depth, as DCMTK decodes them."""
    if not DCM2XML.exists():
        pytest.skip("DCMTK is not installed")
    done = subprocess.run([DCM2XML, "+U8", path], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, list[str]] = {}
    for element in ElementTree.fromstring(done.stdout).iter("element"):
        found.setdefault(element.attrib["name"], []).append(element.text or "")
    return found


def declared(dataset: Dataset):
    value = dataset.get("SpecificCharacterSet")
    return value if value is None or isinstance(value, str) else list(value)


@pytest.mark.parametrize(("character_set", "name", "word"), KEPT.values(), ids=KEPT)
def test_every_result_keeps_the_source_s(tmp_path, character_set, name, word):
    volume = ct(tmp_path / "ct", **source_attributes(character_set, name, word))
    written = write(tmp_path / "out", volume, all_kinds(volume))
    assert len(written.objects) == 4
    for file, result in written.objects.items():
        assert declared(result) == character_set
        assert str(result.PatientName) == name.rstrip("=")
        assert result.StudyDescription == result.ProcedureCodeSequence[0].CodeMeaning == word
        [other] = result.OtherPatientIDsSequence
        [qualifier] = other.IssuerOfPatientIDQualifiersSequence
        assert qualifier.AssigningAgencyOrDepartmentCodeSequence[0].CodeMeaning == word
        if "ISO 2022 IR 87" in (character_set or ""):  # which DCMTK cannot decode as Debian builds it
            continue
        seen = read_by_dcmtk(written.folder / f"{file}.dcm")
        assert [text.rstrip("=") for text in seen["PatientName"]] == [name.rstrip("=")]
        assert seen["StudyDescription"] == seen["IssuerOfPatientID"] == [word]
        assert seen["CodeMeaning"].count(word) == 2


STANDARD = {  # PS3.5 H.3.1, I.2 and J.3
    "H.3.1": (
        ["", "ISO 2022 IR 87"],
        "Yamada^Tarou=山田^太郎=やまだ^たろう",
        rb"Yamada^Tarou=#$B;3ED#(B^#$BB@O:#(B=#$B$d$^$@#(B^#$B$?$m$&#(B",
    ),
    "I.2": (
        ["", "ISO 2022 IR 149"],
        "Hong^Gildong=洪^吉洞=홍^길동",
        b"Hong^Gildong=#$)C\373\363^#$)C\321\316\324\327=#$)C\310\253^#$)C\261\346\265\277",
    ),
    "J.3": ("GB18030", "Wang^XiaoDong=王^小东", b"Wang^XiaoDong=\315\365^\320\241\266\253"),
}


@pytest.mark.parametrize(("character_set", "name", "content"), STANDARD.values(), ids=STANDARD)
def test_names_are_the_bytes_of_the_standard_s_examples(tmp_path, character_set, name, content):
    volume = ct(tmp_path / "ct", SpecificCharacterSet=character_set, PatientName=name)
    for written in write(tmp_path / "out", volume, all_kinds(volume)).bytes().values():
        assert content.replace(b"#", b"\x1b") in written


def test_the_app_s_words_keep_it_too(tmp_path):
    """The tree of a report, its own words and the patient's, in Latin-1."""
    volume = ct(tmp_path / "ct", SpecificCharacterSet="ISO_IR 100", PatientName="Müller^Jörg")
    result = TextReport("Größe", "Leber vergrößert", findings=("nüchtern",))
    written = write(tmp_path / "out", volume, result)
    assert written["text-report-0"].SpecificCharacterSet == "ISO_IR 100"
    [content] = written.bytes().values()
    assert "vergrößert".encode("latin-1") in content
    assert not [word for word in ("ö", "ü", "ß") if word.encode() in content]
    assert any(
        "vergrößert" in text for text in read_by_dcmtk(written.folder / "text-report-0.dcm")["TextValue"]
    )


SAID_IN_UTF_8 = {
    "a sign that Latin-1 lacks": ("ISO_IR 100", "Müller^Jörg", "≤ 3 mm"),
    "an umlaut in ASCII": (None, "Doe^Jane", "Größe"),
    "an umlaut beside kanji": (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎", "Größe"),
    "kanji with the byte of a delimiter": (["", "ISO 2022 IR 87"], "Haru=春^花", "Chest"),
    "a tilde where it is an overline": ("ISO_IR 13", "ﾔﾏﾀﾞ^ﾀﾛｳ", "~ 3 mm"),
    "a second line in Korean": (["", "ISO 2022 IR 149"], "Hong^Gildong=洪^吉洞", "흉부\n흉부"),
}


@pytest.mark.parametrize(("character_set", "name", "text"), SAID_IN_UTF_8.values(), ids=SAID_IN_UTF_8)
def test_what_it_cannot_say_is_in_utf_8(tmp_path, character_set, name, text):
    dataset = Dataset()
    dataset.SpecificCharacterSet, dataset.PatientName = "ISO_IR 192", name
    dataset.ContentSequence = [Item()]
    dataset.ContentSequence[0].TextValue = text
    keep_character_set(dataset, [character_set] if isinstance(character_set, str) else character_set or [])
    assert dataset.SpecificCharacterSet == "ISO_IR 192"


def test_one_result_in_utf_8_leaves_the_others_as_they_are(tmp_path):
    volume = ct(tmp_path / "ct", SpecificCharacterSet="ISO_IR 100", PatientName="Müller^Jörg")
    both = [Segmentation(block(volume), SEGMENTS), TextReport("Lungs", "≤ 3 mm")]
    written = write(tmp_path / "out", volume, both)
    found = {file: str(result.SpecificCharacterSet) for file, result in written.objects.items()}
    assert found == {"segmentation-0": "ISO_IR 100", "text-report-0": "ISO_IR 192"}
    for file, result in written.objects.items():
        assert result.PatientName == "Müller^Jörg"
        assert read_by_dcmtk(written.folder / f"{file}.dcm")["PatientName"] == ["Müller^Jörg"]


@pytest.mark.parametrize("kind", ["binary", "labelmap"])
def test_names_of_segments_that_are_bytes_already_stay_in_utf_8(tmp_path, kind):
    volume = ct(tmp_path / "ct", SpecificCharacterSet="ISO_IR 100", PatientName="Müller^Jörg")
    segments = [Segment(1, codes.SCT.Lung, "Lungenflügel"), Segment(2, codes.SCT.Nodule)]
    written = write(tmp_path / "out", volume, Segmentation(block(volume), segments), segmentation=kind)
    seen = read_by_dcmtk(written.folder / "segmentation-0.dcm")
    assert written["segmentation-0"].SpecificCharacterSet == "ISO_IR 192"
    assert (seen["PatientName"], "Lungenflügel" in seen["SegmentLabel"]) == (["Müller^Jörg"], True)


@pytest.mark.parametrize(
    "terms",
    [
        ["ISO_IR 999"],
        ["ISO_IR 100", "ISO 2022 IR 87"],
        ["ISO 2022 IR 87"],
        ["", "GB18030"],
        ["ISO_IR 192", ""],
    ],
)
def test_a_character_set_that_the_standard_does_not_know_is_not_kept(terms):
    dataset = Dataset()
    dataset.SpecificCharacterSet, dataset.PatientName = "ISO_IR 192", "Doe^Jane"
    keep_character_set(dataset, terms)
    assert dataset.SpecificCharacterSet == "ISO_IR 192"


def test_an_app_s_name_counts(tmp_path):
    """In the equipment, which each result names."""
    volume = ct(tmp_path / "ct", SpecificCharacterSet="ISO_IR 144", PatientName="Иванов^Иван")
    info = AppInfo(name="test-app", version="1", creator="Klinik für Radiologie")
    written = write(tmp_path / "out", volume, all_kinds(volume), info=info)
    assert {result.SpecificCharacterSet for result in written.objects.values()} == {"ISO_IR 192"}
    assert {str(result.PatientName) for result in written.objects.values()} == {"Иванов^Иван"}
