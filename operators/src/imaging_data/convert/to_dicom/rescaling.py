# SPDX-License-Identifier: Apache-2.0
"""Values of any kind as 16-bit stored values and one rescale (PS3.3 section C.11.1.1.2)."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import ImagingDataError
from ..errors import UnreadableInput

LONGEST_DS = 16  # characters of a decimal string, PS3.5 section 6.2
SIGNED, UNSIGNED = np.dtype("<i2"), np.dtype("<u2")
LEVELS = 65535
AT_ONCE = 1 << 22  # values
LARGEST = 1e300
LARGEST_EXACT = 10**15  # whole numbers below it have room in a decimal string, with their sign


class NotNumbers(UnreadableInput):
    """Some values are no numbers (NaN) or infinite: DICOM has none of these."""

    hint = "Replace them first, for instance with numpy.nan_to_num."


class UnsupportedValues(ImagingDataError):
    """Values of this type cannot be stored as grey values."""

    hint = "Give whole or real numbers, one for each voxel."


@dataclass(frozen=True)
class Rescale:
    """How real values become stored ones: stored = (value - intercept) / slope, in `dtype`.

    slope, intercept: as DICOM's decimal strings say them.  `slope` is the step; where `exact`, stored values
    give back each value, otherwise one within half a step of it.
    """

    slope: float
    intercept: float
    dtype: np.dtype[Any]
    exact: bool

    def after(self, slope: float, intercept: float) -> "Rescale":
        """The same stored values, of values that are rescaled themselves: slope * value + intercept.

        Exact as far as decimal strings go: 10 to 16 digits.
        """
        together = (decimal(self.slope * slope), decimal(self.intercept * slope + intercept))
        return replace(self, slope=float(together[0]), intercept=float(together[1]))

    def stored(self, values: NDArray[Any]) -> NDArray[Any]:
        """Stored values of `values`, in the same shape."""
        if self.slope == 1 and self.intercept == 0 and values.dtype.kind in "iub":
            return values.astype(self.dtype)
        limits = np.iinfo(self.dtype)
        steps = np.rint((values.astype(np.float64) - self.intercept) / self.slope)
        return np.clip(steps, limits.min, limits.max).astype(self.dtype)


def decimal(value: float, up: bool = False) -> str:
    """The decimal string nearest to `value` with at most 16 characters; `up`: the nearest not below it."""
    if value == int(value) and abs(value) < 10 ** (LONGEST_DS - 1):
        return str(int(value))
    texts = (text for digits in range(17, 0, -1) if len(text := f"{value:.{digits}g}") <= LONGEST_DS)
    text = next(texts)
    while up and float(text) < value:
        value = value * (1 + 1e-12)
        text = next(one for digits in range(17, 0, -1) if len(one := f"{value:.{digits}g}") <= LONGEST_DS)
    return text


def rescale_of(values: NDArray[Any], through_zero: bool = False) -> Rescale:
    """The rescale that keeps `values` exactly where any does, else the one with the smallest step.

    Whole numbers, of whatever type, are exact when their multiples of a common step fit 16 bits.  Zero is
    stored exactly wherever it lies among the values, because it is the background of many images.
    through_zero: the intercept has to be 0, as that of PET (PS3.3 section C.8.9.4).
    Raises NotNumbers and UnsupportedValues.
    """
    if values.dtype.kind not in "iufb" or values.dtype.itemsize > 8:
        raise UnsupportedValues(f"They are of type {values.dtype}.")
    if values.dtype.kind == "f" and not all(np.isfinite(part).all() for part in _parts(values)):
        raise NotNumbers()
    low, high = values.min().item(), values.max().item()
    if max(-low, high) > LARGEST:
        raise UnsupportedValues(f"The greatest are beyond {LARGEST:g}.")
    whole = values.dtype.kind != "f" or _is_whole(values, low, high)
    return (whole and _exact(values, int(low), int(high), through_zero)) or _rounded(low, high, through_zero)


def _parts(values: NDArray[Any]) -> Iterator[NDArray[Any]]:
    flat = values.reshape(-1)
    yield from (flat[at : at + AT_ONCE] for at in range(0, flat.size, AT_ONCE))


def _is_whole(values: NDArray[Any], low: float, high: float) -> bool:
    return max(-low, high) < LARGEST_EXACT and all((part == np.rint(part)).all() for part in _parts(values))


def _exact(values: NDArray[Any], low: int, high: int, through_zero: bool) -> Rescale | None:
    for dtype in (SIGNED, UNSIGNED):
        limits = np.iinfo(dtype)
        if limits.min <= low and high <= limits.max:
            return Rescale(1.0, 0.0, dtype, True)
    first = 0 if through_zero else low
    if max(abs(low), abs(high)) >= LARGEST_EXACT:
        return None
    step = _common_step(values, first)
    dtype = SIGNED if low < first else UNSIGNED
    limits = np.iinfo(dtype)
    fits = limits.min <= (low - first) // step and (high - first) // step <= limits.max
    return Rescale(float(step), float(first), dtype, True) if fits else None


def _common_step(values: NDArray[Any], first: int) -> int:
    """The greatest number that divides each value's distance from `first`."""
    step = 0
    for part in _parts(values):
        step = math.gcd(step, int(np.gcd.reduce(np.unique(part.astype(np.int64) - first))))
        if step == 1:
            break
    return step or 1


def _rounded(low: float, high: float, through_zero: bool) -> Rescale:
    if low == high == float(decimal(low)) and not through_zero:
        return Rescale(1.0, low, UNSIGNED, True)
    if through_zero or low <= 0 <= high:
        if low >= 0:
            return Rescale(_step(high, LEVELS), 0.0, UNSIGNED, False)
        return Rescale(max(_step(-low, 32768), _step(high, 32767)), 0.0, SIGNED, False)
    # So that it is no greater than any, however it is written: nine digits where the exponent has three.
    below = max((high - low) * 1e-6, abs(low) * 1e-8)
    first = float(decimal(low - below))
    return Rescale(_step(high - first, LEVELS), first, UNSIGNED, False)


def _step(reach: float, levels: int) -> float:
    return float(decimal(max(reach / levels, 1e-300), up=True))
