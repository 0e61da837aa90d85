# SPDX-License-Identifier: Apache-2.0
"""Data sets: what a folder becomes, again and again, after a kill, with more patients, beside what is in the way."""

import os
import random
import shutil
import signal
import time
from collections import Counter
from dataclasses import asdict

import numpy as np
import psutil
import pytest
from datasets import everything, noise, patient
from PIL import Image
from pydicom import dcmread

from imaging_data.dataset import (
    BusyDataset,
    Database,
    ForeignTarget,
    IncompleteDataset,
    NoLabels,
    NoRoom,
    NotADataset,
    NothingToBuild,
    OtherOptions,
    index,
    pictures,
)
from imaging_data.dataset.build import BuildOptions, build
from imaging_data.dataset.strata import Stratification
from imaging_data.dataset.writer import Writer, opened
from imaging_data.display import Options, picture
from imaging_data.errors import MissingFolder

BOTH = BuildOptions(nifti=True)


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """Ten patients of two slices, two of whom were sent twice, and files that are none."""
    folder = tmp_path_factory.mktemp("source")
    for number in range(10):
        patient(folder / ("deep/er" if number % 2 else ""), number)
    shutil.copytree(folder / "000", folder / "copy")
    (folder / "notes.txt").write_text("no DICOM")
    cut = next((folder / "002").glob("*.dcm")).read_bytes()[:-100]
    (folder / "cut.dcm").write_bytes(cut)
    return folder


@pytest.fixture(scope="module")
def built(source, tmp_path_factory):
    """The data set of `source`, with pictures and volumes, and its summary."""
    folder = tmp_path_factory.mktemp("built") / "set"
    return folder, build(source, folder, BOTH)


def test_a_folder_becomes_pictures_volumes_and_rows(built):
    folder, summary = built
    assert (summary.counts.patients, summary.counts.images, summary.counts.pictures) == (10, 20, 20)
    assert summary.volumes == 10
    assert {split: row["patients"] for split, row in summary.splits.items()} == {
        "train": 7,
        "validation": 2,
        "test": 1,
    }
    assert summary.skipped == {
        "It is there already.": 2,
        "The DICOM instance cannot be read.": 1,
        "The file is not DICOM.": 1,
    }
    assert len(list(folder.glob("pictures/*/*.png"))) == 20
    assert len(list(folder.glob("volumes/*.nii.gz"))) == 10


def test_a_picture_is_what_display_makes_and_its_row_says_how(built, source):
    path = sorted((source / "000").glob("*.dcm"))[0]
    with Database(built[0]) as database:
        uid = dcmread(path).SOPInstanceUID
        [found] = database.pictures(uid)
        shown = picture(path)
        assert np.array_equal(np.array(Image.open(built[0] / found.path)), shown.array)
        assert found.rendering == asdict(shown.rendering)
        assert found.rendering["rule"] == "smallest to greatest value"
        assert database.image_info(found.stem) == {
            "InstanceNumber": "1",
            "PatientID": "PAT-0",
            "RescaleIntercept": "-1024",
            "RescaleSlope": "1",
            "SeriesDescription": "Test series",
            "StudyDescription": "Test study",
            "WindowCenter": None,
            "WindowWidth": None,
        }


def test_built_again_it_is_the_same(built, source):
    before = everything(built[0])
    assert build(source, built[0], BOTH) == built[1]
    assert everything(built[0]) == before


@pytest.mark.parametrize("at", [3, 20, 41, 56, 61, 70, 75])
def test_killed_anywhere_and_started_again_it_is_as_if_it_never_was(built, source, tmp_path, monkeypatch, at):
    """`at`: how many rows were added, and files renamed, when SIGKILL comes; the last ones are volumes."""
    monkeypatch.setattr(index, "AT_ONCE", 5)
    monkeypatch.setattr(pictures, "IN_TRANSACTION", 1)
    monkeypatch.setattr(pictures, "AT_ONCE", 3)
    target = tmp_path / "set"
    child = os.fork()
    if child == 0:
        _die_at(at)
        build(source, target, BOTH)
        os._exit(0)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
    with pytest.raises(IncompleteDataset):
        Database(target)
    build(source, target, BOTH)
    assert everything(target) == everything(built[0])


def _die_at(number):
    """Kill this process the moment before it adds its row of this number."""
    add, added = Writer.add, Counter()

    def deadly(self, table, **values):
        added[""] += 1
        if added[""] == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return add(self, table, **values)

    Writer.add = deadly


