# SPDX-License-Identifier: Apache-2.0
"""The preview: a coronal and an axial plane with the classes in colour, seen as radiologists see them."""

from collections.abc import Sequence
from typing import Any

import nibabel
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from imaging_operators import Volume

from .colors import RGB
from .geometry import nifti_affine, to_canonical
from .segmenting import Found

HEIGHT, GAP = 512, 8
OPACITY = 0.45
CT_WINDOW = (-160.0, 240.0)


def draw(volume: Volume, found: Found, colors: Sequence[RGB]) -> NDArray[np.uint8]:
    """uint8 (HEIGHT, columns, 3); the patient's right is on the left.  `colors` are those of `found.names`."""
    image = to_canonical(volume)
    values, spacing_mm = np.asanyarray(image.dataobj), image.header.get_zooms()
    labels = _canonical(found.labelmap, volume)
    low, high = _window(volume)
    planes = []
    for axis, (across, up) in ((1, (0, 2)), (2, (0, 1))):
        index = _fullest(labels, axis)
        where = (slice(None),) * axis + (index,)
        grey = np.clip((values[where] - low) / (high - low), 0, 1) * 255
        plane = _painted(grey, labels[where], colors)
        turned = plane[::-1, ::-1].transpose(1, 0, 2)  # RAS to a screen: right on the left, head or front up
        planes.append(_scaled(turned, spacing_mm[across] / spacing_mm[up]))
    gap = np.zeros((HEIGHT, GAP, 3), np.uint8)
    return np.concatenate([planes[0], gap, planes[1]], axis=1)


def _canonical(labelmap: NDArray[np.uint8], volume: Volume) -> NDArray[np.uint8]:
    image = nibabel.Nifti1Image(labelmap.T, nifti_affine(volume))
    return np.asanyarray(nibabel.as_closest_canonical(image).dataobj)


def _window(volume: Volume) -> tuple[float, float]:
    if str(volume.source_of(0).dataset.Modality) == "CT":
        return CT_WINDOW
    low, high = np.percentile(volume.array[:: max(1, volume.shape[0] // 16)], (1, 99))
    return float(low), float(max(high, low + 1))


def _fullest(labels: NDArray[np.uint8], axis: int) -> int:
    """The plane across `axis` with the most labelled voxels, the middle one without any."""
    counts = np.count_nonzero(labels, axis=tuple(each for each in range(3) if each != axis))
    return int(counts.argmax()) if counts.any() else labels.shape[axis] // 2


def _painted(grey: NDArray[Any], labels: NDArray[np.uint8], colors: Sequence[RGB]) -> NDArray[np.uint8]:
    table = np.array([(0, 0, 0), *colors], float)
    part = (labels > 0)[..., None] * OPACITY
    return ((1 - part) * grey[..., None] + part * table[labels]).astype(np.uint8)


def _scaled(plane: NDArray[np.uint8], pixel_ratio: float) -> NDArray[np.uint8]:
    """HEIGHT rows high, in the proportions of the patient."""
    rows, columns, _ = plane.shape
    width = max(1, round(HEIGHT * columns * pixel_ratio / rows))
    return np.asarray(Image.fromarray(plane).resize((width, HEIGHT), Image.Resampling.BILINEAR))
