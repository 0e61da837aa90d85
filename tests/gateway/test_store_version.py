# SPDX-License-Identifier: Apache-2.0
"""The journal of an earlier Gantry is upgraded, whole or not at all; that of a later one is left alone.

journal-version-1.sql is a journal that version 1 wrote: a delivered, a failed and a queued job.  That of version 2
is the same after upgrade_2.sql.
"""

import sqlite3
from pathlib import Path

import pytest

from informatics_gateway.config import Route
from informatics_gateway.errors import BadConfiguration
from informatics_gateway.model import JobStatus
from informatics_gateway.store import Journal, Store
from informatics_gateway.store import version as of_version

FIRST = (Path(__file__).parent / "journal-version-1.sql").read_text()
APP = "lung_densitometry"


ADDED = {1: ("", 1, 0, ""), 2: (1, 0, "")}  # to a job of that version, by the upgrades


@pytest.fixture(params=ADDED)
def version(request) -> int:
    """The version of the old journal."""
    return int(request.param)


@pytest.fixture
def old(tmp_path, version) -> Path:
    """A storage folder with the journal of an earlier version."""
    run(tmp_path, FIRST)
    for number in range(2, version + 1):
        run(tmp_path, of_version._read(f"upgrade_{number}.sql"))
    return tmp_path


def run(storage: Path, script: str) -> None:
    db = sqlite3.connect(storage / "gantry.sqlite", isolation_level=None)
    db.executescript(script)
    db.close()


def rows(storage: Path, sql: str) -> list[tuple]:
    db = sqlite3.connect(storage / "gantry.sqlite")
    found = db.execute(sql).fetchall()
    db.close()
    return found


def everything(storage: Path) -> dict[str, list[tuple]]:
    tables = rows(storage, "SELECT name FROM sqlite_master WHERE type = 'table'")
    return {table: rows(storage, f"SELECT * FROM {table}") for (table,) in sorted(tables)}


def tables(storage: Path) -> list[tuple]:
    """What the tables and indexes are, without comments and white space, that ALTER TABLE keeps or not."""
    found = rows(storage, "SELECT type, name, sql FROM sqlite_master ORDER BY name")
    return [(kind, name, "".join((sql or "").replace('"', "").split())) for kind, name, sql in found]


def test_nothing_is_lost(old, version):
    before = everything(old)
    Store(old).close()
    after = everything(old)
    assert after.pop("job") == [(*row, *ADDED[version]) for row in before.pop("job")]
    assert {table: rows for table, rows in after.items() if rows} == {
        table: rows for table, rows in before.items() if rows
    }
    assert rows(old, "PRAGMA foreign_key_check") == []


def test_it_is_then_like_a_new_one(old, tmp_path_factory):
    Store(old).close()
    new = tmp_path_factory.mktemp("new")
    Store(new).close()
    assert tables(old) == tables(new)
    assert rows(old, "PRAGMA user_version") == rows(new, "PRAGMA user_version") == [(of_version.VERSION,)]


def test_its_jobs_go_on(old):
    with Store(old) as store:
        delivered, failed, queued = reversed(store.jobs())
        assert [job.status for job in (delivered, failed, queued)] == ["delivered", "failed", "queued"]
        assert len(store.results(delivered.id)) == len(store.proofs(delivered.id)) == 2
        assert store.next_job(APP, [JobStatus.QUEUED])[0] == queued
        fast = Route(called_ae_title="LUNGS", app=APP, profile="fast", destinations=("archive",))
        assert store.queue(queued.input_set, [fast]) == ([4], [])
        begun = store.begin(queued, "starts", new_attempt=True)
        assert store.move(begun, JobStatus.EXECUTED, "done")
    with Store(old) as again, Journal(old) as reader:
        assert again.jobs() == reader.jobs()


def test_an_upgrade_that_breaks_off_changes_nothing(old, monkeypatch):
    before = everything(old)
    read = of_version._read
    monkeypatch.setattr(of_version, "_read", lambda name: read(name) + "SELECT * FROM no_such_table;")
    with pytest.raises(sqlite3.OperationalError, match="no_such_table"):
        Store(old)
    assert everything(old) == before
    monkeypatch.undo()
    Store(old).close()


def test_a_reader_says_who_upgrades_it(old, version):
    with pytest.raises(BadConfiguration, match=rf"gantry.sqlite is of version {version}, not 3") as caught:
        Journal(old)
    assert "gantry serve" in caught.value.hint


def test_the_journal_of_a_later_gantry_is_left_alone(old):
    run(old, "PRAGMA user_version = 99")
    before = everything(old)
    for opens in (Store, Journal):
        with pytest.raises(BadConfiguration, match="of version 99"):
            opens(old)
    assert everything(old) == before
