# SPDX-License-Identifier: Apache-2.0
"""Receive: DICOM instances from known sources, durable before they are acknowledged.

The sender of an instance may forget it once it has the status 0x0000 (Success).  So its bytes, its name and
the association that brought it are on disk by then (`incoming`); the journal follows later.
"""

import hashlib
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pynetdicom
from pydicom import Dataset

from imaging_data import read_header

from .. import quarantine
from ..config import Config
from ..durable import make_folder
from ..errors import RefusedInstance
from ..model import Association, Identity, Instance
from .check import check_file
from .gate import Gate
from .incoming import FOLDER, AssociationFolder, new_id, pending, remove_association
from .reception import Listener
from .stock import StockServer
from .streaming import StreamingServer

__all__ = [
    "Listener",
    "Receiver",
    "pending",
    "read_instance",
    "release_from_quarantine",
    "remove_association",
]

TRIED_WITH = "3.0.4"  # pynetdicom
STOPS_WITHIN_S = 10


def server_class() -> type[StreamingServer | StockServer]:
    """The server to run: pynetdicom's own under a version that the streaming one was not tried with."""
    return StreamingServer if pynetdicom.__version__ == TRIED_WITH else StockServer


class Receiver:
    """The listening AE: C-STORE and C-ECHO from the configured sources (PS3.4 Annexes A and B)."""

    def __init__(self, config: Config, listener: Listener) -> None:
        self._config, self._gate = config, Gate(config, listener)
        self._server: StockServer | StreamingServer | None = None

    def start(self) -> None:
        """Listen.  Raises OSError when the port is taken."""
        make_folder(self._config.storage.path / FOLDER)
        quarantine.tidy(self._config.storage.path)
        self._server = server_class()(self._config.dicom, self._gate)

    @property
    def port(self) -> int:
        """The TCP port it listens on, also when the configuration says 0."""
        return self._server.port if self._server else self._config.dicom.port

    def stop(self) -> None:
        """Stop listening and abort what is open; every arrival that was acknowledged is durable."""
        if self._server:
            self._server.stop()
            self._gate.wait_until_empty(STOPS_WITHIN_S)
            self._server = None


def read_instance(path: Path) -> Instance:
    """The facts of one arrival, with the hash of its bytes; the bytes of its pixels are not decoded."""
    content = path.read_bytes()
    header = read_header(content)
    return Instance(
        sop_instance_uid=str(header.SOPInstanceUID),
        sop_class_uid=str(header.SOPClassUID),
        series_instance_uid=str(header.SeriesInstanceUID),
        identity=Identity(
            _text(header, "PatientID"),
            _text(header, "IssuerOfPatientID"),
            _text(header, "PatientName"),
            str(header.StudyInstanceUID),
        ),
        path=path,
        sha256=hashlib.sha256(content).hexdigest(),
        instance_number=_number(header),
        image_position=_position(header),
        image_orientation=_decimals(header, "ImageOrientationPatient", 6),
    )


def release_from_quarantine(storage: Path, entry_id: str) -> tuple[Association, Path]:
    """Check a quarantined instance again and, when it passes, let it arrive as its association brought it.

    Returns the association, under a new id, and the arrival; afterwards the entry is gone.  Raises what is
    still wrong (RefusedInstance or ImagingDataError), and NoSuchEntry.
    """
    entry = quarantine.show(storage, entry_id)
    if entry.kind != "instance" or entry.association is None:
        raise RefusedInstance(
            f"{entry_id} is a series, whose instances are stored.",
            "Assembling it decides, not receiving.",
        )
    path = quarantine.object_path(storage, entry_id)
    sop_instance_uid = check_file(path)
    association = replace(entry.association, id=new_id())
    with closing(AssociationFolder(storage, association)) as folder:
        arrived = folder.keep(folder.copy(path), sop_instance_uid)
    quarantine.remove(storage, entry_id)
    return association, arrived


def _text(header: Dataset, keyword: str) -> str:
    return str(header.get(keyword) or "")


def _number(header: Dataset) -> int | None:
    try:
        return int(header.InstanceNumber)
    except (AttributeError, TypeError, ValueError):  # absent, empty, or not a number
        return None


def _position(header: Dataset) -> tuple[float, float, float] | None:
    values = _decimals(header, "ImagePositionPatient", 3)
    return (values[0], values[1], values[2]) if values else None


def _decimals(header: Dataset, keyword: str, count: int) -> tuple[float, ...] | None:
    try:
        values = tuple(float(value) for value in header[keyword].value)
    except (KeyError, TypeError, ValueError):
        return None
    return values if len(values) == count else None
