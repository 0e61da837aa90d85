# SPDX-License-Identifier: Apache-2.0
"""Colour images as red, green and blue (PS3.3 section C.7.6.3.1.2)."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.uid import ExplicitVRLittleEndian, RLELossless

from ..decoders import get_decoder
from ..errors import UnreadableInstance, UnsupportedPixels
from ..parts import Parts
from ..pixels import NATIVE, check_codestreams, check_transfer_syntax
from ..values import UNREADABLE, numbers_of, text_of
from .palette import from_palette
from .rendering import Options, Picture, Rendering, Rule

PALETTE = "PALETTE COLOR"
IN_CODESTREAMS = {"YBR_ICT", "YBR_RCT", "YBR_PARTIAL_420"}  # which decoders undo
COLOURS = {"RGB", "YBR_FULL", "YBR_FULL_422", "YBR_PARTIAL_420", "YBR_ICT", "YBR_RCT"}
SIZES = {
    "rows": "Rows",
    "columns": "Columns",
    "bits_allocated": "BitsAllocated",
    "bits_stored": "BitsStored",
    "pixel_representation": "PixelRepresentation",
    "samples_per_pixel": "SamplesPerPixel",
    "planar_configuration": "PlanarConfiguration",
}
BROKEN = (*UNREADABLE, RuntimeError)  # what damaged data raise in pydicom


def is_colour(header: Dataset) -> bool:
    """Whether the instance is shown in colour."""
    return text_of(header, "PhotometricInterpretation") in COLOURS | {PALETTE}


def colour_picture(parts: Parts, frame: int, options: Options) -> Picture:
    """The picture of an instance of one frame, which was frame `frame` of it; of more than 8 bits, the highest 8.

    Raises UnsupportedPixels, UnsupportedTransferSyntax and UnreadableInstance.
    """
    check_transfer_syntax(parts.transfer_syntax)
    photometric = text_of(parts.dataset, "PhotometricInterpretation")
    if photometric == PALETTE:
        array = from_palette(parts)
    else:
        array = _eight_bits(_decoded(parts, photometric, options), parts.dataset)
    rows, columns, _ = array.shape
    return Picture(array, Rendering(frame, rows, columns, 8, options.like, Rule.COLOUR, photometric))


def _decoded(parts: Parts, photometric: str, options: Options) -> NDArray[Any]:
    known: dict[str, Any] = {
        name: int((numbers_of(parts.dataset, keyword, 1) or (0.0,))[0]) for name, keyword in SIZES.items()
    }
    known |= {"number_of_frames": 1, "photometric_interpretation": photometric, "pixel_keyword": "PixelData"}
    known["pixel_vr"] = parts.pixels and parts.pixels.vr
    syntax = parts.transfer_syntax or ExplicitVRLittleEndian
    plain = syntax in (*NATIVE, RLELossless)
    if known["samples_per_pixel"] != 3 or (plain and photometric in IN_CODESTREAMS):
        raise UnsupportedPixels(f"It is {photometric} with SamplesPerPixel {known['samples_per_pixel']}.")
    check_codestreams(bytes(parts.pixel_bytes), 1, syntax)
    as_ohif = options.like == "ohif" and plain and photometric == "YBR_FULL"
    try:
        array, _ = get_decoder(syntax).as_array(bytes(parts.pixel_bytes), raw=as_ohif, **known)
    except BROKEN as error:
        raise UnreadableInstance(f"Its pixel data cannot be decoded ({error}).") from error
    return _ohif_rgb(array) if as_ohif else array


def _ohif_rgb(ybr: NDArray[Any]) -> NDArray[np.uint8]:
    """`convertYBRFullByPixel` of Cornerstone's image loader, whose factors have five digits."""
    y, cb, cr = (ybr[..., sample].astype(np.float64) - offset for sample, offset in enumerate((0, 128, 128)))
    rgb = np.stack([y + 1.402 * cr, y - 0.34414 * cb - 0.71414 * cr, y + 1.772 * cb], axis=-1)
    return np.rint(np.clip(rgb, 0, 255)).astype(np.uint8)


def _eight_bits(array: NDArray[Any], header: Dataset) -> NDArray[np.uint8]:
    stored = numbers_of(header, "BitsStored", 1) or (8.0,)
    return (array >> max(0, int(stored[0]) - 8)).astype(np.uint8)
