# SPDX-License-Identifier: Apache-2.0
"""How whole folders and zips are sent: instance by instance from memory, with a count at the end.

Results of the line go by `DestinationClient`, which compares each content; here an archive is asked what it
lists of a series, and a content is compared only where the archive had an instance before.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from imaging_data import same_content

from ..config import Destination, DicomwebDestination, DimseDestination, FolderDestination
from ..durable import make_folder, write_file
from .cstore import CStore
from .folder import FolderClient
from .orthanc import open_archive
from .parcel import HoldsOther, Parcel


class Sink(Protocol):
    """One connection to a destination, of one thread.

    Both methods raise DestinationUnavailable where trying again may help, DestinationRefused where a person must
    change something first.  `proof` says by what `listed` knows.
    """

    proof: str

    def put(self, parcel: Parcel) -> None:
        """Send one instance.  Raises NotTaken when this one is refused while others may be taken."""

    def listed(self, study_instance_uid: str, series_instance_uid: str) -> set[str] | None:
        """SOPInstanceUIDs that the destination says it has of a series; None when it cannot be asked."""


def open_sink(destination: Destination, ae_title: str) -> AbstractContextManager[Sink]:
    """A connection for one thread; `ae_title` is the calling one of a "dimse" destination.

    An Orthanc is known by its answer to /system, and gets instances by its own REST.
    """
    if isinstance(destination, DicomwebDestination):
        return open_archive(destination)
    if isinstance(destination, DimseDestination):
        return CStore(destination, ae_title)
    return _folder(destination)


@contextmanager
def _folder(destination: FolderDestination) -> Iterator[Sink]:
    yield FolderSink(destination)


class FolderSink(FolderClient):
    """Files named by their UIDs, each written beside its name and renamed when it is whole."""

    proof = "the files are there"

    def put(self, parcel: Parcel) -> None:
        """Write the file; one that is there stays."""
        target = self.root / parcel.study_instance_uid / parcel.series_instance_uid
        target /= f"{parcel.sop_instance_uid}.dcm"
        with self._named_faults():
            if target.exists():
                if not same_content(parcel.content, target.read_bytes()):
                    raise HoldsOther(parcel.name)
                return
            make_folder(target.parent)
            part = target.with_name(f".{target.name}.part")
            part.unlink(missing_ok=True)
            write_file(part, parcel.content)
            part.rename(target)

    def listed(self, study_instance_uid: str, series_instance_uid: str) -> set[str] | None:
        """The files that are there."""
        with self._named_faults():
            return {
                path.stem for path in (self.root / study_instance_uid / series_instance_uid).glob("*.dcm")
            }
