# SPDX-License-Identifier: Apache-2.0
"""From files to rows: the hierarchy of patients, studies, series and images.  Time grows with their number."""

import os
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from sqlite3 import Row
from typing import Any

from ..hashing import file_sha256
from ..threads import in_threads
from ..whole import renewed, sync
from .errors import NoRoom
from .facts import Facts, Looked, files_under, look
from .writer import Writer

AT_ONCE = 2048  # files in a transaction
SEGMENTATIONS = "segmentations"
REPEATED = "It is there already."
CONFLICT = "Another instance with its SOPInstanceUID and other bytes is there already."
MIXED = "Its study or series is already there under another PatientID or study."


class Index:
    """Adds instances to the database.

    It remembers the series, and of a new data set, whose images have no index yet, every image: 110 MB a million.
    """

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._images: dict[int, int] | None = None  # rows by the hash of their UID, until there is an index
        if not writer.indexed:
            rows = writer.each("SELECT id, sop_instance_uid FROM image")
            self._images = {hash(row["sop_instance_uid"]): row["id"] for row in rows}
        self._series: dict[str, tuple[int, str, str]] = {}  # by UID: row, StudyInstanceUID, PatientID
        self._added: Counter[int] = Counter()

    def add(self, facts: Facts) -> str:
        """Add an instance; returns why it is not added, "" when it is."""
        known = self._find_image(facts.sop_instance_uid)
        if known is not None:
            return self._again(facts, known)
        series = self._place(facts)
        if series is None:
            return MIXED
        image = self._writer.add("image", series=series, **_values(facts))
        self._added[series] += 1
        if self._images is not None:
            self._images.setdefault(hash(facts.sop_instance_uid), image)
        return ""

    def count(self) -> None:
        """Raise the counts by what was added since; before each transaction ends."""
        forget = (
            "grid = '', volume = '', volume_sha256 = '', no_volume = ''"  # what an image more makes untrue
        )
        for series, added in self._added.items():
            self._writer.change(
                f"UPDATE series SET images = images + ?, {forget} WHERE id = ?", (added, series)
            )
            self._writer.change("DELETE FROM slice WHERE series = ?", (series,))
        self._added.clear()

    def _again(self, facts: Facts, known: Row) -> str:
        """Why an instance is not added whose UID is there already: it is the same, or another one.

        It takes the place of a file that went away, where that was the same or nothing was made of it yet.
        """
        gone = not Path(known["path"]).exists()
        if known["sha256"] or not gone:
            same = (known["sha256"] or file_sha256(Path(known["path"]))) == file_sha256(Path(facts.path))
            if same and gone:
                self._writer.change("UPDATE image SET path = ? WHERE id = ?", (facts.path, known["id"]))
                self._writer.change("UPDATE series SET no_volume = '' WHERE id = ?", (known["series"],))
            return REPEATED if same else CONFLICT
        place = known["series"], facts.study_instance_uid, facts.patient_id
        if self._find_series(facts.series_instance_uid) != place:
            return MIXED
        values = _values(facts)
        sets = ", ".join(f"{column} = ?" for column in values)
        self._writer.change(f"UPDATE image SET {sets} WHERE id = ?", (*values.values(), known["id"]))
        return ""

    def _find_image(self, uid: str) -> Row | None:
        sql = "SELECT id, series, path, sha256 FROM image WHERE sop_instance_uid = ?"
        if self._images is None:
            return self._writer.row(sql, (uid,))
        image = self._images.get(hash(uid))
        if image is None:
            return None
        return self._writer.row(f"{sql} AND id = ?", (uid, image)) or self._writer.row(sql, (uid,))

    def _place(self, facts: Facts) -> int | None:
        """The row of its series, which is made if it is new; None where the identifiers contradict what is there."""
        study_uid, patient_id = facts.study_instance_uid, facts.patient_id
        if series := self._find_series(facts.series_instance_uid):
            return series[0] if series[1:] == (study_uid, patient_id) else None
        study = self._find_study(study_uid) or self._new_study(facts)
        if study[1] != patient_id:
            return None
        row = self._writer.add(
            "series",
            study=study[0],
            series_instance_uid=facts.series_instance_uid,
            modality=facts.modality,
            series_number=facts.series_number,
            series_description=facts.series_description,
            stratum=facts.stratum,
            acquisition=facts.acquisition,
        )
        self._series[facts.series_instance_uid] = (row, study_uid, patient_id)
        return row

    def _find_series(self, uid: str) -> tuple[int, str, str] | None:
        if uid not in self._series:
            row = self._writer.row(
                "SELECT series.id, study_instance_uid, patient_id FROM series JOIN study ON study.id = study"
                " JOIN patient ON patient.id = patient WHERE series_instance_uid = ?",
                (uid,),
            )
            if row is None:
                return None
            self._series[uid] = row["id"], row["study_instance_uid"], row["patient_id"]
        return self._series[uid]

    def _find_study(self, uid: str) -> tuple[int, str] | None:
        row = self._writer.row(
            "SELECT study.id, patient_id FROM study JOIN patient ON patient.id = patient"
            " WHERE study_instance_uid = ?",
            (uid,),
        )
        return (row["id"], row["patient_id"]) if row else None

    def _new_study(self, facts: Facts) -> tuple[int, str]:
        study = self._writer.add(
            "study",
            patient=self._patient(facts),
            study_instance_uid=facts.study_instance_uid,
            study_date=facts.study_date,
            study_description=facts.study_description,
        )
        return study, facts.patient_id

    def _patient(self, facts: Facts) -> int:
        row = self._writer.row("SELECT id FROM patient WHERE patient_id = ?", (facts.patient_id,))
        if row is not None:
            return int(row["id"])
        return self._writer.add("patient", patient_id=facts.patient_id, patient_sex=facts.patient_sex)


