# SPDX-License-Identifier: Apache-2.0
"""From stored values to what a viewer shows: modality LUT, VOI LUT or window, inversion (PS3.3 section C.11).

Each of these maps a value, wherever in the image it is.  So they are computed once, in float64, for every
value that can occur between the smallest and the greatest, and the image looks its values up.
"""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.uid import ExplicitVRBigEndian

from .errors import UnsupportedPixels
from .values import items_of, numbers_of, text_of, values_of

Floats = NDArray[np.float64]
MOST_VALUES = 1 << 17  # that are computed ahead; images of 32 bits may have more
ROWS_AT_ONCE = 32


def grey_values(
    stored: NDArray[Any], header: Dataset, padding: NDArray[np.bool_] | None = None
) -> NDArray[np.float32]:
    """`stored` (rows, columns) as float32 from 0 to 1, 1 shown bright; padding is 0.

    `header` says the transformations: ModalityLUTSequence or RescaleSlope and RescaleIntercept; the first
    VOI LUT, else the first window (LINEAR, LINEAR_EXACT, SIGMOID), else the full range of the values that
    are in the image; MONOCHROME1 or PresentationLUTShape INVERSE.  Raises UnsupportedPixels for a table that
    is damaged, and for an image that shows one grey value only.
    """
    inside = stored if padding is None else stored[~padding]
    low, high = (int(inside.min()), int(inside.max())) if inside.size else (0, 0)
    if high - low < MOST_VALUES:
        table = _shown(np.arange(low, high + 1), header).astype(np.float32)
        grey = _looked_up(table, stored, low)
    else:
        values, places = np.unique(
            inside if padding is None else np.clip(stored, low, high), return_inverse=True
        )
        grey = _shown(values, header).astype(np.float32)[places.reshape(stored.shape)]
    if padding is not None:
        grey[padding] = 0
    return grey


def _looked_up(table: NDArray[np.float32], stored: NDArray[Any], low: int) -> NDArray[np.float32]:
    """The entry of each value, the first being that of `low`; of those beyond the table its nearest end.

    A few rows at a time: numpy looks up by whole numbers of 64 bits, which then stay in the processor's cache.
    """
    found = np.empty(stored.shape, np.float32)
    for first in range(0, len(stored), ROWS_AT_ONCE):
        rows = slice(first, first + ROWS_AT_ONCE)
        places = stored[rows].astype(np.intp)
        places -= low
        table.take(places, mode="clip", out=found[rows])
    return found


def _shown(values: NDArray[Any], header: Dataset) -> Floats:
    """What each stored value is shown as, 0 to 1.  `values`: rising, all that occur and maybe more between."""
    real = real_values(values, header)
    shown = _windowed(real, header)
    if np.ptp(shown) == 0:
        raise UnsupportedPixels("All its grey values are alike.", hint="Send an image that shows something.")
    return 1 - shown if is_inverted(header) else shown


def real_values(values: NDArray[Any], header: Dataset) -> Floats:
    """Stored values through the modality LUT or the rescale of `header` (PS3.3 section C.11.1).

    Raises UnsupportedPixels for a table that is damaged.
    """
    tables = items_of(header, "ModalityLUTSequence")
    if tables:
        return LookupTable.of(tables[0], header).apply(values)
    slope, intercept = numbers_of(header, "RescaleSlope", 1), numbers_of(header, "RescaleIntercept", 1)
    return values * (slope or (1.0,))[0] + (intercept or (0.0,))[0]


def _windowed(real: Floats, header: Dataset) -> Floats:
    """The VOI LUT, the window or the full range (PS3.3 section C.11.2)."""
    tables = items_of(header, "VOILUTSequence")
    if tables:
        table = LookupTable.of(tables[0], header)
        return table.apply(real) / table.greatest
    window = _first_window(header)
    if window is None:
        return np.asarray((real - real.min()) / (np.ptp(real) or 1))
    return windowed(real, *window, text_of(header, "VOILUTFunction"))


def windowed(real: NDArray[Any], centre: float, width: float, function: str) -> Floats:
    """Values in a window as 0 to 1, by its VOILUTFunction (PS3.3 sections C.11.2.1.2 and C.11.2.1.3).

    Whatever is neither SIGMOID nor LINEAR_EXACT is LINEAR.
    """
    match function:
        case "SIGMOID":
            return np.asarray(0.5 + 0.5 * np.tanh(2 * (real - centre) / width))  # 1 / (1 + exp(-4 ...))
        case "LINEAR_EXACT":
            return np.clip((real - centre) / width + 0.5, 0, 1)
        case _:
            return _linear(real, centre, width)


