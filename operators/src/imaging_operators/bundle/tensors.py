# SPDX-License-Identifier: Apache-2.0
"""Images as MONAI has them, and back: axes (channel, x, y, z) = (channel, column, row, slice), affine to RAS.

That is how MONAI's readers load a NIfTI or DICOM series, so the transforms of any bundle find what they expect.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from monai.data.meta_tensor import MetaTensor
from numpy.typing import NDArray

from imaging_data import Radiograph, Volume

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
TO_XYZ = [2, 1, 0, 3]


def tensor_of(volumes: Sequence[Volume]) -> MetaTensor:
    """Float32 (channel, x, y, z) of volumes on one grid; in millimetres towards right, front and head (RAS)."""
    array = np.stack([np.transpose(volume.array, (2, 1, 0)) for volume in volumes])
    return _meta_tensor(array, LPS_TO_RAS @ volumes[0].affine[:, TO_XYZ])


def flat_tensor_of(images: Sequence[Volume | Radiograph]) -> MetaTensor:
    """Float32 (channel, x, y) of single images; distances in mm where they are known."""
    array = np.stack([image.array.reshape(image.array.shape[-2:]).T for image in images])
    row_mm, column_mm = (images[0].spacing_mm or (1.0, 1.0))[-2:]
    return _meta_tensor(array, np.diag([column_mm, row_mm, 1.0, 1.0]))


def _meta_tensor(array: NDArray[np.float32], affine: NDArray[np.float64]) -> MetaTensor:
    meta = {"original_channel_dim": 0, "spatial_shape": array.shape[1:], "space": "RAS"}
    return MetaTensor(torch.from_numpy(np.ascontiguousarray(array)), torch.from_numpy(affine), meta)


def array_of(tensor: Any) -> NDArray[Any]:
    """The values of (channel, x, y, z) as (channel, slices, rows, columns), of a vector as they are."""
    array = np.asarray(torch.as_tensor(tensor).detach().cpu())
    return array.transpose(0, 3, 2, 1) if array.ndim == 4 else array
