# SPDX-License-Identifier: Apache-2.0
"""What lies in incoming/ after a crash, and the facts of what has arrived."""

from pathlib import Path

import pytest
from builders import ct_series, enhanced_ct
from pydicom import dcmread

from imaging_data import file_sha256
from informatics_gateway.config import Source
from informatics_gateway.model import Association, Identity
from informatics_gateway.receive import pending, read_instance, remove_association
from informatics_gateway.receive.incoming import AssociationFolder, new_association

SOURCE = Source(ae_title="MODALITY", host="127.0.0.1")


def _association() -> Association:
    return new_association(SOURCE, "MODALITY", "LUNGS", "127.0.0.1")


def _arrive(storage: Path, association: Association, paths: list[Path]) -> list[Path]:
    folder = AssociationFolder(storage, association)
    arrived = [folder.keep(folder.copy(path), dcmread(path).SOPInstanceUID) for path in paths]
    folder.close()
    return arrived


def test_pending_gives_each_association_with_its_arrivals_in_order(tmp_path: Path) -> None:
    paths = ct_series(tmp_path / "series", slices=4)
    first, second = _association(), _association()
    expected = [
        (first, _arrive(tmp_path, first, paths[::-1])),
        (second, _arrive(tmp_path, second, paths[:2])),
    ]
    found = sorted(pending(tmp_path), key=lambda each: each[0].at)
    assert [(who, set(arrivals)) for who, arrivals in found] == [(who, set(paths)) for who, paths in expected]
    times = [[path.stat().st_mtime_ns for path in arrivals] for _, arrivals in found]
    assert times == [sorted(each) for each in times]
    assert list(pending(tmp_path / "nothing here")) == []


def test_pending_takes_away_what_nobody_was_promised(tmp_path: Path) -> None:
    [path] = ct_series(tmp_path / "series", slices=1)
    kept, promised = _association(), None
    promised = _arrive(tmp_path, kept, [path])
    (promised[0].parent / "0123.part").write_bytes(b"half")
    unfinished = AssociationFolder(tmp_path, _association())
    unfinished.new_instance().close()
    unfinished.close()
    (tmp_path / "incoming" / "made-and-killed").mkdir()
    assert list(pending(tmp_path)) == [(kept, promised)]
    files = sorted(path.name for path in (tmp_path / "incoming").rglob("*"))
    assert files == sorted([kept.id, "association.json", promised[0].name])


def test_the_folder_of_an_association_goes_when_its_arrivals_were_moved_on(tmp_path: Path) -> None:
    [path] = ct_series(tmp_path / "series", slices=1)
    association = _association()
    [arrived] = _arrive(tmp_path, association, [path])
    remove_association(tmp_path, association)
    assert arrived.exists()
    arrived.rename(tmp_path / "moved.dcm")
    remove_association(tmp_path, association)
    remove_association(tmp_path, association)
    assert not list((tmp_path / "incoming").iterdir())


def test_the_facts_of_an_instance(tmp_path: Path) -> None:
    [path] = ct_series(tmp_path, slices=1, patient_id="P-1", IssuerOfPatientID="HOSPITAL", PatientName="Ä^B")
    header, instance = dcmread(path), read_instance(path)
    assert instance.identity == Identity("P-1", "HOSPITAL", "Ä^B", header.StudyInstanceUID)
    assert (instance.sop_instance_uid, instance.sop_class_uid) == (header.SOPInstanceUID, header.SOPClassUID)
    assert (instance.series_instance_uid, instance.path) == (header.SeriesInstanceUID, path)
    assert instance.sha256 == file_sha256(path)
    assert (instance.instance_number, instance.image_position) == (1, (0.0, 0.0, 0.0))
    assert instance.image_orientation == (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
    assert {type(uid) for uid in (instance.sop_instance_uid, instance.study_instance_uid)} == {str}


@pytest.mark.parametrize("number", [None, ""])
def test_what_an_instance_does_not_say_is_none(tmp_path: Path, number: str | None) -> None:
    [path] = ct_series(
        tmp_path,
        slices=1,
        InstanceNumber=number,
        ImagePositionPatient=None,
        ImageOrientationPatient=None,
        PatientName=None,
    )
    instance = read_instance(path)
    assert (instance.instance_number, instance.image_position, instance.image_orientation) == (
        None,
        None,
        None,
    )
    assert instance.identity.patient_name == ""


def test_values_that_break_the_rules_do_not_stop_an_arrival(tmp_path: Path) -> None:
    """Orders and places of slices are a service; the identifiers were checked before."""
    [path] = ct_series(tmp_path, slices=1)
    content = path.read_bytes()
    start = content.index(b"\x20\0\x13\0IS") + 8
    position = content.index(b"\x20\0\x32\0DS") + 8
    content = content[:start] + b"A" + content[start + 1 : position] + b"x.y" + content[position + 3 :]
    path.write_bytes(content)
    instance = read_instance(path)
    assert (instance.instance_number, instance.image_position) == (None, None)


def test_a_multi_frame_instance_has_no_place_of_its_own(tmp_path: Path) -> None:
    assert read_instance(enhanced_ct(tmp_path, slices=3)).image_position is None
