# SPDX-License-Identifier: Apache-2.0
"""Pixel data of floating point numbers, as those of parametric maps (PS3.3 sections C.7.6.24 and C.7.6.25)."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.uid import ExplicitVRBigEndian

from ..errors import UnreadableInstance, UnsupportedPixels
from ..parts import Parts
from ..values import numbers_of

KINDS = {"FloatPixelData": "f4", "DoubleFloatPixelData": "f8"}


def read_floats(parts: Parts) -> tuple[NDArray[np.float64], NDArray[np.bool_] | None]:
    """The values (rows, columns) of an instance of one frame, and where they are padding or no number.

    There they are the smallest of the others.  Raises UnsupportedPixels, UnreadableInstance.
    """
    assert parts.pixels is not None
    if parts.pixels.encapsulated:
        raise UnsupportedPixels(f"It has compressed {parts.pixels.keyword}.")
    rows, columns = (int((numbers_of(parts.dataset, name, 1) or (0,))[0]) for name in ("Rows", "Columns"))
    order = ">" if parts.transfer_syntax == ExplicitVRBigEndian else "<"
    kind = np.dtype(order + KINDS[parts.pixels.keyword])
    if min(rows, columns) < 1 or len(parts.pixel_bytes) < rows * columns * kind.itemsize:
        raise UnreadableInstance(
            f"Its pixel data have {len(parts.pixel_bytes)} bytes for {rows} Rows and {columns} Columns."
        )
    stored = np.frombuffer(parts.pixel_bytes, kind, rows * columns).reshape(rows, columns)
    padding = ~np.isfinite(stored) | _is_padding(stored, parts)
    values = stored.astype(np.float64)
    values[padding] = values[~padding].min() if not padding.all() else 0
    return values, padding if padding.any() else None


def _is_padding(stored: NDArray[Any], parts: Parts) -> NDArray[np.bool_]:
    prefix = "Double" if stored.itemsize == 8 else ""
    value = numbers_of(parts.dataset, f"{prefix}FloatPixelPaddingValue", 1)
    if value is None:
        return np.zeros(stored.shape, np.bool_)
    limit = numbers_of(parts.dataset, f"{prefix}FloatPixelPaddingRangeLimit", 1) or value
    low, high = np.sort(np.array([*value, *limit])).astype(stored.dtype)
    return np.asarray((stored >= low) & (stored <= high))
