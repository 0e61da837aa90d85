# SPDX-License-Identifier: Apache-2.0
"""Grey images: stored values to grey levels, by the letter of PS3.3 section C.11 or as OHIF does it.

Every step maps a value, wherever in the image it is.  So the steps are computed once for each value that can occur,
in float64, and the image looks its values up.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from ..errors import UnreadableInstance, UnsupportedPixels
from ..grey_values import is_inverted, real_values
from ..parts import Parts
from ..pixels import PixelFormat, stored_values
from ..values import items_of, numbers_of, text_of
from .floats import KINDS, read_floats
from .ohif import ohif_inverted, ohif_levels, ohif_real
from .rendering import Options, Picture, Rendering, to_levels
from .views import View, chosen, views_of

MOST_VALUES = 1 << 17  # that are computed ahead; an image of 32 bits may hold more
Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Way:
    """The steps of one way to show values.

    real: stored to modality values, with their smallest and greatest.  inverted: whether great ones are dark.
    levels: of modality values in a view.  tables: whether those of VOILUTSequence are looked at.
    pads: whether padding is black.
    """

    real: Callable[[NDArray[Any], Dataset], tuple[Floats, float, float]]
    inverted: Callable[[Dataset], bool]
    levels: Callable[[Floats, View, bool, int], NDArray[Any]]
    tables: bool
    pads: bool


def _standard_real(values: NDArray[Any], header: Dataset) -> tuple[Floats, float, float]:
    real = real_values(values, header)
    return real, float(real.min()), float(real.max())


def _standard_levels(real: Floats, view: View, inverted: bool, bits: int) -> NDArray[Any]:
    shown = view.shown(real)
    return to_levels(1 - shown if inverted else shown, bits)


def _ohif_levels(real: Floats, view: View, inverted: bool, bits: int) -> NDArray[Any]:
    if bits != 8 or view.window is None:  # it has windows alone: see `WAYS`
        raise UnsupportedPixels(
            "What OHIF shows has 8 bits.", hint="Ask for 8 bits, or for the standard way."
        )
    return ohif_levels(real, view.window, inverted)


WAYS = {
    "standard": Way(_standard_real, is_inverted, _standard_levels, tables=True, pads=True),
    "ohif": Way(ohif_real, ohif_inverted, _ohif_levels, tables=False, pads=False),
}


@np.errstate(over="ignore", invalid="ignore")
def grey_picture(parts: Parts, frame: int, options: Options) -> Picture:
    """The picture of an instance of one frame, which was frame `frame` of it.

    Raises UnsupportedPixels, UnsupportedTransferSyntax and UnreadableInstance, as `pixels.stored_values`.
    """
    header, way = parts.dataset, WAYS[options.like]
    stored, padding = read_grey(parts)
    padding = padding if way.pads else None
    occurring = occurring_values(stored, header)
    real, smallest, greatest = way.real(occurring, header)
    if not math.isfinite(greatest - smallest):
        raise UnsupportedPixels("Its values go beyond what can be computed with.")
    views = views_of(header, way.tables)
    view = chosen(views, options.window, smallest, greatest)
    inverted = way.inverted(header)
    array = looked_up(way.levels(real, view, inverted, options.bits), occurring, stored)
    if padding is not None:
        array[padding] = 0
    pixels = 0 if padding is None else int(np.count_nonzero(padding))
    used = _of_view(view, len(views)) | _of_header(header) | {"inverted": inverted, "padding_pixels": pixels}
    rows, columns = array.shape
    return Picture(array, Rendering(frame, rows, columns, options.bits, options.like, view.rule, **used))


def read_grey(parts: Parts) -> tuple[NDArray[Any], Mask | None]:
    """Stored values (rows, columns) of an instance of one frame with one sample, and where they are padding.

    Raises UnsupportedPixels, UnsupportedTransferSyntax and UnreadableInstance.
    """
    if parts.pixels is not None and parts.pixels.keyword in KINDS:
        return read_floats(parts)
    if numbers_of(parts.dataset, "BitsAllocated", 1) == (1.0,):
        return _single_bits(parts), None
    values, padding = stored_values(parts, PixelFormat.of(parts.dataset))
    return values[0], None if padding is None else padding[0]


def _single_bits(parts: Parts) -> NDArray[np.uint8]:
    """PS3.5 section 8.1.1: the first pixel is the lowest bit."""
    shape = tuple(int((numbers_of(parts.dataset, name, 1) or (0.0,))[0]) for name in ("Rows", "Columns"))
    count = shape[0] * shape[1]
    if parts.pixels is None or parts.pixels.encapsulated or not count:
        raise UnsupportedPixels("It has single bits in a form that is not read here.")
    bits = np.unpackbits(np.frombuffer(parts.pixel_bytes, np.uint8), bitorder="little")
    if len(bits) < count:
        raise UnreadableInstance(f"Its pixel data have {len(bits)} bits where {count} are needed.")
    return bits[:count].reshape(shape)


def occurring_values(stored: NDArray[Any], header: Dataset) -> NDArray[Any]:
    """The values that occur, rising, and maybe others between: not where a table may send these anywhere."""
    if stored.dtype.kind == "f":
        return np.unique(stored)
    low, high = int(stored.min()), int(stored.max())
    if high - low >= MOST_VALUES or items_of(header, "ModalityLUTSequence"):
        return np.unique(stored).astype(np.int64)
    return np.arange(low, high + 1)


def looked_up(levels: NDArray[Any], occurring: NDArray[Any], stored: NDArray[Any]) -> NDArray[Any]:
    """The level of each stored value; `levels` are those of the `occurring` ones."""
    native = stored.astype(stored.dtype.newbyteorder("="), copy=False)
    if stored.dtype.itemsize > 2:
        return levels[np.searchsorted(occurring, native)]
    unsigned = native.view(f"u{stored.dtype.itemsize}")
    table = np.zeros(1 << 8 * stored.dtype.itemsize, levels.dtype)
    table[occurring & (len(table) - 1)] = levels
    return table.take(unsigned)


def _of_view(view: View, views: int) -> dict[str, Any]:
    centre, width, function = view.window or (None, None, "")
    used = {"window_center": centre, "window_width": width, "voi_lut_function": function}
    return used | {"view": view.number, "views": views, "explanation": view.explanation}


def _of_header(header: Dataset) -> dict[str, Any]:
    """What the Rendering says of the data set.  OHIF and the Standard read the same of it."""
    table = bool(items_of(header, "ModalityLUTSequence"))
    slope, intercept = numbers_of(header, "RescaleSlope", 1), numbers_of(header, "RescaleIntercept", 1)
    return {
        "photometric_interpretation": text_of(header, "PhotometricInterpretation"),
        "modality_lut": table,
        "rescale_slope": None if table else (slope or (1.0,))[0],
        "rescale_intercept": None if table else (intercept or (0.0,))[0],
    }
