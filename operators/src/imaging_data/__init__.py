# SPDX-License-Identifier: Apache-2.0
"""Files to voxels and back: DICOM instances, series and volumes.  No network, no torch, no MONAI.

Names are loaded when they are first used, so a gateway that needs SeriesRule does not load the voxel code.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .errors import (
        ChangedInstance,
        DuplicateInstances,
        GantryTilt,
        ImagingDataError,
        InvalidIdentifier,
        LocalizerInSeries,
        MissingSlices,
        MixedGeometry,
        MixedOrientation,
        NoMatchingSeries,
        NoPosition,
        NoRescale,
        NotAVolume,
        NotDicom,
        NoThickness,
        OverlappingPhases,
        UnevenSpacing,
        UnreadableInstance,
        UnsupportedPixels,
        UnsupportedTransferSyntax,
    )
    from .hashing import content_sha256, file_sha256, input_hash
    from .identifiers import check_uid, derive_uid
    from .instances import Found, Series, SeriesInstance, check_identifiers, find_instances, read_header
    from .rule import SeriesRule
    from .volume import Volume, read_volume

_HOME = {
    "errors": (
        "ChangedInstance DuplicateInstances GantryTilt ImagingDataError InvalidIdentifier LocalizerInSeries "
        "MissingSlices MixedGeometry MixedOrientation NoMatchingSeries NoPosition NoRescale NotAVolume "
        "NotDicom NoThickness OverlappingPhases UnevenSpacing UnreadableInstance UnsupportedPixels "
        "UnsupportedTransferSyntax"
    ),
    "hashing": "content_sha256 file_sha256 input_hash",
    "identifiers": "check_uid derive_uid",
    "instances": "Found Series SeriesInstance check_identifiers find_instances read_header",
    "rule": "SeriesRule",
    "volume": "Volume read_volume",
}
_MODULES = {name: module for module, names in _HOME.items() for name in names.split()}

__all__ = [
    "ChangedInstance",
    "DuplicateInstances",
    "Found",
    "GantryTilt",
    "ImagingDataError",
    "InvalidIdentifier",
    "LocalizerInSeries",
    "MissingSlices",
    "MixedGeometry",
    "MixedOrientation",
    "NoMatchingSeries",
    "NoPosition",
    "NoRescale",
    "NoThickness",
    "NotAVolume",
    "NotDicom",
    "OverlappingPhases",
    "Series",
    "SeriesInstance",
    "SeriesRule",
    "UnevenSpacing",
    "UnreadableInstance",
    "UnsupportedPixels",
    "UnsupportedTransferSyntax",
    "Volume",
    "check_identifiers",
    "check_uid",
    "content_sha256",
    "derive_uid",
    "file_sha256",
    "find_instances",
    "input_hash",
    "read_header",
    "read_volume",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'imaging_data' has no attribute {name!r}")
    return getattr(import_module(f".{_MODULES[name]}", __name__), name)
