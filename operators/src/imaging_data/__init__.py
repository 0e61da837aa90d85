# SPDX-License-Identifier: Apache-2.0
"""Files to voxels and back: DICOM instances, series and volumes.  No network, no torch, no MONAI."""

from .content import same_content
from .errors import (
    ChangedInstance,
    DuplicateInstances,
    ExplainedError,
    GantryTilt,
    ImagingDataError,
    InvalidIdentifier,
    LocalizerInSeries,
    MissingFolder,
    MissingSlices,
    MixedGeometry,
    MixedOrientation,
    NoMatchingSeries,
    NoPosition,
    NoRescale,
    NotARadiograph,
    NotAVolume,
    NotDicom,
    NoThickness,
    OverlappingPhases,
    SeveralImages,
    UnevenSpacing,
    UnreadableInstance,
    UnsupportedPixels,
    UnsupportedTransferSyntax,
    UnusableSeries,
)
from .hashing import content_sha256, file_sha256, input_hash
from .identifiers import check_uid, derive_uid
from .instances import Found, Series, SeriesInstance, check_identifiers, find_instances
from .parts import read_header
from .radiograph import Radiograph, read_radiograph
from .rule import SeriesRule
from .volume import Volume, read_volume

__all__ = [
    "ChangedInstance",
    "DuplicateInstances",
    "ExplainedError",
    "Found",
    "GantryTilt",
    "ImagingDataError",
    "InvalidIdentifier",
    "LocalizerInSeries",
    "MissingFolder",
    "MissingSlices",
    "MixedGeometry",
    "MixedOrientation",
    "NoMatchingSeries",
    "NoPosition",
    "NoRescale",
    "NoThickness",
    "NotARadiograph",
    "NotAVolume",
    "NotDicom",
    "OverlappingPhases",
    "Radiograph",
    "Series",
    "SeriesInstance",
    "SeriesRule",
    "SeveralImages",
    "UnevenSpacing",
    "UnreadableInstance",
    "UnsupportedPixels",
    "UnsupportedTransferSyntax",
    "UnusableSeries",
    "Volume",
    "check_identifiers",
    "check_uid",
    "content_sha256",
    "derive_uid",
    "file_sha256",
    "find_instances",
    "input_hash",
    "read_header",
    "read_radiograph",
    "read_volume",
    "same_content",
]
