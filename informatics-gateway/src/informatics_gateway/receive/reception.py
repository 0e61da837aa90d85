# SPDX-License-Identifier: Apache-2.0
"""One association's instances: written while they come in, checked, made durable, then answered."""

import logging
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from imaging_data import ImagingDataError

from .. import quarantine
from ..errors import RefusedInstance
from ..model import Association, Refusal
from .check import check_encoded
from .file_format import Head
from .incoming import AssociationFolder, NewInstance

logger = logging.getLogger("gantry.receive")

SUCCESS, OUT_OF_RESOURCES, CANNOT_UNDERSTAND = 0x0000, 0xA700, 0xC000  # PS3.4 Table B.2-1


class Listener(Protocol):
    """Is told what happens.  Called from the receiver's threads, so each call must be quick."""

    def arrived(self, association: Association, path: Path) -> None:
        """An instance is durable at `path`, in incoming/, and is acknowledged next."""

    def ended(self, association: Association, released: bool) -> None:
        """An association is over, also one that brought nothing; not `released` when aborted or lost."""

    def refused(self, refusal: Refusal) -> None:
        """An association was rejected, or its instances are refused for want of room."""


@dataclass(frozen=True)
class Limits:
    """What is taken at most."""

    reserve_bytes: float
    max_instance_bytes: int


class Reception:
    """Takes the instances of one association, one after the other.  For one thread."""

    def __init__(self, storage: Path, limits: Limits, association: Association, listener: Listener) -> None:
        self.storage, self.limits, self.association, self.listener = storage, limits, association, listener
        self.folder = AssociationFolder(storage, association)
        self._told: set[str] = set()

    def begin(self, sop_class_uid: str, sop_instance_uid: str, transfer_syntax: str) -> "Transfer":
        """A C-STORE-RQ was received; its data set follows."""
        return Transfer(self, Head(sop_class_uid, sop_instance_uid, transfer_syntax))

    def end(self, released: bool) -> None:
        """The association is over."""
        self.folder.close()
        self.listener.ended(self.association, released)

    def no_room(self, reason: str, hint: str) -> None:
        """Instances are refused for want of room: told once an association, not once an instance."""
        if hint in self._told:
            return
        self._told.add(hint)
        sender = self.association
        logger.warning("association %s: %s %s", sender.id, reason, hint)
        self.listener.refused(
            Refusal(sender.calling_ae_title, sender.called_ae_title, sender.host, reason, hint, time.time())
        )


class Transfer:
    """One instance on its way in: `write` each piece of the data set, then `finish`, which says the status.

    What is refused early is still read to its end, as the protocol wants, but not written.
    """

    def __init__(self, reception: Reception, head: Head) -> None:
        self._reception, self._announced, self._head = reception, head, head.encoded()
        self._file: NewInstance | None = None
        if self._has_room():
            self._open()

    def _has_room(self) -> bool:
        free = shutil.disk_usage(self._reception.storage).free
        reserve = self._reception.limits.reserve_bytes
        if free < reserve:
            self._refuse(
                f"The disk has {free / 1e9:.1f} GB free, less than [storage] reserve_gb = {reserve / 1e9:g}.",
                "Make room in the storage folder; receiving goes on by itself.",
            )
        return free >= reserve

    def _open(self) -> None:
        try:
            self._file = self._reception.folder.new_instance()
        except OSError as error:
            self._disk_failed(error)
        self.write(self._head)

    def write(self, piece: bytes | memoryview) -> None:
        """Append a piece of the data set."""
        if self._file is None:
            return
        try:
            self._file.write(piece)
        except OSError as error:
            self._disk_failed(error)
        else:
            self._check_size(self._file.size)

    def _check_size(self, size: int) -> None:
        limit = self._reception.limits.max_instance_bytes
        if size > limit:
            self._refuse(
                f"An instance is larger than [dicom] max_instance_mb = {limit / 1e6:g}.",
                "Raise it in the configuration if such instances are wanted.",
            )

    def _disk_failed(self, error: OSError) -> None:
        self._refuse(f"Writing an instance failed: {error.strerror}.", "See to the disk of [storage] path.")

    def _refuse(self, reason: str, hint: str) -> None:
        self.abandon()
        self._reception.no_room(reason, hint)

    def abandon(self) -> None:
        """The instance does not come in: nothing of it stays."""
        if self._file is not None:
            self._file.discard()
            self._file = None

    def finish(self) -> int:
        """The data set is complete: keep it; returns the status of the response (PS3.4 Table B.2-1)."""
        if self._file is None:
            return OUT_OF_RESOURCES
        try:
            return self._keep(self._file)
        except (RefusedInstance, ImagingDataError) as error:
            return self._quarantine(self._file, error)
        except OSError as error:
            self._disk_failed(error)
            return OUT_OF_RESOURCES

    def _keep(self, file: NewInstance) -> int:
        with file.mapped() as encoded:
            limit = self._reception.limits.max_instance_bytes
            sop_instance_uid = check_encoded(encoded, self._announced, len(self._head), limit)
        path = self._reception.folder.keep(file, sop_instance_uid)
        self._file = None
        self._reception.listener.arrived(self._reception.association, path)
        return SUCCESS

    def _quarantine(self, file: NewInstance, error: RefusedInstance | ImagingDataError) -> int:
        reception, self._file = self._reception, None
        file.sync()
        entry = quarantine.keep_instance(
            reception.storage, file.path, str(error), error.hint, reception.association
        )
        logger.warning("association %s: quarantine %s: %s", reception.association.id, entry, error)
        return CANNOT_UNDERSTAND
