# SPDX-License-Identifier: Apache-2.0
"""Whose results are: the source's patient and study, without what the source got wrong."""

import copy
import warnings

import pytest
from dicom_tools import dciodvfy_errors
from pydicom import Dataset, dcmread
from result_files import all_kinds, ct, volume_in, write

NAMES = {
    "utf-8": ("ISO_IR 192", "Müller^Jürgen"),
    "ideographic": ("ISO_IR 192", "Yamada^Tarou=山田^太郎=やまだ^たろう"),
    "latin-1": ("ISO_IR 100", "Ångström^Åsa"),
    "cyrillic": ("ISO_IR 144", "Иванов^Иван"),
    "japanese with escapes": (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎"),
    "korean with escapes": (["", "ISO 2022 IR 149"], "Hong^Gildong=洪^吉洞=홍^길동"),
    "greek with escapes": (["", "ISO 2022 IR 126"], "Παπαδόπουλος^Άννα"),
    "arabic": ("ISO_IR 127", "قباني^لنزار"),
    "ascii": (None, "Doe^Jane"),
    "one component": (None, "ANONYMOUS"),
    "none": (None, ""),
}


def objects(tmp_path, **attributes) -> list[Dataset]:
    volume = ct(tmp_path / "ct", **attributes)
    return list(write(tmp_path / "out", volume, all_kinds(volume)).objects.values())


@pytest.mark.parametrize(("character_set", "name"), NAMES.values(), ids=NAMES)
def test_names_come_through_in_every_character_set(tmp_path, character_set, name):
    for result in objects(tmp_path, SpecificCharacterSet=character_set, PatientName=name):
        assert result.get("SpecificCharacterSet") == character_set
        assert str(result.PatientName) == name


def test_the_study_is_the_source_s(tmp_path):
    qualifier = Dataset()
    qualifier.UniversalEntityID, qualifier.UniversalEntityIDType = "2.16.840.1", "ISO"
    attributes = {
        "PatientID": "4711/ß",
        "IssuerOfPatientID": "Hôpital",
        "IssuerOfPatientIDQualifiersSequence": [qualifier],
        "AccessionNumber": "A-17",
        "ReferringPhysicianName": "Weiß^Ärztin",
        "StudyDescription": "Thorax nüchtern",
        "PatientAge": "042Y",
        "PatientWeight": "72.5",
        "TimezoneOffsetFromUTC": "-0330",
    }
    for result in objects(tmp_path, **attributes):
        for keyword, value in attributes.items():
            assert result[keyword].value == value, keyword
        assert (result.StudyDate, result.StudyTime, result.StudyID) == ("20260101", "120000", "1")


def test_a_patient_id_with_a_backslash_stays_as_it_is(tmp_path):
    for result in objects(tmp_path, PatientID="A\\B"):
        assert "\\".join(result.PatientID) == "A\\B"


@pytest.mark.parametrize(("version", "copied"), [("2026", True), ("more than sixteen", False)])
def test_a_sequence_is_copied_when_all_of_it_is_legal(tmp_path, version, copied):
    other, issuer, procedure = Dataset(), Dataset(), Dataset()
    issuer.UniversalEntityID, issuer.UniversalEntityIDType = "hospital.example", "DNS"
    other.PatientID, other.TypeOfPatientID = "7", "TEXT"
    other.IssuerOfPatientIDQualifiersSequence = [issuer]
    procedure.CodeValue, procedure.CodingSchemeDesignator, procedure.CodeMeaning = "1", "99X", "Thorax"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        second = copy.deepcopy(procedure)
        second.CodingSchemeVersion = version
        found = objects(tmp_path, OtherPatientIDsSequence=[other], ProcedureCodeSequence=[procedure, second])
    for result in found:
        assert result.OtherPatientIDsSequence == [other]
        assert ("ProcedureCodeSequence" in result) == copied


def test_what_is_of_the_source_alone_is_not_copied(tmp_path):
    for result in objects(
        tmp_path, PatientComments="x", OtherPatientNames="A^B", InstitutionName="Here", KVP="90"
    ):
        assert not {"PatientComments", "OtherPatientNames", "InstitutionName", "KVP"} & set(result.dir())


def test_missing_attributes_of_type_2_are_there_and_empty(tmp_path):
    missing = [
        "PatientName",
        "PatientBirthDate",
        "PatientSex",
        "StudyDate",
        "StudyTime",
        "StudyID",
        "AccessionNumber",
        "ReferringPhysicianName",
    ]
    for result in objects(tmp_path, **dict.fromkeys(missing)):
        assert {keyword: str(result[keyword].value or "") for keyword in missing} == dict.fromkeys(
            missing, ""
        )


WRONG = {
    "PatientAge": "42",
    "PatientSex": "X",
    "PatientBirthDate": "1.1.1960",
    "StudyDate": "01/02/2026",
    "StudyTime": "25h",
    "AccessionNumber": "seventeen letters",
    "StudyID": "also more than sixteen",
    "StudyDescription": "x" * 65,
    "PatientWeight": "72.4999999999999999",
    "SliceThickness": "2.499999999999999999",
    "IssuerOfPatientID": "y" * 65,
    "TimezoneOffsetFromUTC": "Berlin",
}


@pytest.fixture(scope="module")
def from_wrong_source(tmp_path_factory):
    """Results of a source with illegal values in all attributes that are copied."""
    folder = tmp_path_factory.mktemp("wrong")
    ct(folder / "ct")
    for path in (folder / "ct").iterdir():
        _put_raw(path, WRONG)
    volume = volume_in(folder / "ct")
    return write(folder / "out", volume, all_kinds(volume))


def _put_raw(path, values):
    """Write values that pydicom would not: as bytes."""
    from pydicom.datadict import dictionary_VR
    from pydicom.dataelem import RawDataElement
    from pydicom.tag import Tag

    dataset = dcmread(path)
    for keyword, value in values.items():
        content = value.encode() + b" " * (len(value) % 2)
        tag = Tag(keyword)
        dataset[tag] = RawDataElement(tag, dictionary_VR(tag), len(content), content, 0, False, True)
    dataset.save_as(path)


def test_illegal_optional_values_are_left_out(from_wrong_source):
    for result in from_wrong_source.objects.values():
        left_out = {
            "PatientAge",
            "StudyDescription",
            "PatientWeight",
            "IssuerOfPatientID",
            "TimezoneOffsetFromUTC",
        }
        assert not left_out & set(result.dir())


def test_illegal_required_values_are_left_empty(from_wrong_source):
    empty = ["PatientSex", "PatientBirthDate", "StudyDate", "StudyTime", "AccessionNumber", "StudyID"]
    for result in from_wrong_source.objects.values():
        assert {keyword: str(result[keyword].value or "") for keyword in empty} == dict.fromkeys(empty, "")


def test_what_was_not_copied_is_noted_without_its_value(from_wrong_source):
    notes = from_wrong_source.document["notes"]
    assert {note.split()[0] for note in notes} == set(WRONG) - {"SliceThickness"}
    assert "StudyID of the source breaks the rules of its value (SH): empty in the results." in notes
    assert "PatientAge of the source breaks the rules of its value (AS): absent in the results." in notes
    assert not [value for value in WRONG.values() if value in " ".join(notes) and len(value) > 2]


def test_a_source_that_keeps_the_rules_leaves_no_note(written):
    assert written.document["notes"] == []


def test_blanks_and_empty_sequences_are_no_broken_rule(tmp_path):
    ct(tmp_path / "ct", ProcedureCodeSequence=[], StudyDescription="")
    for path in (tmp_path / "ct").iterdir():
        _put_raw(path, {"StudyID": "  ", "PatientAge": ""})
    volume = volume_in(tmp_path / "ct")
    assert write(tmp_path / "out", volume, all_kinds(volume)).document["notes"] == []


@pytest.mark.parametrize("name", ["segmentation-0", "measurements-0", "text-report-0", "secondary-capture-0"])
def test_results_of_a_wrong_source_are_valid(from_wrong_source, name):
    assert dciodvfy_errors(from_wrong_source.folder / f"{name}.dcm") == []


@pytest.mark.parametrize(
    ("attributes", "copied"),
    [
        ({"PatientIdentityRemoved": "YES", "DeidentificationMethod": "By hand"}, True),
        ({"PatientIdentityRemoved": "YES"}, False),
    ],
)
def test_a_source_without_identity_says_so_with_its_method(tmp_path, attributes, copied):
    for result in objects(tmp_path, **attributes):
        assert ("PatientIdentityRemoved" in result) == copied


def test_nothing_of_the_patient_is_warned_of_or_printed(tmp_path, capfd):
    """highdicom and pydicom tell odd values in warnings; warnings are errors in these tests."""
    objects(tmp_path, PatientName="SINGLE", PatientID="ODD-4711")
    assert capfd.readouterr() == ("", "")
