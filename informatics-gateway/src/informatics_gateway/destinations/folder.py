# SPDX-License-Identifier: Apache-2.0
"""DICOM files in a folder: <study>/<series>/<instance>.dcm, named by their UIDs."""

import errno
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from imaging_data import InvalidIdentifier, check_uid, same_content

from ..config import FolderDestination
from ..durable import make_folder, sync_folder, write_file
from ..errors import DestinationRefused, DestinationUnavailable
from ..model import Result
from . import Holding
from .files import header

# A person must act before these go away; everything else (full, timed out, unmounted) may pass.
LASTING = {
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.EEXIST,
    errno.ENOTDIR,
    errno.EISDIR,
    errno.ENAMETOOLONG,
}


class FolderClient:
    """Writes beside the final name, fsyncs, renames: a file under its final name is whole."""

    def __init__(self, destination: FolderDestination) -> None:
        self.name = destination.name
        self.root = destination.path

    def ask(self, results: Sequence[Result]) -> dict[str, Holding]:
        """Compares the files that are there."""
        with self._named_faults():
            return {result.sop_instance_uid: self._holding(result) for result in results}

    def send(self, results: Sequence[Result], on_sent: Callable[[Result], None]) -> None:
        """Writes the files that are not there.  One that is there stays as it is: asking tells of its content."""
        with self._named_faults():
            for result in results:
                self._write(result)
                on_sent(result)

    def _holding(self, result: Result) -> Holding:
        target = self._target(result)
        if not target.exists():
            return Holding("missing")
        same = same_content(result.path.read_bytes(), target.read_bytes())
        return Holding("same" if same else "other", "the file was read and compared")

    def _target(self, result: Result) -> Path:
        study = str(header(result.path).get("StudyInstanceUID", ""))
        try:
            return (
                self.root
                / check_uid(study, "StudyInstanceUID")
                / check_uid(result.series_instance_uid, "SeriesInstanceUID")
                / f"{check_uid(result.sop_instance_uid, 'SOPInstanceUID')}.dcm"
            )
        except InvalidIdentifier as error:
            raise DestinationRefused(f"{self.name}: {error}") from error

    def _write(self, result: Result) -> None:
        target = self._target(result)
        if target.exists():
            return
        make_folder(target.parent)
        part = target.with_name(f".{target.name}.part")  # one name, so a killed delivery leaves no litter
        part.unlink(missing_ok=True)
        write_file(part, result.path.read_bytes())
        part.rename(target)
        sync_folder(target.parent)

    @contextmanager
    def _named_faults(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            kind = DestinationRefused if error.errno in LASTING else DestinationUnavailable
            raise kind(f"{self.name}: {error.strerror or error} ({self.root}).") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing is held open."""
