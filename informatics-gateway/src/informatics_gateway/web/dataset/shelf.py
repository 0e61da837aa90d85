# SPDX-License-Identifier: Apache-2.0
"""The data set that is served, as it is now: one that is built anew, added to or removed is not served from memory."""

import threading
from pathlib import Path

from fastapi import HTTPException

from imaging_data.dataset import Database, PictureRecord
from imaging_data.dataset.database import FILE_NAME

NONE = "No data set is configured: set `path` of [dataset], or use `gantry dataset serve`."


class Shelf:
    """Holds the data set in `folder`; None is no data set.  Safe to use from many threads."""

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        self._turn = threading.Lock()
        self._database: Database | None = None
        self._opened: tuple[int, ...] = ()

    def database(self) -> Database:
        """The data set, opened again when its file has changed.

        Raises DatasetError where there is none now, or one whose build has not ended, and the answer 503 where none
        is configured.
        """
        if self.folder is None:
            raise HTTPException(503, NONE)
        now = _state(self.folder / FILE_NAME)
        with self._turn:
            if self._database is None or now != self._opened:
                self._database = None
                self._database, self._opened = Database(self.folder), now
            return self._database

    def file(self, picture: PictureRecord) -> Path:
        """The PNG of a picture, which lies in the data set's folder.  Raises the answer 404."""
        root = self.database().folder.resolve()
        path = (root / picture.path).resolve()
        if not path.is_relative_to(root) or not path.is_file():
            raise HTTPException(404, "The picture's file is not there: build the data set again.")
        return path


def _state(path: Path) -> tuple[int, ...]:
    """Which file it is and what it was changed by last; () where there is none."""
    try:
        about = path.stat()
    except OSError:
        return ()
    return about.st_dev, about.st_ino, about.st_size, about.st_mtime_ns
