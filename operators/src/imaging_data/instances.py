# SPDX-License-Identifier: Apache-2.0
"""Find the DICOM instances of a folder and group them into series."""

import hashlib
import io
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from pydicom import Dataset, dcmread
from pydicom.errors import InvalidDicomError

from .errors import InvalidIdentifier, NotDicom
from .hashing import input_hash
from .identifiers import check_uid

IDENTIFIERS = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")


@dataclass(frozen=True, eq=False)
class SeriesInstance:
    """One instance of a series: its file, its attributes without pixel data, the hash of the file's bytes."""

    path: Path
    dataset: Dataset
    sha256: str

    @property
    def sop_instance_uid(self) -> str:
        return str(self.dataset.SOPInstanceUID)


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


def read_header(source: Path | BinaryIO) -> Dataset:
    """The attributes of one instance without its pixel data, with `file_meta` where the file has it."""
    file = io.BytesIO(source.read_bytes()) if isinstance(source, Path) else source
    try:
        return dcmread(file, stop_before_pixels=True, force=False)
    except InvalidDicomError as error:
        raise NotDicom(str(source)) from error


def check_identifiers(dataset: Dataset) -> None:
    """Raise InvalidIdentifier, naming the attribute, when one of the four UIDs is missing or malformed."""
    for keyword in IDENTIFIERS:
        check_uid(str(dataset.get(keyword) or ""), keyword)


def find_instances(folder: Path) -> Found:
    """All DICOM instances in `folder` and below, grouped into series."""
    skipped: list[Path] = []
    groups: dict[tuple[str, str], list[SeriesInstance]] = defaultdict(list)
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        try:
            instance = _read_instance(path)
        except NotDicom:
            skipped.append(path)
            continue
        dataset = instance.dataset
        groups[dataset.StudyInstanceUID, dataset.SeriesInstanceUID].append(instance)
    return Found([Series(*key, tuple(sorted(groups[key], key=_order))) for key in sorted(groups)], skipped)


def _read_instance(path: Path) -> SeriesInstance:
    content = path.read_bytes()
    dataset = read_header(io.BytesIO(content))
    try:
        check_identifiers(dataset)
    except InvalidIdentifier as error:
        raise InvalidIdentifier(f"{path.name}: {error.detail}") from error
    return SeriesInstance(path, dataset, hashlib.sha256(content).hexdigest())


def _order(instance: SeriesInstance) -> tuple[float, str]:
    number = instance.dataset.get("InstanceNumber")
    return float("inf") if number is None else int(number), instance.sop_instance_uid
