# SPDX-License-Identifier: Apache-2.0
"""Build a data set: find the images, make their pictures and volumes, find duplicates, split by patient.

Each stage does what is not done yet and writes it down in transactions, in one order.  So a build that was ended
anywhere goes on where it stopped and comes to the same data set; one that is run again does nothing; and patients
who were added get their pictures and a split without a change for those who were there.
"""

import json
import os
import shutil
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from ..display import Options as PictureOptions
from ..errors import MissingFolder
from .database import Database
from .duplicates import linked_patients, mark_duplicates
from .errors import ForeignTarget, NoLabels, NothingToBuild, OtherOptions
from .index import index_files
from .pictures import count_pending as pending_pictures
from .pictures import forget_damaged as forget_damaged_pictures
from .pictures import make_pictures
from .split import Member, Shares, assign
from .strata import Stratification
from .summary import Summary, summarise
from .volumes import count_pending as pending_volumes
from .volumes import forget_damaged as forget_damaged_volumes
from .volumes import make_volumes
from .writer import Writer, opened

SPOOL = "spool"
Progress = Callable[[str, int, int], None]  # stage, done, of how many (0: not known)


class Fetcher(Protocol):
    """A source that is no folder: it puts its instances into one."""

    def fetch(
        self, folder: Path, has: Callable[[str], bool], on_progress: Callable[[int, int], None]
    ) -> None:
        """Write every instance into `folder` as `SOPInstanceUID.dcm`, whole or not at all.

        has: whether the data set has an instance with this SOPInstanceUID; on_progress: done, of how many.
        """


@dataclass(frozen=True)
class BuildOptions:
    """How a data set is built.

    png, nifti: what is made of the images.  pictures: how pictures are wanted.  shares, seed, stratify_by: of the
    split.  processes: that make pictures; None for as many as there are cores.
    """

    png: bool = True
    nifti: bool = False
    pictures: PictureOptions = field(default_factory=PictureOptions)
    shares: Shares = (0.7, 0.15, 0.15)
    seed: int = 0
    stratify_by: Stratification = field(default_factory=Stratification)
    processes: int | None = None

    def kept(self) -> str:
        """What must be the same when the data set is built again, as JSON."""
        kept = {
            "bits": self.pictures.bits,
            "window": self.pictures.window,
            "like": self.pictures.like,
            "split": [round(share, 9) for share in self.shares],
            "seed": self.seed,
            "stratify-by": self.stratify_by.name,
        }
        return json.dumps(kept, sort_keys=True)


def _silent(*_: object) -> None:
    pass


def build(
    source: Path | Fetcher, target: Path, options: BuildOptions | None = None, on_progress: Progress = _silent
) -> Summary:
    """Build the data set `target` from the DICOM files of `source`, or go on with it, or add to it.

    Raises MissingFolder, NothingToBuild, NoLabels, ForeignTarget, BusyDataset, OtherOptions, NoRoom, and what a
    Fetcher raises.  What is wrong with a single file is no error: the summary counts it with its reason.
    """
    options = options or BuildOptions()
    if isinstance(source, Path):
        _check_source(source, target)
    with opened(target) as writer:
        _begin(writer, options)
        _read(writer, source, options, on_progress)
        _make(writer, options, on_progress)
        with writer.transaction():
            mark_duplicates(writer)
            _split(writer, options)
        shutil.rmtree(target / SPOOL, ignore_errors=True)
        os.sync()  # a power cut finds either everything on the disk, or the data set not complete
        with writer.transaction():
            writer.set("complete", "1")
    with closing(Database(target)) as database:
        return summarise(database)


def _check_source(source: Path, target: Path) -> None:
    if not source.exists():
        raise MissingFolder(f"{source}.")
    if source.resolve() == target.resolve():
        raise ForeignTarget(f"{target} is the source itself.")


def _begin(writer: Writer, options: BuildOptions) -> None:
    kept, known = options.kept(), writer.setting("options")
    if known is not None and known != kept:
        asked, there = json.loads(kept), json.loads(known)
        names = ", ".join(f"{name} {there[name]}" for name in there if there[name] != asked[name])
        raise OtherOptions(f"It has {names}.")
    if writer.setting("complete") == "0":
        forget_damaged_pictures(writer)
        forget_damaged_volumes(writer)
    with writer.transaction():
        writer.set("options", kept)
        writer.set("complete", "0")


def _read(writer: Writer, source: Path | Fetcher, options: BuildOptions, on_progress: Progress) -> None:
    """Bring the rows of all instances into the database."""
    folder = source if isinstance(source, Path) else writer.folder / SPOOL
    if not isinstance(source, Path):
        folder.mkdir(exist_ok=True)
        source.fetch(folder, _has(writer), lambda done, total: on_progress("fetched", done, total))
    for looked in index_files(writer, folder.resolve(), options.stratify_by.keyword):
        on_progress("files", looked, 0)
    if writer.row("SELECT 1 FROM image LIMIT 1") is None:
        raise NothingToBuild(_reasons(writer))
    if options.stratify_by.name and not options.stratify_by.of_patients(writer):
        raise NoLabels(f"No patient has {options.stratify_by.name}.")
    writer.index_images()


def _has(writer: Writer) -> Callable[[str], bool]:
    if not writer.indexed:  # it is new, or was ended before: what was fetched lies in its folder, all of it
        return lambda sop_instance_uid: False

    def has(sop_instance_uid: str) -> bool:
        row = writer.row("SELECT sha256 FROM image WHERE sop_instance_uid = ?", (sop_instance_uid,))
        kept = writer.row("SELECT 1 FROM segmentation WHERE sop_instance_uid = ?", (sop_instance_uid,))
        return kept is not None or (row is not None and bool(row["sha256"]))

    return has


def _reasons(writer: Writer) -> str:
    found = writer.rows("SELECT skipped, count(*) AS files FROM file GROUP BY skipped ORDER BY skipped")
    return " ".join(f"{row['files']} files: {row['skipped']}" for row in found)


def _make(writer: Writer, options: BuildOptions, on_progress: Progress) -> None:
    """Make the pictures and the volumes that are not there yet."""
    wanted = options.pictures if options.png else None
    stages: list[tuple[str, int, Iterable[int]]] = [
        ("pictures", pending_pictures(writer, options.png), make_pictures(writer, wanted, options.processes))
    ]
    stages.append(("volumes", pending_volumes(writer, options.nifti), make_volumes(writer, options.nifti)))
    for name, total, stage in stages:
        on_progress(name, 0, total)
        for done in stage:
            on_progress(name, done, total)


def _split(writer: Writer, options: BuildOptions) -> None:
    """Give each patient without a split one."""
    groups = linked_patients(writer)
    strata = options.stratify_by.of_patients(writer)
    rows = writer.rows("SELECT id, patient_id, stratum, split FROM patient WHERE images > 0 ORDER BY id")
    members = {
        row["id"]: Member(
            row["patient_id"],
            row["stratum"] if row["split"] else strata.get(row["id"], ""),
            row["split"],
            groups.get(row["id"], 0),
        )
        for row in rows
    }
    found = assign(members.values(), options.shares, options.seed)
    for number, member in members.items():
        if member.patient_id in found:
            writer.change(
                "UPDATE patient SET stratum = ?, split = ? WHERE id = ?",
                (member.stratum, found[member.patient_id], number),
            )
