# SPDX-License-Identifier: Apache-2.0
"""What sending and asking need to know of a file."""

from pathlib import Path

from pydicom import Dataset, dcmread

PREAMBLE = 128


def header(path: Path) -> Dataset:
    """StudyInstanceUID and file meta information of a result."""
    return dcmread(path, specific_tags=["StudyInstanceUID"])


def is_dicom(file: bytes) -> bool:
    """Whether the bytes begin as a DICOM file does (PS3.10 section 7.1)."""
    return file[PREAMBLE : PREAMBLE + 4] == b"DICM"
