# SPDX-License-Identifier: Apache-2.0
"""Who is who: sealed with the key, readable only where it was asked for, and the way back."""

import csv
from concurrent.futures import ThreadPoolExecutor

import pytest
from deidentify_inputs import DATE, ID, KEY, NAME, UID_ROOT, ct, encoded
from pydicom import Dataset, dcmread

from imaging_data.convert.errors import TargetExists
from imaging_data.deidentify import Key, Mapping, Profile, deidentify_files, mapping
from imaging_data.deidentify.mapping import Original, UnreadableMapping, check_places
from imaging_data.deidentify.places import AlreadyRunning, WrongPlace, locked
from imaging_data.deidentify.pseudonyms import OtherKey
from imaging_data.deidentify.reidentify import reidentify, reidentify_files

OTHER = Key(bytes(32))


def _made() -> Mapping:
    return Mapping({"PSEUDONYM": Original("", ID, f"{NAME}^Ann\u0101", -7)}, {"2.25.1": f"{UID_ROOT}.1"})


def test_it_is_sealed_and_opens_with_the_key_only(tmp_path):
    path = tmp_path / "who.gmap"
    _made().save(path, KEY)
    assert Mapping.read(path, KEY) == _made()
    assert NAME.encode() not in path.read_bytes()
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(OtherKey):
        Mapping.read(path, OTHER)
    with pytest.raises(OtherKey):
        _made().save(path, OTHER)
    assert Mapping.read(path, KEY) == _made()


def test_what_comes_later_is_added(tmp_path):
    path = tmp_path / "who.gmap"
    _made().save(path, KEY)
    Mapping({"ANOTHER": Original("", "2", "B", 0)}, {}).save(path, KEY)
    assert set(Mapping.read(path, KEY).patients) == {"PSEUDONYM", "ANOTHER"}


def test_two_runs_that_save_at_once_take_turns(tmp_path, monkeypatch):
    path = tmp_path / "who.gmap"
    others = [Mapping({f"P{number}": Original("", str(number), "", 0)}) for number in range(8)]
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda each: each.save(path, KEY), others))
    assert len(Mapping.read(path, KEY).patients) == 8
    monkeypatch.setattr(mapping, "PATIENCE_S", 0.0)
    with locked(tmp_path), pytest.raises(AlreadyRunning):
        _made().save(path, KEY)


@pytest.mark.parametrize(
    "change", [lambda c: c[:-1], lambda c: c[:-1] + bytes([c[-1] ^ 1]), lambda c: b"x", lambda c: c[:30]]
)
def test_a_changed_file_is_refused(tmp_path, change):
    path = tmp_path / "who.gmap"
    _made().save(path, KEY)
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(UnreadableMapping):
        Mapping.read(path, KEY)


def test_the_csv_is_new_private_and_no_formula(tmp_path):
    path = tmp_path / "who.csv"
    made = _made()
    made.patients["P2"] = Original("", "=1+1", "", 0)
    made.save_csv(path)
    rows = list(csv.DictReader(path.read_text().splitlines()))
    assert [row["patient_id"] for row in rows] == ["'=1+1", ID]
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(TargetExists):
        made.save_csv(path)


def test_it_never_lies_among_the_results(tmp_path):
    with pytest.raises(WrongPlace):
        check_places(tmp_path / "out", None, tmp_path / "out" / "sub" / "who.csv")
    check_places(tmp_path / "out", tmp_path / "who.gmap", None)


def _there_and_back(tmp_path, *originals: Dataset) -> list[Dataset]:
    (tmp_path / "in").mkdir()
    for number, dataset in enumerate(originals):
        (tmp_path / "in" / f"{number}.dcm").write_bytes(encoded(dataset))
    done = deidentify_files(tmp_path / "in", tmp_path / "out", None, Profile.read("research"), KEY)
    assert reidentify_files(tmp_path / "out", tmp_path / "none", Mapping()).unknown
    back = reidentify_files(tmp_path / "out", tmp_path / "back", done.mapping)
    assert len(back.paths) == len(originals)
    return sorted(map(dcmread, back.paths), key=lambda dataset: dataset.SOPInstanceUID)


def test_the_way_back(tmp_path):
    reference = Dataset()
    reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = ct().SOPClassUID, f"{UID_ROOT}.1"
    two = ct(SOPInstanceUID=f"{UID_ROOT}.8", ReferencedImageSequence=[reference], IssuerOfPatientID="HERE")
    one, other = _there_and_back(tmp_path, ct(AcquisitionDateTime=f"{DATE}1011"), two)
    assert (one.PatientName, one.PatientID, one.StudyDate) == (f"{NAME}^Anna", ID, DATE)
    assert one.AcquisitionDateTime == f"{DATE}1011"
    assert (one.StudyInstanceUID, one.SOPInstanceUID) == (f"{UID_ROOT}.2", f"{UID_ROOT}.1")
    assert other.IssuerOfPatientID == "HERE"
    assert other.ReferencedImageSequence[0].ReferencedSOPInstanceUID == f"{UID_ROOT}.1"
    assert (one.PatientIdentityRemoved, "DeidentificationMethod" in one) == ("NO", False)


def test_a_name_comes_back_in_its_own_letters(tmp_path):
    [one] = _there_and_back(
        tmp_path,
        ct(SpecificCharacterSet="ISO_IR 126", PatientName="Διονυσιος", RescaleType="θώραξ"),
    )
    assert (one.PatientName, one.RescaleType) == ("Διονυσιος", "θώραξ")


def test_a_name_comes_back_into_an_object_of_other_letters():
    made = Dataset()
    made.SpecificCharacterSet, made.PatientID, made.SeriesDescription = "ISO_IR 100", "P", "Schädel"
    reidentify(made, Mapping({"P": Original("", "1", "山田^太郎", 0)}))
    assert made.SpecificCharacterSet == "ISO_IR 192"
    assert (made.PatientName, made.PatientID, made.SeriesDescription) == ("山田^太郎", "1", "Schädel")
