# SPDX-License-Identifier: Apache-2.0
"""Deliver, to a folder: ask, send what is missing, ask again; and again after an end at any moment."""

import resource
import stat
from dataclasses import replace
from pathlib import Path

import pytest
from delivery import Delivery, changed, small_results, uids
from pydicom import dcmread

from informatics_gateway.config import FolderDestination
from informatics_gateway.deliver import deliver
from informatics_gateway.destinations import Holding
from informatics_gateway.errors import (
    DestinationHoldsOther,
    DestinationRefused,
    DestinationUnavailable,
    InvalidResult,
    JobCancelled,
)
from informatics_gateway.model import Result


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> list[Result]:
    return small_results(tmp_path_factory.mktemp("results"))


@pytest.fixture
def to_folder(tmp_path: Path) -> Delivery:
    return Delivery(FolderDestination(kind="folder", name="shelf", path=tmp_path / "shelf", clinical=False))


def place(root: Path, result: Result) -> Path:
    study = dcmread(result.path).StudyInstanceUID
    return root / study / result.series_instance_uid / f"{result.sop_instance_uid}.dcm"


def test_the_files_lie_under_their_uids_byte_for_byte(to_folder, results, tmp_path):
    proofs = to_folder.run(results)
    assert {proof.how for proof in proofs} == {"the file was read and compared"}
    for result in results:
        assert place(tmp_path / "shelf", result).read_bytes() == result.path.read_bytes()
    files = [path for path in (tmp_path / "shelf").rglob("*") if path.is_file()]
    assert len(files) == len(results)
    assert to_folder.events == [
        "shelf: 2 of 2 results to send",
        *[f"shelf: sent {result.kind} {result.sop_instance_uid}" for result in results],
        "shelf: proved 2 of 2 results (the file was read and compared)",
    ]


def test_what_is_there_is_proved_and_not_sent_again(to_folder, results):
    to_folder.run(results)
    to_folder.run(results, before_sending=lambda: pytest.fail("nothing is to be sent"))
    assert to_folder.sent() == []


def test_only_what_is_missing_is_sent(to_folder, results):
    to_folder.run(results[:1])
    to_folder.run(results)
    assert to_folder.sent() == uids(results[1:])


def test_what_before_sending_raises_stops_it_before_the_first_byte(to_folder, results, tmp_path):
    def cancelled() -> None:
        raise JobCancelled

    with pytest.raises(JobCancelled):
        to_folder.run(results, before_sending=cancelled)
    assert not (tmp_path / "shelf").exists()


def test_another_content_is_an_error_and_stays(to_folder, results, tmp_path):
    there = place(tmp_path / "shelf", results[1])
    there.parent.mkdir(parents=True)
    other = changed(results[1], tmp_path).read_bytes()
    there.write_bytes(other)
    with pytest.raises(DestinationHoldsOther, match=results[1].sop_instance_uid):
        to_folder.run(results)
    assert there.read_bytes() == other
    assert to_folder.sent() == []


def test_another_content_that_comes_between_asking_and_sending(to_folder, results, tmp_path):
    there = place(tmp_path / "shelf", results[0])
    other = changed(results[0], tmp_path).read_bytes()

    def meanwhile() -> None:
        there.parent.mkdir(parents=True)
        there.write_bytes(other)

    with pytest.raises(DestinationHoldsOther):
        to_folder.run(results, before_sending=meanwhile)
    assert there.read_bytes() == other


def test_the_same_content_that_comes_between_is_fine(to_folder, results, tmp_path):
    def meanwhile() -> None:
        there = place(tmp_path / "shelf", results[0])
        there.parent.mkdir(parents=True)
        there.write_bytes(results[0].path.read_bytes())

    to_folder.run(results, before_sending=meanwhile)


def test_what_a_killed_delivery_left_half_written_is_no_hindrance_and_no_litter(to_folder, results, tmp_path):
    target = place(tmp_path / "shelf", results[0])
    target.parent.mkdir(parents=True)
    (target.parent / f".{target.name}.part").write_bytes(b"half")
    to_folder.run(results)
    assert [path.name for path in target.parent.iterdir()] == [target.name]


def test_a_file_that_is_no_longer_what_was_accepted_is_not_sent(to_folder, results, tmp_path):
    path = tmp_path / "tampered.dcm"
    path.write_bytes(results[0].path.read_bytes() + b"\0\0")
    with pytest.raises(InvalidResult, match="not the one that was accepted"):
        to_folder.run([replace(results[0], path=path)])
    with pytest.raises(InvalidResult, match="not the one that was accepted"):
        to_folder.run([replace(results[0], path=tmp_path / "gone.dcm")])
    assert not (tmp_path / "shelf").exists()


def test_a_name_is_never_made_of_an_unchecked_uid(to_folder, results):
    with pytest.raises(DestinationRefused, match="SeriesInstanceUID"):
        to_folder.run([replace(results[0], series_instance_uid="../../1.2")])


def test_a_link_that_lies_in_the_way_is_taken_away_and_not_followed(to_folder, results, tmp_path):
    target = place(tmp_path / "shelf", results[0])
    target.parent.mkdir(parents=True)
    (target.parent / f".{target.name}.part").symlink_to(tmp_path / "elsewhere")
    to_folder.run(results[:1])
    assert stat.S_ISREG(target.lstat().st_mode)
    assert not (tmp_path / "elsewhere").exists()


def test_a_disk_that_takes_no_more_may_do_so_later(to_folder, results, tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        with pytest.raises(DestinationUnavailable, match="File too large"):
            to_folder.run(results)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not place(tmp_path / "shelf", results[0]).exists()
    to_folder.run(results)


def test_a_place_that_is_no_folder_needs_a_person(results, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    destination = FolderDestination(kind="folder", name="shelf", path=tmp_path / "file" / "shelf")
    with pytest.raises(DestinationRefused, match="File exists"):
        Delivery(destination).run(results)


class Forgetful:
    """A destination that says yes and keeps nothing."""

    name = "forgetful"

    def ask(self, results):
        return {result.sop_instance_uid: Holding("missing") for result in results}

    def send(self, results, on_sent):
        for result in results:
            on_sent(result)


def test_what_was_taken_and_is_not_there_is_not_delivered(results):
    with pytest.raises(DestinationUnavailable, match="does not have it when asked") as refused:
        deliver(results, Forgetful(), on_event=lambda text: None)
    assert refused.value.retryable
    assert all(uid in str(refused.value) for uid in uids(results))


class Ended(BaseException):
    """Stands for the end of the process."""


@pytest.mark.parametrize("moment", range(4))
def test_ended_at_any_moment_it_is_taken_up_again(to_folder, results, tmp_path, moment):
    def end(text: str) -> None:
        to_folder.events.append(text)
        if len(to_folder.events) == moment + 1:
            raise Ended

    with pytest.raises(Ended), to_folder.open() as client:
        deliver(results, client, on_event=end)
    to_folder.run(results)
    assert len(to_folder.sent()) == max(0, 2 - max(0, moment))
    assert len([path for path in (tmp_path / "shelf").rglob("*") if path.is_file()]) == 2
