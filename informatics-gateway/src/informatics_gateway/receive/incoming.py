# SPDX-License-Identifier: Apache-2.0
"""incoming/: one folder for each association, one file for each instance that came over it.

    <storage>/incoming/<association>/association.json
    <storage>/incoming/<association>/<SOPInstanceUID>.dcm       once more: <SOPInstanceUID>.2.dcm

A `.dcm` file there is a durable arrival: its bytes, its name, its folder and association.json were
synchronised before the sender had its acknowledgement.  Until then it is a `.part` file, promised to nobody.
"""

import json
import mmap
import os
import secrets
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from ..config import Source
from ..durable import make_folder, sync_folder, write_file
from ..model import Association

FOLDER = "incoming"
RECORD = "association.json"
PART = ".part"


def new_id() -> str:
    """A new association's id, in the order of time by the second."""
    return f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{secrets.token_hex(4)}"


def new_association(source: Source, calling: str, called: str, host: str) -> Association:
    """An association that begins now."""
    return Association(new_id(), source.name, calling, called, host, time.time())


class NewInstance:
    """A `.part` file in `folder` that an instance is written into; nobody else looks at it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / f"{secrets.token_hex(8)}{PART}"
        self.size = 0
        self._descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)

    def write(self, chunk: bytes | memoryview) -> None:
        """Append `chunk`.  Raises OSError, for instance when the disk is full."""
        written = os.write(self._descriptor, chunk)
        self.size += written
        if written < len(chunk):
            self.write(memoryview(chunk)[written:])

    def mapped(self) -> mmap.mmap:
        """What was written so far, to look at without copying it."""
        return mmap.mmap(self._descriptor, self.size, prot=mmap.PROT_READ)

    def sync(self) -> None:
        """Make the bytes durable and end writing."""
        os.fsync(self._descriptor)
        self.close()

    def close(self) -> None:
        """End writing."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def discard(self) -> None:
        """Take the file away."""
        self.close()
        self.path.unlink(missing_ok=True)


class AssociationFolder:
    """The folder of one association, made with its first instance.  For one thread."""

    def __init__(self, storage: Path, association: Association) -> None:
        self.path = storage / FOLDER / association.id
        self._association = association
        self._descriptor = -1
        self._arrived: Counter[str] = Counter()

    def new_instance(self) -> NewInstance:
        """A file for the next instance."""
        if self._descriptor < 0:
            self._make()
        return NewInstance(self.path)

    def copy(self, path: Path) -> NewInstance:
        """A new instance with the bytes of the file at `path`."""
        instance = self.new_instance()
        with path.open("rb") as file:
            while piece := file.read(2**20):
                instance.write(piece)
        return instance

    def _make(self) -> None:
        make_folder(self.path)
        write_file(self.path / RECORD, json.dumps(asdict(self._association)).encode())
        self._descriptor = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def keep(self, instance: NewInstance, sop_instance_uid: str) -> Path:
        """Make `instance` a durable arrival under this checked UID; afterwards it may be acknowledged."""
        instance.sync()
        self._arrived[sop_instance_uid] += 1
        again = self._arrived[sop_instance_uid]
        path = self.path / (f"{sop_instance_uid}.{again}.dcm" if again > 1 else f"{sop_instance_uid}.dcm")
        instance.path.rename(path)
        os.fsync(self._descriptor)
        return path

    def close(self) -> None:
        """The association has ended."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def pending(storage: Path) -> Iterator[tuple[Association, list[Path]]]:
    """What a gateway that has ended left in incoming/: associations with their arrivals, in order of time.

    Takes `.part` files and folders without arrivals away: nobody had an acknowledgement for them.  Only for a
    start, while no Receiver runs on `storage`.
    """
    for folder in sorted((storage / FOLDER).glob("*/")):
        for part in folder.glob(f"*{PART}"):
            part.unlink()
        arrivals = sorted(folder.glob("*.dcm"), key=lambda path: path.stat().st_mtime_ns)
        if arrivals:
            yield Association(**json.loads((folder / RECORD).read_bytes())), arrivals
        else:
            _remove(folder)


def remove_association(storage: Path, association: Association) -> None:
    """Remove the folder of an association that is over, unless arrivals still lie in it."""
    folder = storage / FOLDER / association.id
    if folder.is_dir() and not any(folder.glob("*.dcm")):
        _remove(folder)


def _remove(folder: Path) -> None:
    (folder / RECORD).unlink(missing_ok=True)
    folder.rmdir()
    sync_folder(folder.parent)
