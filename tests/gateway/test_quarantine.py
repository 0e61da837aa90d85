# SPDX-License-Identifier: Apache-2.0
"""What was refused is kept, explains itself, survives a crash, and has a way back."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from builders import ct_series
from pydicom import dcmread

from imaging_data import InvalidIdentifier, UnreadableInstance, file_sha256
from informatics_gateway import quarantine
from informatics_gateway.errors import RefusedInstance
from informatics_gateway.model import Association
from informatics_gateway.receive import pending, release_from_quarantine

SENDER = Association("20260101T000000Z-0", "MODALITY@127.0.0.1", "MODALITY", "LUNGS", "127.0.0.1", 1.0)
FACTS = {"source": "MODALITY@127.0.0.1", "called_ae_title": "LUNGS", "study_instance_uid": "1.2"}


@pytest.fixture
def storage(tmp_path: Path) -> Path:
    """A storage folder."""
    return tmp_path / "storage"


@pytest.fixture
def refused(storage: Path, tmp_path: Path) -> Path:
    """An instance on the storage's file system."""
    return ct_series(storage / "somewhere", slices=1)[0]


def _keep(storage: Path, path: Path, association: Association | None = SENDER) -> str:
    return quarantine.keep_instance(storage, path, "It was refused.", "Do this.", association)


def test_an_instance_is_moved_and_explained(storage: Path, refused: Path) -> None:
    content, sha256 = refused.read_bytes(), file_sha256(refused)
    entry_id = _keep(storage, refused)
    assert not refused.exists()
    assert quarantine.object_path(storage, entry_id).read_bytes() == content
    entry = quarantine.show(storage, entry_id)
    assert (entry.kind, entry.sentence, entry.hint) == ("instance", "It was refused.", "Do this.")
    assert (entry.association, entry.sha256) == (SENDER, sha256)


def test_a_series_is_noted_and_its_instances_stay(storage: Path, refused: Path) -> None:
    entry_id = quarantine.keep_series(storage, "No route.", "Add one.", None, [refused, "1.2.3"], FACTS)
    assert refused.exists()
    entry = quarantine.show(storage, entry_id)
    assert (entry.kind, entry.instances, entry.facts) == ("series", (str(refused), "1.2.3"), FACTS)
    with pytest.raises(RefusedInstance, match="is a series"):
        release_from_quarantine(storage, entry_id)


def test_entries_are_listed_the_oldest_first(storage: Path, tmp_path: Path) -> None:
    assert quarantine.entries(storage) == []
    made = [_keep(storage, path) for path in ct_series(storage / "somewhere", slices=5)]
    assert [entry.id for entry in quarantine.entries(storage)] == made
    quarantine.remove(storage, made.pop(2))
    assert [entry.id for entry in quarantine.entries(storage)] == made
    assert len(list((storage / "quarantine").iterdir())) == 4


@pytest.mark.parametrize("entry_id", ["nothing", "..", ".", "../incoming", ""])
def test_an_entry_that_is_not_there_is_named(storage: Path, refused: Path, entry_id: str) -> None:
    _keep(storage, refused)
    for ask in (quarantine.show, quarantine.remove, quarantine.object_path, release_from_quarantine):
        with pytest.raises(quarantine.NoSuchEntry, match="no such entry") as raised:
            ask(storage, entry_id)
        assert "gantry quarantine list" in raised.value.hint


@pytest.mark.parametrize("step", ["write_file", "sync_folder"])
def test_a_crash_while_keeping_loses_nothing(
    storage: Path, refused: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(quarantine, step, crash)
        with pytest.raises(KeyboardInterrupt):
            _keep(storage, refused)
    assert refused.exists()
    assert quarantine.entries(storage) == []
    quarantine.tidy(storage)
    assert list((storage / "quarantine").iterdir()) == []
    _keep(storage, refused)
    assert len(quarantine.entries(storage)) == 1


def test_an_instance_comes_back_once_nothing_speaks_against_it(storage: Path, refused: Path) -> None:
    header = dcmread(refused)
    content = refused.read_bytes()
    entry_id = _keep(storage, refused)
    association, arrived = release_from_quarantine(storage, entry_id)
    assert association == replace(SENDER, id=association.id)
    assert association.id != SENDER.id
    assert arrived.name == f"{header.SOPInstanceUID}.dcm"
    assert arrived.read_bytes() == content
    assert list(pending(storage)) == [(association, [arrived])]
    assert quarantine.entries(storage) == []


def test_an_instance_that_is_still_wrong_stays(storage: Path, refused: Path) -> None:
    content = refused.read_bytes()
    refused.write_bytes(content[:-3])
    truncated = _keep(storage, refused)
    refused.write_bytes(content.replace(b"\x20\0\x0e\0UI", b"\x21\0\x0e\0UI"))
    without_series = _keep(storage, refused)
    for entry_id, error in ((truncated, UnreadableInstance), (without_series, InvalidIdentifier)):
        with pytest.raises(error):
            release_from_quarantine(storage, entry_id)
    assert len(quarantine.entries(storage)) == 2
    assert not (storage / "incoming").exists()


def test_the_reason_file_is_plain_json(storage: Path, refused: Path) -> None:
    entry_id = _keep(storage, refused, None)
    reason = json.loads((storage / "quarantine" / entry_id / "reason.json").read_text())
    assert reason["id"] == entry_id
    assert reason["association"] is None
