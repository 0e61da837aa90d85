# SPDX-License-Identifier: Apache-2.0
"""What may be asked of a data set, by any process and any thread: every answer comes from an index.

Lists come in pages: `after` is the identifier of the last record of the page before ('' for the first page).
"""

import json
import re
import sqlite3
import threading
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from typing import Any, Self, TypeVar

from .errors import DatasetError, IncompleteDataset, NotADataset, UnreadableDataset
from .records import Counts, ImageRecord, PatientRecord, PictureRecord, SeriesRecord, StudyRecord

FILE_NAME = "dataset.sqlite"
APPLICATION_ID, VERSION = 0x47445331, 1
BUSY_S = 30
LONGEST_SEARCH = 200  # characters
PAGE = 100
NEWEST = 2**63 - 1  # above every row id
SERIES = (
    "SELECT * FROM series JOIN study ON study.id = series.study JOIN patient ON patient.id = study.patient"
)
IMAGES = (
    "SELECT image.*, pixel_rows AS rows, pixel_columns AS columns, series_instance_uid, study_instance_uid,"
    " patient_id, (SELECT first.sop_instance_uid FROM image AS first WHERE first.id = image.duplicate_of)"
    " AS original FROM image JOIN series ON series.id = image.series"
    " JOIN study ON study.id = series.study JOIN patient ON patient.id = study.patient"
)
STUDIES = "SELECT study.*, patient_id FROM study JOIN patient ON patient.id = study.patient"
PICTURES = "SELECT picture.*, sop_instance_uid FROM picture JOIN image ON image.id = picture.image"
IMAGE_INFO = {  # the seed's names, from the columns that hold them
    "InstanceNumber": "instance_number",
    "PatientID": "nullif(patient_id, '')",
    "RescaleIntercept": "rescale_intercept",
    "RescaleSlope": "rescale_slope",
    "SeriesDescription": "series_description",
    "StudyDescription": "study_description",
    "WindowCenter": "window_center",
    "WindowWidth": "window_width",
}
TALLIES = {
    "volumes": "SELECT count(*) FROM series WHERE volume != ''",
    "duplicates": "SELECT count(*) FROM image WHERE duplicate_of IS NOT NULL",
    "across_splits": "SELECT count(*) FROM image JOIN series ON series.id = image.series"
    " JOIN study ON study.id = series.study JOIN patient ON patient.id = study.patient"
    " JOIN image AS first ON first.id = image.duplicate_of JOIN series AS there ON there.id = first.series"
    " JOIN study AS other ON other.id = there.study JOIN patient AS its ON its.id = other.patient"
    " WHERE image.duplicate_of IS NOT NULL AND its.split != patient.split",
}

R = TypeVar("R")


