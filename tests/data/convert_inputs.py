# SPDX-License-Identifier: Apache-2.0
"""Files to convert to DICOM, and what is looked at in the result."""

from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset, dcmread

from imaging_data.convert import ToDicom, convert_to_dicom
from imaging_data.convert.attributes import Attributes
from imaging_data.convert.converted import Converted

WHO = Attributes.of({"PatientID": "P1"})


def nifti(path: Path, array: NDArray[Any], affine: NDArray[Any] | None = None) -> Path:
    """A NIfTI file; without `affine` its voxels are 1 x 2 x 3 mm, RAS."""
    affine = np.diag([1.0, 2.0, 3.0, 1.0]) if affine is None else affine
    nibabel.save(nibabel.Nifti1Image(array, affine), path)
    return path


def ramp(*shape: int, dtype: Any = np.int16) -> NDArray[Any]:
    """Values that are all different."""
    return np.arange(np.prod(shape), dtype=dtype).reshape(shape)


def to_dicom(source: Path, target: Path, modality: str = "CT", **options: Any) -> Converted:
    """`source` as DICOM of patient P1."""
    return convert_to_dicom(source, target, ToDicom(modality, **({"attributes": WHO} | options)))


def instances(converted: Converted) -> list[Dataset]:
    """What was made, read back."""
    return [dcmread(path) for path in converted.files]


def left(folder: Path) -> list[str]:
    """The names of everything in a folder, hidden ones too."""
    return sorted(path.name for path in folder.iterdir())