def _linear(real: Floats, centre: float, width: float) -> Floats:
    """PS3.3 section C.11.2.1.2.1; a window one wide is a threshold."""
    if width <= 1:
        return (real > centre - 0.5).astype(np.float64)
    return np.clip((real - (centre - 0.5)) / (width - 1) + 0.5, 0, 1)


def _first_window(header: Dataset) -> tuple[float, float] | None:
    """Centre and width; None without, or with a width that no window has."""
    pair = [_first_number(header, keyword) for keyword in ("WindowCenter", "WindowWidth")]
    exact = text_of(header, "VOILUTFunction") in ("SIGMOID", "LINEAR_EXACT")
    centre, width = pair
    if centre is None or width is None or width <= 0 or (width < 1 and not exact):
        return None
    return centre, width


def _first_number(header: Dataset, keyword: str) -> float | None:
    first = Dataset()
    setattr(first, keyword, values_of(header, keyword)[:1])
    number = numbers_of(first, keyword, 1)
    return number[0] if number else None


def is_inverted(header: Dataset) -> bool:
    """Whether MONOCHROME1 or PresentationLUTShape INVERSE shows great values dark.

    Both say the same (PS3.3 section C.11.6.1.2), so that the two together are one inversion.
    """
    return (
        text_of(header, "PhotometricInterpretation") == "MONOCHROME1"
        or text_of(header, "PresentationLUTShape") == "INVERSE"
    )


@dataclass(frozen=True)
class LookupTable:
    """A modality or VOI LUT (PS3.3 sections C.11.1.1.1 and C.11.2.1.1)."""

    data: Floats
    first: int  # 16 bits: the value that is mapped to data[0], or with `signed` its two's complement
    bits: int
    signed: bool  # whether the instance says so, of its pixels or of the table

    @classmethod
    def of(cls, item: Dataset, header: Dataset) -> Self:
        """The table of one item.  Raises UnsupportedPixels when descriptor and data do not fit together."""
        descriptor, data = _words(item, "LUTDescriptor", header), _words(item, "LUTData", header)
        if len(descriptor) != 3 or not 8 <= int(descriptor[2]) <= 16:
            raise UnsupportedPixels("The LUTDescriptor of a table of grey values is damaged.")
        entries, first = int(descriptor[0]) or 1 << 16, int(descriptor[1])
        if entries == 2 * len(data) - (entries % 2):  # two entries of 8 bits in a word
            data = data.astype(np.uint16).view(np.uint8)
        if len(data) < entries:
            raise UnsupportedPixels(f"A table of grey values has {len(data)} entries; it declares {entries}.")
        signed = numbers_of(header, "PixelRepresentation", 1) == (1.0,) or item["LUTDescriptor"].VR == "SS"
        return cls(data[:entries].astype(np.float64), first, int(descriptor[2]), signed)

    @property
    def greatest(self) -> int:
        """The greatest value that it can give."""
        return (1 << self.bits) - 1

    def apply(self, values: NDArray[Any]) -> Floats:
        """Each value looked up; those before the first or behind the last entry get that one's."""
        index = np.clip(np.rint(values).astype(np.int64) - self._first_of(values), 0, len(self.data) - 1)
        return np.asarray(self.data[index])

    def _first_of(self, values: NDArray[Any]) -> int:
        """`first` with its sign, which has to fit the values and the table: after a rescale other ones than stored."""
        wraps = self.signed or self.first + len(self.data) > 1 << 16
        negative = values.min() < 0 or (wraps and values.max() < self.first)
        return self.first - (1 << 16 if negative and self.first >> 15 else 0)


def _words(item: Dataset, keyword: str, header: Dataset) -> NDArray[np.uint16]:
    """The 16-bit values of an attribute whose VR may be US, SS or OW (and then is bytes to pydicom)."""
    values = values_of(item, keyword)
    if values and isinstance(values[0], bytes):
        big = text_of(header.file_meta, "TransferSyntaxUID") == ExplicitVRBigEndian
        return np.frombuffer(values[0][: len(values[0]) // 2 * 2], ">u2" if big else "<u2").astype(np.uint16)
    try:
        return np.array([int(number) & 0xFFFF for number in values], np.uint16)
    except (ValueError, TypeError):
        return np.array([], np.uint16)
