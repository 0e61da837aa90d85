# SPDX-License-Identifier: Apache-2.0
"""Data sets: pictures, volumes and a database of the patients, studies, series and images they came from."""

from .database import Database
from .errors import (
    BusyDataset,
    DatasetError,
    EndedProcess,
    ForeignTarget,
    IncompleteDataset,
    NoLabels,
    NoRoom,
    NotADataset,
    NothingToBuild,
    NothingToExport,
    OtherOptions,
    UnreadableDataset,
)
from .records import Counts, ImageRecord, PatientRecord, PictureRecord, SeriesRecord, StudyRecord

__all__ = [
    "BusyDataset",
    "Counts",
    "Database",
    "DatasetError",
    "EndedProcess",
    "ForeignTarget",
    "ImageRecord",
    "IncompleteDataset",
    "NoLabels",
    "NoRoom",
    "NotADataset",
    "NothingToBuild",
    "NothingToExport",
    "OtherOptions",
    "PatientRecord",
    "PictureRecord",
    "SeriesRecord",
    "StudyRecord",
    "UnreadableDataset",
]