def test_what_a_power_cut_left_damaged_is_made_again(built, source, tmp_path):
    target = tmp_path / "set"
    shutil.copytree(built[0], target)
    for damaged in (sorted(target.glob("pictures/*/*.png"))[5], sorted(target.glob("volumes/*"))[3]):
        damaged.write_bytes(b"")
    with opened(target) as writer, writer.transaction():
        writer.set("complete", "0")
    build(source, target, BOTH)
    assert everything(target)["series"] == everything(built[0])["series"]
    assert _files(target) == _files(built[0])


def _files(folder):
    return {name: sha256 for name, sha256 in everything(folder).items() if "/" in name}


def test_files_that_change_while_a_data_set_is_built(tmp_path):
    """One is replaced by its neighbour, one goes away; when they are back, elsewhere, the build is as any other."""
    source, undisturbed = tmp_path / "source", tmp_path / "undisturbed"
    paths = patient(source, 0, slices=4)
    os.mkfifo(source / "pipe")
    shutil.copytree(source / "000", undisturbed)

    def disturb(stage, done, _):
        if stage == "pictures" and not done and len(list(source.rglob("*.dcm"))) == 4:
            paths[0].replace(paths[1])
            paths[3].unlink()

    summary = build(source, tmp_path / "set", BOTH, disturb)
    assert (summary.counts.pictures, summary.volumes) == (1, 0)
    assert summary.no_picture == {
        "A file is no longer the one whose hash was taken.": 1,
        "The DICOM instance cannot be read.": 2,
    }
    assert summary.skipped == {"The DICOM instance cannot be read.": 1}
    shutil.rmtree(source)
    build(undisturbed, tmp_path / "set", BOTH)
    build(undisturbed, tmp_path / "new", BOTH)
    assert _files(tmp_path / "set") == _files(tmp_path / "new")


def test_who_was_there_keeps_the_split_when_patients_are_added(tmp_path):
    source, target = tmp_path / "source", tmp_path / "source" / "set"  # of which no file is a source
    for number in range(6):
        patient(source, number)
    build(source, target)
    with Database(target) as database:
        before = {one.patient_id: one.split for one in database.patients()}
    for number in range(6, 20):
        patient(source, number)
    patient(source / "more", 0, series="1.2.3.4", study="1.2.3")  # of one who was there
    summary = build(source, target)
    with Database(target) as database:
        after = {one.patient_id: one.split for one in database.patients()}
        assert database.patient("PAT-0").studies == 2
    assert after | before == after
    assert [summary.splits[name]["patients"] for name in ("train", "validation", "test")] == [14, 3, 3]
    assert summary.skipped == {}


def test_the_same_pixels_under_other_uids_are_found_and_not_torn_apart(tmp_path):
    source = tmp_path / "source"
    for number in range(12):
        patient(source, number, pixels=noise(number % 6), RescaleIntercept=f"{-number}")
    patient(source, 20, pixels=np.zeros((2, 16, 16), np.int16))
    patient(source, 21, pixels=np.zeros((2, 16, 16), np.int16))
    summary = build(source, tmp_path / "set")
    assert (summary.duplicates, summary.across_splits) == (12, 0)
    with Database(tmp_path / "set") as database:
        split = {one.patient_id: one.split for one in database.patients()}
        assert all(split[f"PAT-{number}"] == split[f"PAT-{number + 6}"] for number in range(6))
        repeated = database.duplicates()
        assert len(repeated) == 12
        first = database.image(repeated[0].duplicate_of)
        assert first.pixel_sha256 == repeated[0].pixel_sha256
        assert first.patient_id != repeated[0].patient_id


def test_stratified_by_an_attribute_or_a_table(tmp_path):
    source = tmp_path / "source"
    for number in range(12):
        patient(source, number, PatientSex="FM"[number % 2])
    shares = {"shares": (0.5, 0.25, 0.25)}
    build(source, tmp_path / "sex", BuildOptions(stratify_by=Stratification.read("PatientSex"), **shares))
    (tmp_path / "labels.csv").write_text(
        "PatientID,finding\n" + "".join(f"PAT-{n},{n // 6}\n" for n in range(12))
    )
    by_label = Stratification.read(str(tmp_path / "labels.csv"))
    build(source, tmp_path / "label", BuildOptions(stratify_by=by_label, **shares))
    nobody = BuildOptions(stratify_by=Stratification.read("PatientAge"))
    with pytest.raises(NoLabels, match=r"No patient has PatientAge\."):
        build(source, tmp_path / "age", nobody)
    for name, strata in (("sex", {"F", "M"}), ("label", {"0", "1"})):
        with Database(tmp_path / name) as database:
            found = Counter((one.stratum, one.split) for one in database.patients())
        assert {stratum for stratum, _ in found} == strata
        assert all(found[stratum, "train"] == 3 for stratum in strata)


