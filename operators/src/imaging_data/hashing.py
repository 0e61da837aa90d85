# SPDX-License-Identifier: Apache-2.0
"""SHA-256 of files, of input sets and of what a DICOM object says."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

from pydicom import DataElement, Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.multival import MultiValue

WELL_KNOWN = "1.2.840.10008."  # the root of the Standard's own UIDs (PS3.6 Annex A)
MASKED = {"DA", "TM", "DT"}


def file_sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of the file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def input_hash(sha256s: Iterable[str]) -> str:
    """The hash of an input set: SHA-256 of the sorted hexadecimal hashes of its files, joined by newlines.

    The order of the files does not matter; how often one is there does.
    """
    return hashlib.sha256("\n".join(sorted(sha256s)).encode()).hexdigest()


def content_sha256(dataset: Dataset) -> str:
    """SHA-256 of what `dataset` says, with UIDs, dates and times masked, pixel data included.

    UIDs of the Standard itself (SOP classes, transfer syntaxes, coding schemes) count; all others, and every
    value of VR DA, TM or DT, are emptied.  File meta information, group lengths and trailing padding do not
    count.  Each element is hashed as Explicit VR Little Endian encodes it (PS3.5 section 7), so an object in
    memory and the same one read back have one hash.
    """
    buffer = DicomBytesIO()
    buffer.is_implicit_VR, buffer.is_little_endian = False, True
    encoding = dataset.original_character_set
    write_dataset(buffer, _masked(dataset), encoding if isinstance(encoding, str) else list(encoding))
    return hashlib.sha256(buffer.getvalue()).hexdigest()


def _masked(dataset: Dataset) -> Dataset:
    masked = Dataset()
    for element in dataset:
        if element.tag.element != 0 and element.tag.group not in (0x0002, 0xFFFC):
            masked[element.tag] = _masked_element(element)
    return masked


def _masked_element(element: DataElement) -> DataElement:
    if element.VR == "SQ":
        return DataElement(element.tag, "SQ", [_masked(item) for item in element.value])
    if element.VR == "UI":
        return DataElement(element.tag, "UI", [uid for uid in _uids(element) if uid.startswith(WELL_KNOWN)])
    return DataElement(element.tag, element.VR, None) if element.VR in MASKED else element


def _uids(element: DataElement) -> list[str]:
    if isinstance(element.value, MultiValue):
        return list(element.value)
    return [element.value] if element.value else []
