# SPDX-License-Identifier: Apache-2.0
"""How a presentation state says from stored values to grey: modality LUT, window, inversion (PS3.3 C.11)."""

from collections.abc import Iterable

from pydicom import Dataset

from imaging_data.values import frame_values, items_of, text_of

from ..errors import InvalidResult
from .source import Source, decimal_strings

TABLES = ("ModalityLUTSequence", "VOILUTSequence")


def grey_transformations(
    source: Source, slices: Iterable[int], window: tuple[float, float] | None
) -> Dataset:
    """The source's rescale, `window` (centre, width) or else the source's own, and its inversion.

    Raises InvalidResult where the images do not share one rescale, or have tables in its place.
    """
    headers = [(source.image.sources[index][0].dataset, source.image.sources[index][1]) for index in slices]
    first, frame = headers[0]
    if any(items_of(header, keyword) for header, _ in headers for keyword in TABLES):
        raise InvalidResult(
            "A PresentationState over images whose grey values stand in tables (a modality or VOI LUT).",
            "Return a SecondaryCapture instead.",
        )
    rescales = {
        (_value(*header, "RescaleSlope", 1.0), _value(*header, "RescaleIntercept", 0.0)) for header in headers
    }
    if len(rescales) > 1:
        raise InvalidResult(
            f"A PresentationState over images with {len(rescales)} rescales; it has room for one.",
            "Return one PresentationState for each image, or a SecondaryCapture.",
        )
    [(slope, intercept)] = rescales
    grey = Dataset()
    grey.RescaleIntercept, grey.RescaleSlope = decimal_strings([intercept, slope])
    grey.RescaleType = "HU" if source.modality == "CT" else "US"
    shown = window or _own_window(first, frame)
    if shown is not None:
        grey.SoftcopyVOILUTSequence = [
            _window_item(*shown, "" if window else text_of(first, "VOILUTFunction"))
        ]
    inverted = text_of(first, "PhotometricInterpretation") == "MONOCHROME1"
    grey.PresentationLUTShape = "INVERSE" if inverted else "IDENTITY"
    return grey


def _value(header: Dataset, frame: int, keyword: str, without: float) -> float:
    """The first value of an attribute for this frame."""
    each = frame_values(header, keyword)
    values = each[frame - 1] if len(each) > 1 else (each[0] if each else [])
    return float(values[0]) if values else without


def _own_window(header: Dataset, frame: int) -> tuple[float, float] | None:
    centre, width = (_value(header, frame, keyword, 0.0) for keyword in ("WindowCenter", "WindowWidth"))
    return (centre, width) if width >= 1 else None


def _window_item(centre: float, width: float, function: str) -> Dataset:
    item = Dataset()
    [item.WindowCenter], [item.WindowWidth] = decimal_strings([centre]), decimal_strings([width])
    if function in ("SIGMOID", "LINEAR_EXACT"):
        item.VOILUTFunction = function
    return item