def test_what_contradicts_itself_is_left_out_and_named(tmp_path):
    source = tmp_path / "source"
    first = patient(source, 1)
    patient(source / "other", 1, pixels=noise(99))  # the same UIDs, other bytes
    patient(source / "third", 3, study=str(dcmread(first[0]).StudyInstanceUID))  # its study, another patient
    summary = build(source, tmp_path / "set", BuildOptions(pictures=Options(bits=16)))
    assert summary.counts.images == 2
    assert summary.skipped == {index.CONFLICT: 2, index.MIXED: 2}


@pytest.mark.filterwarnings("ignore:Unknown encoding", "ignore:Incorrect value for Specific Character Set")
def test_files_that_are_damaged_anywhere_do_not_stop_a_build(built, source, tmp_path):
    whole = sorted((source / "000").glob("*.dcm"))[0].read_bytes()
    chance = random.Random(1)
    for number in range(60):
        damaged = bytearray(whole)
        for _ in range(chance.choice([1, 3, 20])):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        (tmp_path / f"{number}.dcm").write_bytes(
            damaged[: chance.choice([len(whole), chance.randrange(2000)])]
        )
    (tmp_path / os.fsdecode(b"caf\xe9.dcm")).write_bytes(whole)
    summary = build(tmp_path, tmp_path / "set")
    assert summary.counts.images + sum(summary.skipped.values()) == 61
    assert summary.counts.pictures > 0
    assert summary.skipped["Its name is no UTF-8."] == 1


def test_options_that_differ_are_refused_by_name(built, source):
    with pytest.raises(OtherOptions, match=r"bits 8, seed 0\."):
        build(source, built[0], BuildOptions(nifti=True, seed=3, pictures=Options(bits=16)))


def test_what_is_in_the_way_is_left_alone(source, built, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(ForeignTarget):
        build(source, tmp_path)
    with pytest.raises(ForeignTarget):
        build(source, tmp_path / "mine.txt")
    other = tmp_path / "other"
    other.mkdir()
    (other / "dataset.sqlite").write_bytes(b"something else")
    with pytest.raises(ForeignTarget):
        build(source, other)
    assert (other / "dataset.sqlite").read_bytes() == b"something else"
    with pytest.raises(ForeignTarget):
        build(built[0], built[0])
    with pytest.raises(MissingFolder):
        build(tmp_path / "nowhere", tmp_path / "set")
    (tmp_path / "empty").mkdir()
    with pytest.raises(NothingToBuild):
        build(tmp_path / "empty", tmp_path / "set")
    with pytest.raises(NotADataset):
        Database(tmp_path / "empty")


def test_a_second_build_is_refused_while_one_runs(source, built):
    with opened(built[0]), pytest.raises(BusyDataset):
        build(source, built[0], BOTH)


def _no_room(_):
    with open("/dev/full", "wb", 0) as full:
        return full.write(b"x")


@pytest.mark.parametrize("at", ["picture", "database"])
def test_a_full_disk_is_an_error_and_the_build_goes_on_after_it(source, built, tmp_path, monkeypatch, at):
    target = tmp_path / "set"
    with monkeypatch.context() as full:
        if at == "picture":
            full.setattr(pictures, "encode_png", _no_room)
        else:
            pages = Writer.__init__

            def small(self, folder):
                pages(self, folder)
                self.rows("PRAGMA max_page_count = 1")

            full.setattr(Writer, "__init__", small)
        with pytest.raises(NoRoom):
            build(source, target, BOTH)
    with pytest.raises(IncompleteDataset):
        Database(target)
    build(source, target, BOTH)
    assert everything(target) == everything(built[0])


def _is_running(pid):
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_several_processes_make_the_same_and_end_with_the_one_that_started_them(
    source, built, tmp_path, monkeypatch
):
    monkeypatch.setattr(pictures, "FEW", 0)
    monkeypatch.setattr(pictures, "IN_TRANSACTION", 1)
    options, started = BuildOptions(nifti=True, processes=2), tmp_path / "processes"

    def die(stage, done, _):
        if stage == "pictures" and done:
            started.write_text(" ".join(str(child.pid) for child in psutil.Process().children()))
            os.kill(os.getpid(), signal.SIGKILL)

    if (child := os.fork()) == 0:
        build(source, tmp_path / "set", options, die)
        os._exit(0)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
    left = [int(pid) for pid in started.read_text().split()]
    assert len(left) >= 2
    deadline = time.monotonic() + 20
    while any(map(_is_running, left)):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    build(source, tmp_path / "set", options)
    assert everything(tmp_path / "set") == everything(built[0])
