# SPDX-License-Identifier: Apache-2.0
"""Whose image it is: attributes from options, a CSV and a template, in every writing, under UIDs that follow."""

import subprocess
from pathlib import Path

import numpy as np
import pytest
from builders import ct_series
from convert_inputs import WHO, instances, nifti, ramp, to_dicom
from PIL import Image
from pydicom import dcmread

from imaging_data import ExplainedError, InvalidIdentifier, NotDicom
from imaging_data.convert.attributes import Attributes, WrongAttribute, WrongTable, read_table

NAMES = {
    "Japanese": "Yamada^Tarou=山田^太郎=やまだ^たろう",
    "Arabic": "محمد^عبد الله",
    "Korean": "Hong^Gildong=洪^吉洞=홍^길동",
    "Greek": "Διονυσιος",
    "Latin": "Äneas^Müller",
}


@pytest.fixture
def picture(tmp_path) -> Path:
    """A picture of four pixels."""
    Image.fromarray(np.array([[0, 80], [160, 240]], np.uint8)).save(tmp_path / "a.png")
    return tmp_path / "a.png"


def made_with(picture: Path, attributes: Attributes, name: str = "out"):
    [dataset] = instances(to_dicom(picture, picture.parent / name, "OT", attributes=attributes))
    return dataset


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_a_name_keeps_its_writing(picture, name):
    """As pydicom reads it, and DCMTK."""
    who = Attributes.of(
        {"PatientName": name, "PatientID": "1", "StudyDescription": name[:20].replace("=", "")}
    )
    dataset = made_with(picture, who)
    assert dataset.PatientName == name
    assert dataset.StudyDescription == name[:20].replace("=", "")
    assert dataset.SpecificCharacterSet == "ISO_IR 192"
    program = Path("/usr/bin/dcmdump")
    if not program.exists():
        pytest.skip("DCMTK is not installed")
    command = [program, "+U8", "+L", "+P", "PatientName", picture.parent / "out" / "0001-0001.dcm"]
    assert name in subprocess.run(command, capture_output=True, check=True).stdout.decode()


@pytest.mark.parametrize(
    ("terms", "name"),
    [
        (["", "ISO 2022 IR 87"], NAMES["Japanese"]),
        (["ISO_IR 127"], NAMES["Arabic"]),
        (["ISO_IR 100"], NAMES["Latin"]),
        (["ISO_IR 126"], NAMES["Greek"]),
    ],
)
def test_a_template_keeps_its_character_set(picture, terms, name):
    who = {"SpecificCharacterSet": terms, "PatientName": name}
    [template] = ct_series(picture.parent / "ct", slices=1, **who)
    dataset = made_with(picture, Attributes.from_template(template))
    assert dataset["PatientName"].value == name
    assert list(np.atleast_1d(dataset.SpecificCharacterSet)) == terms
    other = made_with(
        picture, Attributes.from_template(template).updated(Attributes.of({"StudyDescription": "한국"})), "b"
    )
    assert (other.StudyDescription, other.PatientName) == ("한국", name)
    assert other.SpecificCharacterSet == "ISO_IR 192"  # theirs cannot say it


def test_each_file_of_a_run_has_the_character_set_that_its_texts_need(picture):
    folder = picture.parent
    (folder / "in").mkdir()
    for name in "abc":
        Image.fromarray(np.full((2, 2), ord(name), np.uint8)).save(folder / "in" / f"{name}.png")
    [template] = ct_series(
        folder / "ct", slices=1, SpecificCharacterSet="ISO_IR 100", PatientName=NAMES["Latin"]
    )
    rows = {"a.png": {}, "b.png": {"StudyDescription": "한국"}, "c.png": {}}
    who = Attributes.from_template(template)
    made = instances(to_dicom(folder / "in", folder / "out", "OT", attributes=who, rows=rows))
    assert [one.SpecificCharacterSet for one in made] == ["ISO_IR 100", "ISO_IR 192", "ISO_IR 100"]
    assert [one.PatientName for one in made] == [NAMES["Latin"]] * 3


def test_ascii_needs_no_character_set(picture):
    assert "SpecificCharacterSet" not in made_with(picture, WHO)


def test_a_template_gives_patient_and_study_and_no_series(picture):
    [template] = ct_series(picture.parent / "ct", slices=1, StudyID="7", PatientAge="42")  # which is no AS
    source, dataset = dcmread(template), made_with(picture, Attributes.from_template(template.parent))
    for keyword in ("PatientID", "PatientName", "StudyInstanceUID", "StudyID", "AccessionNumber"):
        assert dataset[keyword].value == source[keyword].value
    assert dataset.SeriesInstanceUID != source.SeriesInstanceUID
    assert dataset.SOPInstanceUID != source.SOPInstanceUID
    assert "PatientAge" not in dataset
    who = Attributes.from_template(template)
    given = who.updated(Attributes.of({"PatientID": source.PatientID, "StudyID": "other"}))
    assert made_with(picture, given, "b").StudyID == "other"
    with pytest.raises(WrongAttribute, match="another than that of the template"):
        who.updated(Attributes.of({"PatientID": "other"}))
    rows = {picture.name: {"PatientID": "other"}}
    with pytest.raises(WrongAttribute, match=r"a\.png: PatientID"):
        to_dicom(picture, picture.parent / "c", "OT", attributes=who, rows=rows)


def test_series_attributes_and_numbers_can_be_given(tmp_path):
    given = {"PatientID": "1", "KVP": "120", "SeriesDescription": "Recon", "WindowCenter": "50\\40"}
    nifti(tmp_path / "a.nii", ramp(2, 3, 4))
    first = instances(to_dicom(tmp_path / "a.nii", tmp_path / "o", attributes=Attributes.of(given)))[0]
    assert (first.KVP, first.SeriesDescription, first.WindowCenter) == (120, "Recon", [50, 40])