def _values(facts: Facts) -> dict[str, Any]:
    """What the row of an image says of it."""
    return {
        "sop_instance_uid": facts.sop_instance_uid,
        "sop_class_uid": facts.sop_class_uid,
        "ordinal": facts.ordinal,
        "instance_number": facts.instance_number,
        "rescale_intercept": facts.rescale_intercept,
        "rescale_slope": facts.rescale_slope,
        "window_center": facts.window_center,
        "window_width": facts.window_width,
        "frames": facts.frames,
        "pixel_rows": facts.rows,
        "pixel_columns": facts.columns,
        "path": facts.path,
    }


def index_files(writer: Writer, source: Path, stratify_by: str) -> Iterator[int]:
    """Look at every file of `source` that was not looked at before; yields how many there were, now and then."""
    index, looked = Index(writer), 0
    for paths in _batches(files_under(source, writer.folder.resolve())):
        new = [path for path in paths if not _seen(writer, path)]
        found = in_threads(partial(look, stratify_by=stratify_by), new)
        write_down(writer, index, found)
        looked += len(paths)
        yield looked


def write_down(writer: Writer, index: Index, found: Iterable[Looked]) -> None:
    """Write down, in one transaction, what files are, or why they are skipped."""
    with writer.transaction():
        for one in found:
            _write(writer, index, one)
        index.count()


def _batches(paths: Iterable[Path]) -> Iterator[list[Path]]:
    several = iter(paths)
    while batch := list(islice(several, AT_ONCE)):
        yield batch


def _seen(writer: Writer, path: Path) -> bool:
    row = writer.row("SELECT size, modified_ns FROM file WHERE path = ?", (_said(path),))
    if row is None:
        return False
    try:
        state = path.stat()
    except OSError:
        return False
    return (row["size"], row["modified_ns"]) == (state.st_size, state.st_mtime_ns)


def _said(path: Path) -> str:
    """A path as text that the database takes: a name that is no UTF-8 with its bytes in writing."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _write(writer: Writer, index: Index, looked: Looked) -> None:
    skipped, facts = looked.skipped, looked.facts
    if facts is not None:
        try:
            skipped = _keep_segmentation(writer, facts) if facts.segmented else index.add(facts)
        except OSError as error:  # it is gone, or another one that it is compared with
            skipped = f"{error.strerror}."
    writer.change(
        "INSERT OR REPLACE INTO file VALUES (?, ?, ?, ?)",
        (_said(looked.path), looked.size, looked.modified_ns, skipped),
    )


def _keep_segmentation(writer: Writer, facts: Facts) -> str:
    """Copy a segmentation into the data set; its source may go away.  Returns why it is not kept, "" when it is."""
    row = writer.row("SELECT path FROM segmentation WHERE sop_instance_uid = ?", (facts.sop_instance_uid,))
    name = f"{SEGMENTATIONS}/{facts.sop_instance_uid}.dcm"
    target = writer.folder / name
    if row is not None:
        return REPEATED if file_sha256(target) == file_sha256(Path(facts.path)) else CONFLICT
    try:
        target.parent.mkdir(exist_ok=True)
        with renewed(target) as file:
            shutil.copyfile(facts.path, file)
            sync(file)  # its row is durable, and nothing makes it again
        sync(target.parent)
    except OSError as error:
        raise NoRoom(f"{target}: {error.strerror}.") from error
    writer.add(
        "segmentation",
        sop_instance_uid=facts.sop_instance_uid,
        series_instance_uid=facts.segmented,
        path=name,
    )
    return ""
