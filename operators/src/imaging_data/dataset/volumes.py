# SPDX-License-Identifier: Apache-2.0
"""Where the slices of each series lie, and the series as NIfTI volumes."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..convert.from_dicom.nifti import write_layout
from ..convert.from_dicom.stored import Layout, layout_of
from ..errors import ImagingDataError
from ..hashing import file_sha256
from ..instances import Series, SeriesInstance, read_instance
from ..threads import in_threads
from ..whole import renewed
from .diffusion import gradients_of
from .errors import NoRoom
from .facts import check_unchanged
from .pictures import is_whole
from .writer import Writer

FOLDER = "volumes"
PENDING = (
    "no_volume = '' AND ((:nifti AND volume = '') OR (grid = '' AND EXISTS (SELECT 1 FROM segmentation"
    " WHERE segmentation.series_instance_uid = series.series_instance_uid)))"
)


def count_pending(writer: Writer, nifti: bool) -> int:
    """How many series are still to be looked at."""
    row = writer.row(f"SELECT count(*) AS series FROM series WHERE {PENDING}", {"nifti": nifti})
    return int(row["series"]) if row else 0


def make_volumes(writer: Writer, nifti: bool) -> Iterator[int]:
    """Write down the grid of each series that is to be a volume or was segmented; yields how many are done.

    nifti: write every series as a volume.  A series that is no volume is written down with the reason.  Raises
    NoRoom when a file cannot be written.
    """
    pending = writer.rows(
        "SELECT series.id, series_instance_uid, study_instance_uid FROM series JOIN study ON study.id = study"
        f" WHERE {PENDING} ORDER BY series.id",
        {"nifti": nifti},
    )
    for done, row in enumerate(pending, start=1):
        layout, name = None, ""
        changes = {"grid": "", "volume": "", "volume_sha256": "", "no_volume": ""}
        try:
            layout = layout_of(Series(*_uids(row), tuple(in_threads(_instance, _images(writer, row)))))
            changes["grid"] = _in_words(layout)
            if nifti:
                name = f"{FOLDER}/{row['series_instance_uid']}.nii.gz"
                changes["volume_sha256"] = _write(layout, writer.folder / name)
                changes["volume"] = name
        except ImagingDataError as error:
            changes["no_volume"] = f"{error.sentence}\n{error.detail}".strip()
        except OSError as error:
            raise NoRoom(f"{writer.folder / name}: {error.strerror}.") from error
        with writer.transaction():
            _write_down(writer, row["id"], changes, layout)
        yield done


def forget_damaged(writer: Writer) -> None:
    """Forget volumes that are not on the disk as they were written, as after a power cut; they are made again."""
    rows = writer.rows("SELECT id, volume, volume_sha256 FROM series WHERE volume != ''")
    whole = in_threads(lambda row: is_whole(writer.folder / row["volume"], row["volume_sha256"]), rows)
    with writer.transaction():
        for row in (row for row, same in zip(rows, whole, strict=True) if not same):
            writer.change("UPDATE series SET volume = '', volume_sha256 = '' WHERE id = ?", (row["id"],))


def _uids(row: Any) -> tuple[str, str]:
    return row["study_instance_uid"], row["series_instance_uid"]


def _images(writer: Writer, row: Any) -> list[Any]:
    sql = "SELECT path, sop_instance_uid FROM image WHERE series = ? ORDER BY ordinal, id"
    return writer.rows(sql, (row["id"],))


def _instance(image: Any) -> SeriesInstance:
    instance = read_instance(Path(image["path"]))
    check_unchanged(instance.dataset, image["sop_instance_uid"])
    return instance


def _in_words(layout: Layout) -> str:
    """A grid as JSON: shape (slices, rows, columns), affine to LPS mm, how many volumes share it, their gradients."""
    grid = layout.grid
    said = {"shape": list(grid.shape), "affine": grid.affine.tolist(), "volumes": layout.volumes}
    if gradients := gradients_of(layout):
        said["gradients"] = gradients
    return json.dumps(said)


def _write(layout: Layout, path: Path) -> str:
    """Write the volume, whole or not at all; returns its SHA-256."""
    path.parent.mkdir(exist_ok=True)
    with renewed(path) as partial:
        write_layout(layout, partial)
        return file_sha256(partial)


def _write_down(writer: Writer, series: int, changes: dict[str, str], layout: Layout | None) -> None:
    sets = ", ".join(f"{name} = ?" for name in changes)
    writer.change(f"UPDATE series SET {sets} WHERE id = ?", (*changes.values(), series))
    writer.change("DELETE FROM slice WHERE series = ?", (series,))
    if layout is None or changes["no_volume"]:
        return
    images = writer.rows("SELECT id, sop_instance_uid FROM image WHERE series = ?", (series,))
    numbers = {row["sop_instance_uid"]: row["id"] for row in images}
    for place, one in enumerate(layout.slices):
        image = numbers[one.instance.sop_instance_uid]
        writer.add(
            "slice", series=series, place=place % layout.grid.shape[0], image=image, frame=one.frame - 1
        )
