# SPDX-License-Identifier: Apache-2.0
"""Zips that are broken, locked or made to do harm are refused by name, and the rest is sent all the same."""

import errno
import os
import struct
import zipfile
from pathlib import Path

import pytest
from builders import ct_series
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import dcmread

from imaging_data import MissingFolder
from informatics_gateway.config import FolderDestination
from informatics_gateway.sending import send, zips
from informatics_gateway.sending.parcels import Reading, count, parcels
from informatics_gateway.sending.zips import Limits, RefusedMember, RefusedZip, members


@pytest.fixture(scope="module")
def instances(tmp_path_factory) -> list[Path]:
    return ct_series(tmp_path_factory.mktemp("source"), slices=3)


def make(path: Path, files: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def whole(instances: list[Path]) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in instances}


def read(*paths: Path) -> tuple[list[str], Reading]:
    """The UIDs that were found, and what was met."""
    reading = Reading()
    return [parcel.sop_instance_uid for parcel in parcels(paths, reading)], reading


def locked(path: Path, files: dict[str, bytes]) -> Path:
    """A zip whose first member says that it is encrypted."""
    make(path, files)
    content = bytearray(path.read_bytes())
    content[6] |= 1
    at = content.find(b"PK\x01\x02")
    content[at + 8] |= 1
    path.write_bytes(content)
    return path


def test_members_are_read_as_they_are_and_what_is_no_dicom_is_counted(instances, tmp_path):
    files = {f"../../{name}": content for name, content in whole(instances).items()}
    path = make(tmp_path / "export", files | {"notes.txt": b"text", "folder/": b"", "empty": b""})
    found, reading = read(path)
    assert len(found) == 3
    assert (reading.looked_at, reading.skipped, reading.failed) == (5, 2, [])
    assert count([path]) == 5
    [first, *_] = parcels([path], Reading())
    assert first.content == instances[0].read_bytes()
    assert first.name == f"export, member 1 ({instances[0].name})"


def test_a_file_without_preamble_gets_one(instances, tmp_path):
    bare = instances[0].read_bytes()[132:]
    dataset = dcmread(instances[0])
    data = bare[12 + dataset.file_meta.FileMetaInformationGroupLength :]
    for name, content in (("meta", bare), ("data", data)):
        (tmp_path / name).write_bytes(content)
        [parcel] = parcels([tmp_path / name], Reading())
        assert parcel.content[128:132] == b"DICM"
        (tmp_path / f"{name}.out").write_bytes(parcel.content)
        assert dcmread(tmp_path / f"{name}.out") == dataset


def test_an_encrypted_member_is_named_and_the_others_are_read(instances, tmp_path):
    found, reading = read(locked(tmp_path / "locked.zip", whole(instances)))
    assert len(found) == 2
    [sentence] = reading.failed
    assert "locked.zip, member 1" in sentence
    assert sentence.endswith("it is encrypted.")


def test_a_zip_within_a_zip_is_named(instances, tmp_path):
    inner = make(tmp_path / "inner.zip", whole(instances)).read_bytes()
    found, reading = read(make(tmp_path / "outer.zip", {"a.ZIP": inner, "export": inner} | whole(instances)))
    assert len(found) == 3
    assert ["(a.ZIP): a zip within" in reading.failed[0], "(export): a zip within" in reading.failed[1]] == [
        True,
        True,
    ]


def test_what_is_called_a_zip_and_is_none_is_named(tmp_path):
    (tmp_path / "export.zip").write_bytes(b"")
    found, reading = read(tmp_path)
    assert (found, reading.looked_at, reading.skipped) == ([], 1, 0)
    assert "cut off, or no zip" in reading.failed[0]


def test_a_folder_that_cannot_be_read_is_named(instances, tmp_path, monkeypatch):
    closed, scan = tmp_path / "closed", os.scandir
    closed.mkdir()
    (tmp_path / "one.dcm").write_bytes(instances[0].read_bytes())

    def refuse(path):
        if Path(path) == closed:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    found, reading = read(tmp_path)
    assert (len(found), reading.failed) == (1, [f"{closed}: Permission denied"])


