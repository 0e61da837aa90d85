# SPDX-License-Identifier: Apache-2.0
"""JPEG 2000 frames, decoded several at a time: pydicom's decoders keep all other threads waiting."""

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.encaps import generate_frames
from pydicom.pixels.utils import get_j2k_parameters
from pydicom.uid import JPEG2000, JPEG2000Lossless

TRANSFER_SYNTAXES = (JPEG2000Lossless, JPEG2000)


def decode(
    data: bytes, shape: tuple[int, int, int], bits_stored: int, dtype: np.dtype[Any]
) -> NDArray[Any] | None:
    """Encapsulated grey frames (PS3.5 section A.4.4) as an array of `shape` (frames, rows, columns).

    None where that is not the whole story, and the general decoders must see to it: imagecodecs is not
    installed, a codestream is damaged, or it declares another size, precision or sign than the data set.
    """
    if not _available():
        return None
    from imagecodecs import Jpeg2kError

    try:
        frames = list(generate_frames(data, number_of_frames=shape[0]))
        decoded = [_frame(frame, shape[1:], bits_stored, dtype) for frame in frames]
    except (Jpeg2kError, ValueError):
        return None
    whole = [image for image in decoded if image is not None]
    return np.stack(whole) if len(whole) == shape[0] else None


@cache
def _available() -> bool:
    try:
        import imagecodecs  # noqa: F401
    except ImportError:
        return False
    return True


def _frame(
    codestream: bytes, shape: tuple[int, int], bits_stored: int, dtype: np.dtype[Any]
) -> NDArray[Any] | None:
    from imagecodecs import jpeg2k_decode

    declared = {"jp2": False, "precision": bits_stored, "is_signed": dtype.kind == "i"}
    if get_j2k_parameters(codestream) != declared:
        return None
    image: NDArray[Any] = jpeg2k_decode(codestream)
    return image if (image.shape, image.dtype) == (shape, dtype) else None
