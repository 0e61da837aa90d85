# SPDX-License-Identifier: Apache-2.0
"""Find the DICOM instances of a folder and group them into series."""

import hashlib
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from pydicom import Dataset
from pydicom.uid import MediaStorageDirectoryStorage

from .errors import ChangedInstance, MissingFolder, NotDicom, naming
from .files import read_file
from .hashing import input_hash
from .head import Head, read_head
from .identifiers import check_uid
from .parts import Parts
from .threads import in_threads
from .values import numbers_of, text_of

IDENTIFIERS = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")
OTHER_CONTENT = "It was read with another content before."


@dataclass(frozen=True, eq=False)
class SeriesInstance:
    """One instance of a series: its file, and its attributes without pixel data.

    Its file is hashed when its pixels are read, from the bytes that they are taken from, else when `sha256` is
    asked for.  So each byte is read once, and the hash is of what was used: the attributes were read before, and
    the bytes that say them are compared by a hash of their own.
    """

    path: Path
    head: Head
    _found: dict[str, str] = field(default_factory=dict, repr=False)  # what the first reading found

    @property
    def dataset(self) -> Dataset:
        """Its attributes without pixel data."""
        return self.head.parts.dataset

    @property
    def sha256(self) -> str:
        """Hexadecimal SHA-256 of the file's bytes.  Raises ChangedInstance and UnreadableInstance as `read`."""
        if not self._found:
            with naming(self.path.name):
                self.read()
        return self._found["sha256"]

    @property
    def sop_instance_uid(self) -> str:
        """Its SOPInstanceUID."""
        return str(self.dataset.SOPInstanceUID)

    def read(self) -> Parts:
        """The file with its pixel data: the bytes whose hash is `sha256`, now and ever after.

        Raises ChangedInstance when they do not begin as they did when the attributes were read, or have
        another hash than at the last reading, or the file was written since; UnreadableInstance.
        """
        content = self._content()
        found = hashlib.sha256(content).hexdigest()
        if self._found.setdefault("sha256", found) != found:
            raise ChangedInstance(OTHER_CONTENT)
        return self.head.whole(content)

    def read_unhashed(self) -> Parts:
        """As `read`, for those who keep no record of what they read: `sha256` is not taken, nor compared."""
        return self.head.whole(self._content())

    def _content(self) -> bytes:
        content, state = read_file(self.path)
        if not self.head.begins(content) or state != self.head.state:
            raise ChangedInstance(OTHER_CONTENT)
        return content


@dataclass(frozen=True, eq=False)
class Series:
    """The instances with one StudyInstanceUID and SeriesInstanceUID, by InstanceNumber and SOPInstanceUID."""

    study_instance_uid: str
    series_instance_uid: str
    instances: tuple[SeriesInstance, ...]

    @property
    def datasets(self) -> list[Dataset]:
        """The attributes of each instance, without pixel data."""
        return [instance.dataset for instance in self.instances]

    @property
    def input_hash(self) -> str:
        """The hash of the bytes that were read (`hashing.input_hash`)."""
        return input_hash(instance.sha256 for instance in self.instances)


@dataclass(frozen=True)
class Found:
    """What a folder holds: its series, and the files that are not DICOM instances."""

    series: list[Series]
    skipped: list[Path]


def check_identifiers(dataset: Dataset) -> None:
    """Raise InvalidIdentifier, naming the attribute, when one of the four UIDs is missing or malformed."""
    for keyword in IDENTIFIERS:
        check_uid(text_of(dataset, keyword), keyword)


def find_instances(folder: Path) -> Found:
    """All DICOM instances in `folder` and below (or the one file), grouped into series.

    Files that are not DICOM, and a DICOMDIR, are skipped and listed.  Raises MissingFolder;
    UnreadableInstance for a DICOM file that is damaged or cut off and InvalidIdentifier for one without sound
    UIDs, because to leave one out in silence would change the series.
    """
    if not folder.exists():
        raise MissingFolder(f"{folder}")
    skipped: list[Path] = []
    groups: dict[tuple[str, str], list[SeriesInstance]] = defaultdict(list)
    paths = _files(folder)
    for path, instance in zip(paths, in_threads(_read_if_dicom, paths), strict=True):
        if instance is None:
            skipped.append(path)
        else:
            dataset = instance.dataset
            groups[str(dataset.StudyInstanceUID), str(dataset.SeriesInstanceUID)].append(instance)
    return Found([Series(*key, tuple(sorted(groups[key], key=_order))) for key in sorted(groups)], skipped)


def _files(folder: Path) -> list[Path]:
    return [folder] if folder.is_file() else sorted(path for path in folder.rglob("*") if path.is_file())


def _read_if_dicom(path: Path) -> SeriesInstance | None:
    try:
        return read_instance(path)
    except NotDicom:
        return None


def read_instance(path: Path) -> SeriesInstance:
    """One instance, its header read.  Raises as `find_instances`, and NotDicom."""
    with naming(path.name):
        head = read_head(path)
        dataset = head.parts.dataset
        if text_of(dataset.file_meta, "MediaStorageSOPClassUID") == MediaStorageDirectoryStorage:
            raise NotDicom("A DICOMDIR is no instance.")
        check_identifiers(dataset)
        return SeriesInstance(path, head)


def _order(instance: SeriesInstance) -> tuple[float, str]:
    number = numbers_of(instance.dataset, "InstanceNumber", 1)
    return number[0] if number else float("inf"), instance.sop_instance_uid
