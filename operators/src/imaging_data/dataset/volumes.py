# SPDX-License-Identifier: Apache-2.0
"""The series of a data set as NIfTI volumes."""

from collections.abc import Iterator
from pathlib import Path

from ..convert.nifti_files import write_layout
from ..convert.stored import layout_of
from ..errors import ImagingDataError
from ..hashing import file_sha256
from ..instances import Series, read_instance
from ..threads import in_threads
from .errors import NoRoom
from .writer import Writer

FOLDER = "volumes"
PENDING = "volume = '' AND no_volume = ''"


def count_pending(writer: Writer) -> int:
    """How many series are still to be looked at."""
    row = writer.row(f"SELECT count(*) AS series FROM series WHERE {PENDING}")
    return int(row["series"]) if row else 0


def make_volumes(writer: Writer) -> Iterator[int]:
    """Write each series that has none yet as NIfTI, and yield how many are done.

    A series that is no volume is written down with the reason.  Raises NoRoom when a file cannot be written.
    """
    pending = writer.rows(
        "SELECT series.id, series_instance_uid, study_instance_uid FROM series JOIN study ON study.id = study"
        f" WHERE {PENDING} ORDER BY series.id"
    )
    for done, row in enumerate(pending, start=1):
        paths = writer.rows("SELECT path FROM image WHERE series = ? ORDER BY ordinal, id", (row["id"],))
        name = f"{FOLDER}/{row['series_instance_uid']}.nii.gz"
        no_volume = ""
        try:
            series = read_series(
                row["study_instance_uid"], row["series_instance_uid"], [Path(one["path"]) for one in paths]
            )
            sha256 = _write(series, writer.folder / name)
        except ImagingDataError as error:
            name, sha256, no_volume = "", "", f"{error.sentence} {error.detail}".strip()
        except OSError as error:
            raise NoRoom(f"{writer.folder / name}: {error.strerror}.") from error
        with writer.transaction():
            writer.change(
                "UPDATE series SET volume = ?, volume_sha256 = ?, no_volume = ? WHERE id = ?",
                (name, sha256, no_volume, row["id"]),
            )
        yield done


def read_series(study_instance_uid: str, series_instance_uid: str, paths: list[Path]) -> Series:
    """The series of these files.  Raises as `imaging_data.instances.read_instance`."""
    return Series(study_instance_uid, series_instance_uid, tuple(in_threads(read_instance, paths)))


def _write(series: Series, path: Path) -> str:
    """Write the volume, whole or not at all; returns its SHA-256."""
    layout = layout_of(series)
    path.parent.mkdir(exist_ok=True)
    partial = path.with_name(f"partial-{path.name}")
    partial.unlink(missing_ok=True)
    write_layout(layout, partial)
    sha256 = file_sha256(partial)
    partial.replace(path)
    return sha256
