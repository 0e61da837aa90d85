# SPDX-License-Identifier: Apache-2.0
"""Grey levels as OHIF 3.12 shows them: the arithmetic of its Cornerstone 4.15 where it draws on the processor.

It departs from PS3.3, which is kept here.  It shows windows alone, never a VOILUTSequence or ModalityLUTSequence.
Padding is a value as any other.  Of what inverts, it looks at MONOCHROME1 alone.  It rescales where slope and
intercept are both there, into whole numbers where the smallest and the greatest value are whole, else into float32;
of those, where the rescale has fractions, it keeps 65,536 steps.  A window one wide divides by zero.

On the processor it draws every window as LINEAR.  The other two functions it draws by WebGL only, and they are as
the Standard says here.  Not followed: PET shown by standardised uptake values, and negative slopes, which it breaks.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from ..grey_values import windowed
from ..values import numbers_of, text_of
from .rendering import Window

Floats = NDArray[np.float64]
STEPS = 65535
WHOLE = (-32768, 4294967295)  # what its arrays of whole numbers hold


def ohif_levels(real: Floats, window: Window, inverted: bool) -> NDArray[np.uint8]:
    """Modality values as grey levels, which a Uint8ClampedArray takes: the nearest, and the even one of two."""
    exact = window.function != "LINEAR"
    level = windowed(real, *window) * 255 if exact else _linear(real, window.centre, window.width)
    return np.nan_to_num(np.rint(255 - level if inverted else level)).astype(np.uint8)


def _linear(real: Floats, centre: float, width: float) -> Floats:
    """`generateLinearVOILUT`, in its order of operations."""
    with np.errstate(divide="ignore", invalid="ignore"):
        level = ((real - (centre - 0.5)) / (width - 1) + 0.5) * 255.0
    return np.minimum(np.maximum(level, 0), 255)


def ohif_real(values: NDArray[Any], header: Dataset) -> tuple[Floats, float, float]:
    """Stored values, rising, as the modality values that are drawn, and the smallest and the greatest before that."""
    slope, intercept = numbers_of(header, "RescaleSlope", 1), numbers_of(header, "RescaleIntercept", 1)
    if slope is None or intercept is None:
        return values.astype(np.float64), float(values[0]), float(values[-1])
    real = np.asarray(values * slope[0] + intercept[0], np.float64)
    low, high = sorted((float(real[0]), float(real[-1])))
    fractions = not (slope[0].is_integer() and intercept[0].is_integer())
    return _kept(real, low, high, fractions), low, high


def _kept(real: Floats, low: float, high: float, fractions: bool) -> Floats:
    """What its arrays hold of modality values from `low` to `high`."""
    if low.is_integer() and high.is_integer() and low >= WHOLE[0] and high <= WHOLE[1]:
        return np.asarray(np.trunc(real), np.float64)
    kept = real.astype(np.float32).astype(np.float64)
    if not fractions or low == high:
        return kept
    step = (high - low) / STEPS
    return np.asarray(np.clip(np.floor((kept - low) / step), 0, STEPS) * step + low, np.float64)


def ohif_inverted(header: Dataset) -> bool:
    """Whether great values are shown dark."""
    return text_of(header, "PhotometricInterpretation") == "MONOCHROME1"
