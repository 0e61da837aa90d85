# SPDX-License-Identifier: Apache-2.0
"""The data set that is served: opened when it is first asked for, and again after it was not there."""

import threading
from pathlib import Path

from fastapi import HTTPException

from imaging_data.dataset import Database, DatasetError, PictureRecord

NONE = "No data set is configured: set `path` of [dataset], or use `gantry dataset serve`."


class Shelf:
    """Holds the data set in `folder`; None is no data set.  Safe to use from many threads."""

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        self._turn = threading.Lock()
        self._database: Database | None = None

    def database(self) -> Database:
        """The open data set.  Raises the answer 503, saying why, while there is none."""
        if self._database is None:
            with self._turn:
                self._database = self._database or self._open()
        return self._database

    def _open(self) -> Database:
        if self.folder is None:
            raise HTTPException(503, NONE)
        try:
            return Database(self.folder)
        except DatasetError as error:
            raise HTTPException(503, f"{error} {error.hint}") from error

    def file(self, picture: PictureRecord) -> Path:
        """The PNG of a picture, which lies in the data set's folder.  Raises the answer 404."""
        root = self.database().folder.resolve()
        path = (root / picture.path).resolve()
        if not path.is_relative_to(root) or not path.is_file():
            raise HTTPException(404, "The picture's file is not there: build the data set again.")
        return path
