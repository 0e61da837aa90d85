# SPDX-License-Identifier: Apache-2.0
"""Grey levels as OHIF 3.12 shows them: what its Cornerstone 4.15 computes where it draws on the processor.

It departs from PS3.3 in five ways, all kept here.  It shows windows alone, never a VOILUTSequence or a
ModalityLUTSequence.  Padding is a value as any other.  PresentationLUTShape is not looked at, only MONOCHROME1.
A window goes through the two ends of its range and back, which moves a grey level where the arithmetic just
misses a half.  A window one wide, or narrower, is no error.
"""

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from ..grey_values import windowed
from ..values import numbers_of, text_of
from .rendering import Window

Floats = NDArray[np.float64]


def ohif_levels(real: Floats, window: Window, inverted: bool) -> NDArray[np.uint8]:
    """Modality values as grey levels.

    Cornerstone keeps them in a Uint8ClampedArray, which takes the nearest, and the even one of two.
    """
    sigmoid = window.function == "SIGMOID"
    level = windowed(real, *window) * 255 if sigmoid else _linear(real, *_ends(window))
    return np.nan_to_num(np.rint(255 - level if inverted else level)).astype(np.uint8)


def _ends(window: Window) -> tuple[float, float]:
    """`windowLevel.toLowHighRange`, then `toWindowLevel`: centre and width that Cornerstone draws with."""
    centre, width, function = window
    if function == "LINEAR_EXACT":
        low, high = centre - width / 2, centre + width / 2
    else:
        low, high = centre - 0.5 - (width - 1) / 2, centre - 0.5 + (width - 1) / 2
    return (low + high + 1) / 2, abs(high - low) + 1


def _linear(real: Floats, centre: float, width: float) -> Floats:
    """`generateLinearVOILUT`, in its order of operations; a width of one divides by zero there, too."""
    with np.errstate(divide="ignore", invalid="ignore"):
        level = ((real - (centre - 0.5)) / (width - 1) + 0.5) * 255.0
    return np.minimum(np.maximum(level, 0), 255)


def ohif_real(values: NDArray[np.int64], header: Dataset) -> Floats:
    """Stored values rescaled where the instance says both slope and intercept."""
    slope, intercept = numbers_of(header, "RescaleSlope", 1), numbers_of(header, "RescaleIntercept", 1)
    if slope is None or intercept is None:
        return values.astype(np.float64)
    return np.asarray(values * slope[0] + intercept[0])


def ohif_inverted(header: Dataset) -> bool:
    """Whether great values are shown dark."""
    return text_of(header, "PhotometricInterpretation") == "MONOCHROME1"
