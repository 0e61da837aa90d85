# SPDX-License-Identifier: Apache-2.0
"""The version of the journal's tables: a journal of an earlier Gantry is upgraded, one of a later is refused."""

import sqlite3
from importlib.resources import files
from pathlib import Path

from ..errors import BadConfiguration

VERSION = 3  # what schema.sql makes; upgrade_N.sql brings version N - 1 to N


def version_of(db: sqlite3.Connection) -> int:
    """The version of the journal; 0 of one that is new."""
    [version] = db.execute("PRAGMA user_version").fetchone()
    return int(version)


def bring_up_to_date(db: sqlite3.Connection, path: Path) -> None:
    """Make the tables of a new journal, or upgrade those of an earlier one, version by version.

    Each upgrade is one transaction: after a crash the journal has one version or the next.  Foreign keys must
    be off, as they are when a journal is opened: tables are replaced.  Raises BadConfiguration for the
    journal of a later Gantry, which is not touched.
    """
    version = version_of(db)
    if version > VERSION:
        raise BadConfiguration(
            f"{path} is of version {version}; this Gantry knows version {VERSION}.",
            hint="Start the Gantry that wrote it, or a later one.",
        )
    for number in range(version + 1, VERSION + 1) if version else ():
        db.executescript(f"BEGIN IMMEDIATE; {_read(f'upgrade_{number}.sql')} COMMIT;")
    db.executescript(_read("schema.sql"))


def check_version(db: sqlite3.Connection, path: Path) -> None:
    """Raise BadConfiguration when the journal cannot be read here because it is of another version."""
    version = version_of(db)
    if version != VERSION:
        raise BadConfiguration(
            f"{path} is of version {version}, not {VERSION}.",
            hint="Start `gantry serve` of the same Gantry once: it upgrades the journal.",
        )


def _read(name: str) -> str:
    return files(__package__).joinpath(name).read_text()
