# SPDX-License-Identifier: Apache-2.0
"""What a conversion made, and what it left out."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class ConvertedSeries:
    """A series that was made.  files: their names, in the order of InstanceNumber."""

    study_instance_uid: str
    series_instance_uid: str
    sop_class_uid: str
    modality: str
    files: tuple[str, ...]


@dataclass(frozen=True)
class Skipped:
    """A file or series that was left out, and why.  name: its file name or its UID."""

    name: str
    reason: str


@dataclass(frozen=True)
class Converted:
    """The series that were converted, the files that were made of them, and what was left out.

    notes: sentences about what is not certain.
    """

    series: tuple[ConvertedSeries, ...]
    files: tuple[Path, ...]
    skipped: tuple[Skipped, ...]
    notes: tuple[str, ...] = ()