@pytest.mark.parametrize(
    ("keyword", "value", "error"),
    [
        ("PatientsName", "SECRET", WrongAttribute),  # no such keyword
        ("PatientSex", "SECRET", WrongAttribute),
        ("StudyDate", "SECRET", WrongAttribute),
        ("PatientID", "SECRET" * 20, WrongAttribute),
        ("PatientBirthDate", "31.12.1999", WrongAttribute),
        ("Rows", "99", WrongAttribute),
        ("PixelData", "SECRET", WrongAttribute),
        ("SOPInstanceUID", "1.2.3", WrongAttribute),
        ("ReferencedStudySequence", "SECRET", WrongAttribute),
        ("StudyInstanceUID", "SECRET", InvalidIdentifier),
        ("ReferencedFrameNumber", "SECRET", WrongAttribute),
    ],
)
def test_what_cannot_be_given_is_refused_without_saying_it(keyword, value, error):
    with pytest.raises(error) as refused:
        Attributes.of({keyword: value})
    assert refused.value.hint
    if keyword != "StudyInstanceUID":
        assert "SECRET" not in str(refused.value)


def test_a_template_that_is_none(tmp_path):
    (tmp_path / "a.txt").write_text("text")
    for path in (tmp_path / "a.txt", tmp_path / "nothing", tmp_path):
        with pytest.raises(NotDicom):
            Attributes.from_template(path)


def test_a_row_for_each_file(tmp_path):
    """Saved by a spreadsheet: with a mark of its byte order, parted by semicolons."""
    folder = tmp_path / "in"
    (folder / "sub").mkdir(parents=True)
    for number, name in enumerate(("a.png", "sub/b.png", "sub/c.png")):
        Image.fromarray(np.full((2, 2), number, np.uint8)).save(folder / name)
    table = tmp_path / "table.csv"
    rows = ["file;PatientID;PatientName;StudyDate", "a.png;1;山田^太郎;", "sub/b.png;2;;20260102"]
    table.write_text("\n".join(rows), "utf-8-sig")
    made = to_dicom(folder, tmp_path / "out", "OT", rows=read_table(table))
    one, two = instances(made)
    assert (one.PatientID, one.PatientName, one.StudyDate) == ("1", "山田^太郎", "")
    assert (two.PatientID, two.PatientName, two.StudyDate) == ("2", "", "20260102")
    assert one.StudyInstanceUID != two.StudyInstanceUID
    assert [(each.name, "no row" in each.reason) for each in made.skipped] == [("sub/c.png", True)]
    with pytest.raises(WrongTable, match="1 files that are not there"):
        to_dicom(folder, tmp_path / "x", "OT", rows={"z.png": {}, "a.png": {}})


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"name,PatientID\na.png,1\n",
        b"file,PatientID\na.png,1\na.png,2\n",
        b"file,PatientID\na.png,1,2\n",
        b"file,PatientID\na.png\n",
        b"file,PatientSex\na.png,SECRET\n",
        b"file,NoKeyword\na.png,SECRET\n",
        b'file,PatientName\na.png,"open\n',
        "file,PatientName\na.png,山田\n".encode("shift_jis"),
    ],
)
def test_tables_that_cannot_be_used(tmp_path, text):
    (tmp_path / "t.csv").write_bytes(text)
    with pytest.raises(ExplainedError) as refused:
        read_table(tmp_path / "t.csv")
    assert "SECRET" not in str(refused.value)


def test_the_same_conversion_makes_the_same_objects(picture):
    first, again = made_with(picture, WHO), made_with(picture, WHO, "again")
    folder = picture.parent
    names = ("out", "again")
    contents = {(folder / name / "0001-0001.dcm").read_bytes() for name in names}
    assert len(contents) == 1
    assert first.SOPInstanceUID == again.SOPInstanceUID


def test_no_uid_stands_for_two_contents(picture):
    """Other pixels, patient, date, description, modality: other UIDs for instance and series."""
    folder = picture.parent
    Image.fromarray(np.array([[0, 80], [160, 241]], np.uint8)).save(folder / "b.png")
    more = [
        {"PatientName": "A"},
        {"StudyDate": "20260101"},
        {"StudyDate": "20260102"},
        {"SeriesDescription": "s"},
    ]
    several = [made_with(picture, WHO.updated(Attributes.of(given)), str(n)) for n, given in enumerate(more)]
    several += [made_with(picture, WHO), made_with(folder / "b.png", WHO, "b")]
    several += instances(to_dicom(picture, folder / "xc", "XC"))
    assert len({one.SOPInstanceUID for one in several}) == len(several)
    assert len({one.SeriesInstanceUID for one in several}) == len(several)


def test_images_of_one_patient_share_a_study_and_those_of_nobody_do_not(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(3):
        Image.fromarray(np.full((2, 2), number, np.uint8)).save(folder / f"{number}.png")
    (folder / "copy.png").write_bytes((folder / "0.png").read_bytes())
    made = to_dicom(folder, tmp_path / "one", "OT")
    assert len({one.study_instance_uid for one in made.series}) == 1
    assert [each.reason for each in made.skipped] == ["Another file holds the same."]
    nobody = to_dicom(folder, tmp_path / "nobody", "OT", attributes=Attributes())
    assert len({one.study_instance_uid for one in nobody.series}) == 3
    given = WHO.updated(Attributes.of({"StudyInstanceUID": "1.2.3"}))
    assert {
        one.study_instance_uid for one in to_dicom(folder, tmp_path / "g", "OT", attributes=given).series
    } == {"1.2.3"}
