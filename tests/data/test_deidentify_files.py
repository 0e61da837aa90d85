# SPDX-License-Identifier: Apache-2.0
"""Folders: what goes out, what is held back and why, and what is never overwritten."""

import errno
import fcntl
import json
import os
import pickle

import pytest
from builders import ct_series
from deidentify_inputs import ID, KEY, NAME, ct, encoded
from pydicom import dcmread

from imaging_data import MissingFolder
from imaging_data.deidentify import Profile, deidentify_files, files
from imaging_data.deidentify.places import AlreadyRunning, CannotWrite, WrongPlace
from imaging_data.whole import partial_name

PROFILE = Profile.read("research")


@pytest.fixture
def folder(tmp_path):
    """Originals: an image, the same in a sub-folder, a text, a cut-off file, an empty one, a mislabelled one."""
    source = tmp_path / "in"
    (source / NAME).mkdir(parents=True)
    content = encoded(ct())
    (source / "1.dcm").write_bytes(content)
    (source / NAME / "again").write_bytes(content)
    (source / "notes.txt").write_text(NAME)
    (source / "cut.dcm").write_bytes(content[:-20])
    (source / "empty.dcm").write_bytes(b"")
    (source / "picture.dcm").write_bytes(b"\xff\xd8\xff\xe0 no DICOM")
    return source


def _run(source, target, **more):
    return deidentify_files(source, target, more.get("hold"), PROFILE, KEY)


def _listing(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_what_is_certain_goes_out_and_the_rest_is_held_or_skipped(folder, tmp_path):
    done = _run(folder, tmp_path / "out")
    assert [each.source.name for each in done.out] == ["1.dcm", "again"]
    assert {each.source.name for each in done.skipped} == {"notes.txt", "empty.dcm", "picture.dcm"}
    [held] = done.held
    assert held.path.parent == tmp_path / "out-held"
    assert held.path.read_bytes() == (folder / "cut.dcm").read_bytes()
    said = json.loads(held.path.with_suffix(".json").read_text())
    assert said["source"] == "cut.dcm"
    assert "cut off" in said["reason"]
    assert held.path.stat().st_mode & 0o077 == 0


def test_results_lie_under_their_new_uids_and_nowhere_a_name(folder, tmp_path):
    done = _run(folder, tmp_path / "out")
    [path] = {each.path for each in done.out}
    dataset = dcmread(path)
    assert path.relative_to(tmp_path / "out").parts == (
        dataset.StudyInstanceUID,
        dataset.SeriesInstanceUID,
        f"{dataset.SOPInstanceUID}.dcm",
    )
    names = [str(path.relative_to(tmp_path)) for path in tmp_path.glob("out*/**/*")]
    assert names
    assert not any(NAME in name or ID in name for name in names)
    assert dataset.PixelData == ct().PixelData


def test_a_second_run_changes_nothing_and_says_the_same(folder, tmp_path):
    first = _run(folder, tmp_path / "out")
    before = _listing(tmp_path)
    assert _run(folder, tmp_path / "out") == first
    assert _run(folder / "1.dcm", tmp_path / "single").out[0].path.name == first.out[0].path.name
    assert {name: before[name] for name in before} == {
        name: content for name, content in _listing(tmp_path).items() if not name.startswith("single")
    }


def test_what_a_killed_run_left_half_goes(folder, tmp_path):
    [path, _] = [each.path for each in _run(folder, tmp_path / "out").out]
    partial_name(path).write_bytes(b"half")
    _run(folder, tmp_path / "out")
    assert set(_listing(tmp_path / "out")) == {str(path.relative_to(tmp_path / "out"))}


def test_another_instance_under_the_same_uid_is_held_and_overwrites_nothing(folder, tmp_path):
    (folder / "2.dcm").write_bytes(encoded(ct(KVP="80")))
    done = _run(folder, tmp_path / "out")
    assert [each.source.name for each in done.held] == ["2.dcm", "cut.dcm"]
    assert "KVP" not in dcmread(done.out[0].path)


def test_many_files_by_several_processes_are_what_one_makes(tmp_path, monkeypatch):
    ct_series(tmp_path / "in", slices=6, rows=4, columns=4)
    one = _run(tmp_path / "in", tmp_path / "one")
    monkeypatch.setattr(files, "FEW", 0)
    several = _run(tmp_path / "in", tmp_path / "several")
    assert len(one.out) == 6
    assert several.mapping == one.mapping
    assert _listing(tmp_path / "several") == _listing(tmp_path / "one")


def test_a_second_run_at_once_is_refused(folder, tmp_path):
    target = tmp_path / "out"
    target.mkdir()
    descriptor = os.open(target, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    with pytest.raises(AlreadyRunning):
        _run(folder, target)
    os.close(descriptor)
    assert _run(folder, target).out


def test_a_full_disk_leaves_nothing_half(folder, tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(CannotWrite, match="No space left") as raised:
        _run(folder, tmp_path / "out")
    assert _listing(tmp_path / "out") == {}
    assert str(pickle.loads(pickle.dumps(raised.value))) == str(raised.value)  # from a worker process


@pytest.mark.parametrize(
    ("target", "hold"), [("in/out", "held"), ("out", "out/held"), (".", "held"), ("out", "in/held")]
)
def test_originals_and_results_are_kept_apart(folder, tmp_path, target, hold):
    with pytest.raises(WrongPlace):
        _run(folder, tmp_path / target, hold=tmp_path / hold)


def test_nothing_to_read_is_an_error(tmp_path):
    with pytest.raises(MissingFolder):
        _run(tmp_path / "nothing", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_file_without_head_and_one_without_identifiers(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "bare").write_bytes(encoded(ct())[132:])
    (tmp_path / "in" / "without").write_bytes(encoded(ct(StudyInstanceUID="")))
    done = _run(tmp_path / "in", tmp_path / "out")
    assert [each.source.name for each in done.out] == ["bare"]
    assert "StudyInstanceUID" in done.held[0].reason
