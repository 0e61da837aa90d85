# SPDX-License-Identifier: Apache-2.0
"""Writing a data set's database: one build at a time, in transactions, whole or not at all."""

import fcntl
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any

from .database import APPLICATION_ID, BUSY_S, FILE_NAME, VERSION
from .errors import BusyDataset, ForeignTarget, NoRoom

CACHE_KIB = 1 << 18  # UIDs come in no order: their index must be in memory, or time grows faster than rows
IMAGE_INDEXES = (  # made once, by sorting: each row would change a page of its own, and time grow faster than rows
    "CREATE UNIQUE INDEX IF NOT EXISTS image_uid ON image (sop_instance_uid)",
    "CREATE INDEX IF NOT EXISTS image_series ON image (series, ordinal, id)",
)
NEW = ".dataset.new"  # the database until its tables are there


class Writer:
    """The database of the data set in `folder`, made if it is not there.

    Use `opened`: it holds the lock.  Every method runs inside `transaction`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        path = folder / FILE_NAME
        if not path.exists():
            _make(folder / NEW)
            (folder / NEW).rename(path)
        self._db = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None)
        self._db.row_factory = sqlite3.Row
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        self._db.execute("PRAGMA foreign_keys = ON")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Everything in it is written, or nothing.  Raises NoRoom where the disk refuses it."""
        try:
            self._db.execute("BEGIN IMMEDIATE")
            yield
            self._db.execute("COMMIT")
        except sqlite3.OperationalError as error:
            raise NoRoom(f"{error}.") from error
        finally:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")

    def close(self) -> None:
        """Close it."""
        self._db.close()

    def rows(self, sql: str, values: Sequence[Any] | dict[str, Any] = ()) -> list[sqlite3.Row]:
        """What a question answers."""
        return self._db.execute(sql, values).fetchall()

    def each(self, sql: str) -> Iterator[sqlite3.Row]:
        """As `rows`, one by one: for more than memory should hold."""
        return self._db.execute(sql)

    def row(self, sql: str, values: Sequence[Any] | dict[str, Any] = ()) -> sqlite3.Row | None:
        """The first row of what a question answers."""
        found: sqlite3.Row | None = self._db.execute(sql, values).fetchone()
        return found

    def change(self, sql: str, values: Sequence[Any] = ()) -> None:
        """Change rows."""
        self._db.execute(sql, values)

    def add(self, table: str, **values: Any) -> int:
        """Add a row; returns its number."""
        columns, marks = ", ".join(values), ", ".join("?" * len(values))
        number = self._db.execute(
            f"INSERT INTO {table} ({columns}) VALUES ({marks})", tuple(values.values())
        ).lastrowid
        return number or 0

    @property
    def indexed(self) -> bool:
        """Whether images have their indexes: from when all files of a new data set were looked at."""
        return self.row("SELECT 1 FROM sqlite_schema WHERE name = 'image_uid'") is not None

    def index_images(self) -> None:
        """Give images their indexes, unless they have them."""
        with self.transaction():
            for sql in IMAGE_INDEXES:
                self.change(sql)

    def setting(self, key: str) -> str | None:
        """What was written down under this key."""
        row = self.row("SELECT value FROM setting WHERE key = ?", (key,))
        return row["value"] if row else None

    def set(self, key: str, value: str) -> None:
        """Write something down."""
        self.change("INSERT OR REPLACE INTO setting VALUES (?, ?)", (key, value))


def _make(path: Path) -> None:
    for left in path.parent.glob(f"{path.name}*"):
        left.unlink()
    db = sqlite3.connect(path)
    try:
        db.executescript(f"BEGIN; {files(__package__).joinpath('database.sql').read_text()} COMMIT;")
    except sqlite3.OperationalError as error:
        raise NoRoom(f"{error}.") from error
    finally:
        db.close()


@contextmanager
def opened(folder: Path) -> Iterator[Writer]:
    """The data set in `folder`, new or one to go on with; nobody else writes it meanwhile.

    Raises ForeignTarget when `folder` holds anything else, BusyDataset while another build writes it, NoRoom.
    """
    _check_target(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise NoRoom(f"{folder}: {error.strerror}.") from error
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)  # the folder itself is the lock: no file stays
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BusyDataset(f"{folder}.") from error
        writer = Writer(folder)
        try:
            yield writer
        finally:
            writer.close()
    finally:
        os.close(descriptor)


def _check_target(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise ForeignTarget(f"{folder} is a file.")
    if (path := folder / FILE_NAME).exists():
        if not _is_ours(path):
            raise ForeignTarget(f"{path} is no data set of version {VERSION}.")
    elif folder.is_dir() and any(not path.name.startswith(NEW) for path in folder.iterdir()):
        raise ForeignTarget(f"{folder} is not empty.")


def _is_ours(path: Path) -> bool:
    """Whether it is a data set's database: asked with a journal that a killed build left, so it may be written."""
    db = sqlite3.connect(path, timeout=BUSY_S)
    try:
        [application] = db.execute("PRAGMA application_id").fetchone()
        [version] = db.execute("PRAGMA user_version").fetchone()
    except sqlite3.DatabaseError:
        return False
    finally:
        db.close()
    return (application, version) == (APPLICATION_ID, VERSION)
