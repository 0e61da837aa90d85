# SPDX-License-Identifier: Apache-2.0
"""What the pages read from stored files: a SeriesDescription, an app's report, the picture of a result."""

import hashlib
import io
import struct
import unicodedata
from collections.abc import Callable
from functools import lru_cache

import numpy as np
import pydicom
from numpy.typing import NDArray
from PIL import Image
from pydicom import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.pixels.utils import pixel_array

from ..execute import hider, load_report
from ..model import Identity, Instance, Result
from .answers import MeasurementAnswer, Report

MOST_SAMPLES = 100_000_000  # of all frames of a picture
LARGEST_SIDE = 1600  # pixels of the picture that is sent
UNREADABLE = (  # what pydicom and its decoders raise for a file that is broken in one way or another
    RuntimeError,
    NotImplementedError,
    OSError,
    EOFError,
    InvalidDicomError,
    ValueError,
    AttributeError,
    KeyError,
    TypeError,
    struct.error,
)


class NoPicture(Exception):
    """The result cannot be shown as a picture."""


@lru_cache(maxsize=2048)
def series_description(instance: Instance) -> str:
    """SeriesDescription (PS3.3 C.7.3.1) of a stored instance, without what names the patient; "" without one.

    Instances never change, so it is read once.
    """
    try:
        header = pydicom.dcmread(instance.path, specific_tags=["SeriesDescription"], stop_before_pixels=True)
        text = str(header.get("SeriesDescription") or "")
    except UNREADABLE:
        return ""
    plain = "".join(each for each in text if unicodedata.category(each) != "Cc").strip()
    return hider(instance.identity)(plain)


def report(result: Result, identity: Identity) -> Report:
    """What results.json beside an accepted result says, without what names the patient."""
    facts = Report.model_validate(load_report(result.path.parent))
    hide = hider(identity)
    return facts.model_copy(
        update={
            "findings": tuple(map(hide, facts.findings)),
            "measurements": tuple(_hidden(each, hide) for each in facts.measurements),
        }
    )


def _hidden(measured: MeasurementAnswer, hide: Callable[[str], str]) -> MeasurementAnswer:
    texts = measured.model_dump(include={"name", "unit", "site"}, exclude_none=True)
    return measured.model_copy(update={name: hide(text) for name, text in texts.items()})


def picture(result: Result) -> bytes:
    """A secondary capture (PS3.3 A.8) as PNG, its middle frame where it has several.

    Raises NoPicture when the file is not the one that was accepted, or cannot be decoded.
    """
    try:
        content = result.path.read_bytes()
        if hashlib.sha256(content).hexdigest() != result.sha256:
            raise NoPicture("The file is not the result that was accepted.")
        image = Image.fromarray(_pixels(pydicom.dcmread(io.BytesIO(content))))
    except UNREADABLE as error:
        raise NoPicture("The result's pixels cannot be decoded.") from error
    image.thumbnail((LARGEST_SIDE, LARGEST_SIDE), Image.Resampling.LANCZOS)
    png = io.BytesIO()
    image.save(png, "PNG")
    return png.getvalue()


def _pixels(dataset: Dataset) -> NDArray[np.uint8]:
    """The middle frame as 8 bit grey (rows, columns) or RGB (rows, columns, 3)."""
    frames = int(dataset.get("NumberOfFrames") or 1)
    if dataset.Rows * dataset.Columns * dataset.SamplesPerPixel * frames > MOST_SAMPLES:
        raise ValueError("too large to show")
    stored = pixel_array(dataset, index=frames // 2)  # YBR comes as RGB
    if dataset.SamplesPerPixel == 3 and stored.dtype == np.uint8:
        return stored
    if not dataset.PhotometricInterpretation.startswith("MONOCHROME"):
        raise ValueError("neither grey nor RGB")
    return _stretched(stored, dataset.PhotometricInterpretation == "MONOCHROME1")


def _stretched(stored: NDArray[np.generic], inverted: bool) -> NDArray[np.uint8]:
    grey = stored.astype(np.float32)
    low, high = float(grey.min()), float(grey.max())
    scaled = (grey - low) * (255 / max(high - low, 1.0))
    return (255 - scaled if inverted else scaled).astype(np.uint8)