@pytest.mark.parametrize("part", [0.05, 0.5, 0.999])
def test_a_zip_that_is_cut_off_is_named_and_the_next_is_sent(instances, tmp_path, part):
    good = make(tmp_path / "good.zip", whole(instances))
    content = good.read_bytes()
    (tmp_path / "a-cut.zip").write_bytes(content[: int(len(content) * part)])
    sent = send([tmp_path], FolderDestination(kind="folder", name="out", path=tmp_path / "out"))
    assert (sent.instances, sent.present, sent.complete) == (3, 3, False)
    [sentence] = sent.failed
    assert sentence.startswith("The zip file is refused. a-cut.zip")


@pytest.mark.parametrize(
    "compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
)
def test_a_member_that_is_damaged_is_named(instances, tmp_path, compression):
    files = {f"Nightingale^F/{name}": content for name, content in whole(instances).items()}
    path = make(tmp_path / "bad.zip", files, compression)
    content = bytearray(path.read_bytes())
    content[200:210] = bytes(byte ^ 0x5A for byte in content[200:210])
    path.write_bytes(content)
    found, reading = read(path)
    assert len(found) == 2
    [sentence] = reading.failed
    assert sentence.endswith("it is damaged.")
    assert "Nightingale" not in sentence


def test_an_instance_that_is_cut_off_or_has_a_wrong_uid_is_named(instances, tmp_path):
    content = instances[0].read_bytes()
    uid = str(dcmread(instances[1]).StudyInstanceUID).encode()
    broken = instances[1].read_bytes().replace(uid, b"x" * len(uid))
    found, reading = read(make(tmp_path / "a.zip", {"cut": content[:-10], "wrong": broken}))
    assert found == []
    assert ["(cut)" in reading.failed[0], "(wrong)" in reading.failed[1]] == [True, True]
    assert not any(str(dcmread(instances[0]).PatientName) in sentence for sentence in reading.failed)


def test_bombs_are_refused_before_they_are_inflated(tmp_path):
    path = make(tmp_path / "bomb.zip", {f"{index}": bytes(1 << 20) for index in range(4)})
    for limits in (Limits(members=3), Limits(free_bytes=1 << 20, times=100), Limits(directory_bytes=100)):
        with pytest.raises(RefusedZip, match="bomb"):
            list(members(path, limits))
    [first, *_] = members(path, Limits(member_bytes=1 << 19))
    with pytest.raises(RefusedMember, match="inflates to 1048576"):
        first.open()
    assert len(list(members(path))) == 4


def test_a_member_gives_no_more_than_it_declares(tmp_path):
    """One that says it is small is not inflated further, and its checksum then tells."""
    path = make(tmp_path / "liar.zip", {"zeros": bytes(1 << 20)})
    content = bytearray(path.read_bytes())
    at = content.find(b"PK\x01\x02")
    content[at + 24 : at + 28] = struct.pack("<L", 1000)
    path.write_bytes(content)
    for member in members(path):
        with member.open() as file, pytest.raises(RefusedMember):
            assert len(member.read(file)) <= 1000


def test_a_large_directory_of_a_zip64_is_seen(tmp_path, monkeypatch):
    monkeypatch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 2)  # so that zipfile writes what large zips have
    path = make(tmp_path / "large.zip", {f"{index}": b"" for index in range(9)})
    content = bytearray(path.read_bytes())
    at = content.rfind(b"PK\x05\x06")
    content[at + 12 : at + 16] = b"\xff" * 4
    path.write_bytes(content)
    with pytest.raises(RefusedZip, match="directory takes"):
        list(members(path, Limits(directory_bytes=100)))
    assert len(list(members(path))) == 9


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_whatever_bytes_change_it_is_read_or_named(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("mutated")
    path = make(folder / "a.zip", {"one": b"x" * 300, "two": bytes(140) + b"y" * 50})
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.integers(4, len(content)))])
    if zips.is_zip(path):
        _, reading = read(path)
        assert reading.failed or reading.skipped == reading.looked_at


def test_a_path_that_is_not_there_is_named(tmp_path):
    with pytest.raises(MissingFolder):
        read(tmp_path / "nothing")