class Database:
    """Read-only view of the data set in `folder`.

    Raises NotADataset, and IncompleteDataset when a build has begun and not ended.  Safe for many threads.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._own = threading.local()
        self._opened: list[sqlite3.Connection] = []
        if not (folder / FILE_NAME).is_file():
            raise NotADataset(f"{folder} has no {FILE_NAME}.")
        try:
            self._check()
        except UnreadableDataset as error:
            self.close()
            killed = (folder / f"{FILE_NAME}-journal").exists()
            raise (IncompleteDataset if killed else NotADataset)(error.detail) from error
        except DatasetError:
            self.close()
            raise

    def _check(self) -> None:
        [application] = self.rows("PRAGMA application_id")[0]
        [version] = self.rows("PRAGMA user_version")[0]
        if (application, version) != (APPLICATION_ID, VERSION):
            raise NotADataset(f"{self.folder / FILE_NAME} is none, or of another version than {VERSION}.")
        if self.setting("complete") != "1":
            raise IncompleteDataset(f"{self.folder}.")

    @property
    def _connection(self) -> sqlite3.Connection:
        """This thread's connection."""
        if not hasattr(self._own, "connection"):
            uri = f"{(self.folder / FILE_NAME).absolute().as_uri()}?mode=ro"
            connection = sqlite3.connect(uri, uri=True, timeout=BUSY_S, check_same_thread=False)
            connection.row_factory = sqlite3.Row
            self._own.connection = connection
            self._opened.append(connection)
        found: sqlite3.Connection = self._own.connection
        return found

    def close(self) -> None:
        """Close it, for all threads."""
        for connection in self._opened:
            with suppress(sqlite3.Error):
                connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def rows(self, sql: str, *values: Any) -> list[sqlite3.Row]:
        """What a question of one's own answers; see database.sql.  Raises UnreadableDataset."""
        try:
            return self._connection.execute(sql, values).fetchall()
        except sqlite3.Error as error:
            raise UnreadableDataset(f"{self.folder / FILE_NAME}: {error}.") from error

    def _one(self, sql: str, *values: Any) -> sqlite3.Row | None:
        rows = self.rows(sql, *values)
        return rows[0] if rows else None

    def _number(self, table: str, column: str, identifier: str) -> int:
        """The row of an identifier; 0 for none, which no row has."""
        row = self._one(f"SELECT id FROM {table} WHERE {column} = ?", identifier)
        return row["id"] if row else 0

    def setting(self, key: str) -> str | None:
        """What the build wrote down under this key."""
        row = self._one("SELECT value FROM setting WHERE key = ?", key)
        return row["value"] if row else None

    def counts(self) -> Counts:
        """How many there are of each."""
        return _record(Counts, self.rows("SELECT * FROM total")[0])

    def splits(self) -> dict[str, dict[str, int]]:
        """Patients, studies, series and images by split."""
        rows = self.rows(
            "SELECT split, count(*) AS patients, sum(studies) AS studies, sum(series) AS series,"
            " sum(images) AS images FROM patient GROUP BY split ORDER BY split = 'test', split"
        )
        return {row["split"]: {key: row[key] for key in row.keys()[1:]} for row in rows}

    def tally(self, what: str) -> int:
        """How many there are of one of TALLIES.  It may take time: each is looked at."""
        return int(self.rows(TALLIES[what])[0][0])

    def reasons(self, table: str, column: str) -> dict[str, int]:
        """How many rows of `table` have each reason in `column`, without what follows its first line.

        It may take time.
        """
        first_line = f"substr({column}, 1, instr({column} || char(10), char(10)) - 1)"
        sql = f"SELECT {first_line} AS why, count(*) AS rows FROM {table} WHERE {column} != '' GROUP BY why"
        return {row["why"]: row["rows"] for row in self.rows(f"{sql} ORDER BY why")}

    # one record

    def patient(self, patient_id: str) -> PatientRecord | None:
        """The patient with this PatientID, with its counts."""
        row = self._one("SELECT * FROM patient WHERE patient_id = ?", patient_id)
        return _record(PatientRecord, row) if row else None

    def study(self, study_instance_uid: str) -> StudyRecord | None:
        """The study with this StudyInstanceUID."""
        row = self._one(f"{STUDIES} WHERE study_instance_uid = ?", study_instance_uid)
        return _record(StudyRecord, row) if row else None

    def series(self, series_instance_uid: str) -> SeriesRecord | None:
        """The series with this SeriesInstanceUID."""
        row = self._one(f"{SERIES} WHERE series_instance_uid = ?", series_instance_uid)
        return _series(row) if row else None

    def image(self, sop_instance_uid: str) -> ImageRecord | None:
        """The image with this SOPInstanceUID."""
        row = self._one(f"{IMAGES} WHERE image.sop_instance_uid = ?", sop_instance_uid)
        return _image(row) if row else None

    def picture(self, stem: str) -> PictureRecord | None:
        """The picture of this stem, its file's name without the ending."""
        row = self._one(f"{PICTURES} WHERE stem = ?", stem)
        return _picture(row) if row else None

    def image_info(self, stem: str) -> dict[str, str | None] | None:
        """Of the image of the picture of this stem, by the names of IMAGE_INFO; None where there is none."""
        wanted = ", ".join(f'{column} AS "{name}"' for name, column in IMAGE_INFO.items())
        row = self._one(
            f"SELECT {wanted} FROM picture JOIN image ON image.id = picture.image JOIN series"
            " ON series.id = image.series JOIN study ON study.id = series.study"
            " JOIN patient ON patient.id = study.patient WHERE stem = ?",
            stem,
        )
        return dict(row) if row else None

    # pages

    def patients(self, after: str | None = None, limit: int = PAGE, split: str = "") -> list[PatientRecord]:
        """Patients, all or those of one split, in the order in which they were added.

        after: None for the first page, as one patient may have no PatientID: ''.
        """
        where, values = ("split = ? AND ", [split]) if split else ("", [])
        sql = f"SELECT * FROM patient WHERE {where} id > ? ORDER BY id LIMIT ?"
        last = 0 if after is None else self._number("patient", "patient_id", after)
        rows = self.rows(sql, *values, last, limit)
        return [_record(PatientRecord, row) for row in rows]

    def studies(self, patient_id: str | None = None, after: str = "", limit: int = PAGE) -> list[StudyRecord]:
        """Studies, all or those of one patient."""
        where, values = _of("patient", patient_id, self._number("patient", "patient_id", patient_id or ""))
        sql = f"{STUDIES} WHERE {where} study.id > ? ORDER BY study.id LIMIT ?"
        rows = self.rows(sql, *values, self._number("study", "study_instance_uid", after), limit)
        return [_record(StudyRecord, row) for row in rows]

    def series_of(self, study: str | None = None, after: str = "", limit: int = PAGE) -> list[SeriesRecord]:
        """Series, all or those of the study with this StudyInstanceUID."""
        where, values = _of("study", study, self._number("study", "study_instance_uid", study or ""))
        sql = f"{SERIES} WHERE {where} series.id > ? ORDER BY series.id LIMIT ?"
        rows = self.rows(sql, *values, self._number("series", "series_instance_uid", after), limit)
        return [_series(row) for row in rows]

    def images(self, series: str, after: str = "", limit: int = PAGE) -> list[ImageRecord]:
        """The images of the series with this SeriesInstanceUID, by InstanceNumber."""
        last = self._one("SELECT ordinal, id FROM image WHERE sop_instance_uid = ?", after)
        rows = self.rows(
            f"{IMAGES} WHERE image.series = ? AND (ordinal, image.id) > (?, ?)"
            " ORDER BY ordinal, image.id LIMIT ?",
            self._number("series", "series_instance_uid", series),
            *(tuple(last) if last else (-NEWEST, 0)),
            limit,
        )
        return [_image(row) for row in rows]

    def pictures(self, sop_instance_uid: str, limit: int = PAGE, after: str = "") -> list[PictureRecord]:
        """The pictures of one image: one for each frame and window.  `after`: a stem."""
        image = self._number("image", "sop_instance_uid", sop_instance_uid)
        sql = f"{PICTURES} WHERE image = ? AND picture.id > ? ORDER BY picture.id LIMIT ?"
        rows = self.rows(sql, image, self._number("picture", "stem", after), limit)
        return [_picture(row) for row in rows]

    def duplicates(self, limit: int = PAGE, after: str = "") -> list[ImageRecord]:
        """Images with the pixels of an earlier one under another UID."""
        after_row = self._number("image", "sop_instance_uid", after)
        found = "SELECT id FROM image INDEXED BY image_duplicate WHERE duplicate_of IS NOT NULL AND id > ?"
        where = f"WHERE image.id IN ({found} ORDER BY id LIMIT ?) ORDER BY image.id"
        return [_image(row) for row in self.rows(f"{IMAGES} {where}", after_row, limit)]

    def search(self, text: str, after: str = "", limit: int = PAGE) -> list[SeriesRecord]:
        """The series in which every word of `text` begins a word of PatientID, descriptions or Modality.

        A DICOM UID finds the series that it is of, that it lies in, or those of its study.
        """
        text = text.strip()[:LONGEST_SEARCH]
        if re.fullmatch(r"[0-9]+(\.[0-9]+)+", text):
            return self._of_uid(text, after, limit)
        words = re.findall(r"\w+", text)
        if not words:
            return self.series_of(None, after, limit)
        rows = self.rows(
            f"{SERIES} WHERE series.id IN (SELECT rowid FROM series_text"
            " WHERE text MATCH ? AND rowid > ? ORDER BY rowid LIMIT ?) ORDER BY series.id",
            " AND ".join(f'"{word}"*' for word in words),
            self._number("series", "series_instance_uid", after),
            limit,
        )
        return [_series(row) for row in rows]

    def _of_uid(self, uid: str, after: str, limit: int) -> list[SeriesRecord]:
        image = self.image(uid)
        found = self.series(image.series_instance_uid if image else uid)
        if found is None:
            return self.series_of(uid, after, limit) if self.study(uid) else []
        return [] if after else [found]


def _of(column: str, identifier: str | None, number: int) -> tuple[str, list[int]]:
    """The condition that a record belongs to the one above it; none where all are wanted."""
    return ("", []) if identifier is None else (f"{column} = ? AND ", [number])


def _record(kind: type[R], row: sqlite3.Row) -> R:
    return kind(**{each.name: row[each.name] for each in fields(kind)})  # type: ignore[arg-type]


def _series(row: sqlite3.Row) -> SeriesRecord:
    return _record(SeriesRecord, row)


def _image(row: sqlite3.Row) -> ImageRecord:
    values = {each.name: row[each.name] for each in fields(ImageRecord)}
    return ImageRecord(**(values | {"duplicate_of": row["original"]}))


def _picture(row: sqlite3.Row) -> PictureRecord:
    values = {each.name: row[each.name] for each in fields(PictureRecord)}
    return PictureRecord(**(values | {"rendering": json.loads(row["rendering"])}))
