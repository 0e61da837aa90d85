# SPDX-License-Identifier: Apache-2.0
"""Files of other formats to DICOM, and DICOM to them; volumes and segmentations to and from arrays."""

from .attributes import Attributes
from .converted import Converted
from .from_dicom.conversion import FromDicom, convert_from_dicom
from .from_dicom.stored import layout_of
from .labels.layers import Code, LabelledSegment, Labels, labels_of
from .labels.segmentations import read_segmentation
from .labels.to_segmentation import ToSegmentation, labels_to_seg, segmentation_dataset
from .to_dicom.conversion import ToDicom, convert_to_dicom
from .volumes import (
    from_monai,
    from_nifti,
    from_numpy,
    from_simpleitk,
    from_xarray,
    to_monai,
    to_nifti,
    to_simpleitk,
    to_xarray,
)

__all__ = [
    "Attributes",
    "Code",
    "Converted",
    "FromDicom",
    "LabelledSegment",
    "Labels",
    "ToDicom",
    "ToSegmentation",
    "convert_from_dicom",
    "convert_to_dicom",
    "from_monai",
    "from_nifti",
    "from_numpy",
    "from_simpleitk",
    "from_xarray",
    "labels_of",
    "labels_to_seg",
    "layout_of",
    "read_segmentation",
    "segmentation_dataset",
    "to_monai",
    "to_nifti",
    "to_simpleitk",
    "to_xarray",
]
