# SPDX-License-Identifier: Apache-2.0
"""A result that says nothing is no result: each object has what its kind is there for."""

import math

import numpy as np
from pydicom import Dataset
from pydicom.pixels.utils import iter_pixels

from imaging_data.values import items_of, numbers_of

from ..errors import InvalidResult
from .accepted import (
    CONTOURS,
    DOCUMENTS,
    FRAMES_ON_SOURCE,
    MESHES,
    PAPERS,
    PICTURES,
    PRESENTATIONS,
    SEGMENTATIONS,
)
from .objects import ResultObject

# What pydicom and its decoders raise on damaged compressed pixels.
UNDECODABLE = (ValueError, RuntimeError, AttributeError, NotImplementedError, EOFError, IndexError, TypeError)


def check_contents(found: ResultObject) -> None:
    """Raises InvalidResult when there is nothing in the object, or fewer pixels than it says."""
    kind, dataset = found.sop_class_uid, found.dataset
    if kind in FRAMES_ON_SOURCE | PICTURES:
        _check_pixels(found)
    if kind in SEGMENTATIONS and not _marks_something(found):
        raise InvalidResult("it marks nothing: an app that finds nothing leaves the segmentation out.")
    if kind in DOCUMENTS and not items_of(dataset, "ContentSequence"):
        raise InvalidResult("it has no content.")
    if kind in CONTOURS and not _has_contour(dataset):
        raise InvalidResult("it has no contour.")
    if kind in PAPERS and not bytes(dataset.get("EncapsulatedDocument") or b"").startswith(b"%PDF-"):
        raise InvalidResult("it holds no PDF.")
    if kind in MESHES and not dataset.get("EncapsulatedDocument"):
        raise InvalidResult("it holds no surface.")
    if kind in PRESENTATIONS and not items_of(dataset, "ReferencedSeriesSequence"):
        raise InvalidResult("it is for no image.")


def _has_contour(dataset: Dataset) -> bool:
    return any(items_of(roi, "ContourSequence") for roi in items_of(dataset, "ROIContourSequence"))


def _check_pixels(found: ResultObject) -> None:
    """Uncompressed pixels have the length that follows from their description (PS3.5 section 8.1.1)."""
    pixels = found.parts.pixels
    if pixels is None or pixels.stop == pixels.start:
        raise InvalidResult("it has no pixel data.")
    if pixels.encapsulated:
        return
    length = pixels.stop - pixels.start
    bits = math.prod(
        int((numbers_of(found.dataset, keyword, 1) or (default,))[0])
        for keyword, default in (
            ("Rows", 0),
            ("Columns", 0),
            ("NumberOfFrames", 1),
            ("SamplesPerPixel", 1),
            ("BitsAllocated", 0),
        )
    )
    needed = math.ceil(bits / 8)
    if not 0 < needed <= length <= needed + needed % 2:
        raise InvalidResult(f"its pixel data have {length} bytes and its description asks for {needed}.")


def _marks_something(found: ResultObject) -> bool:
    pixels = found.parts.pixels
    if pixels is not None and not pixels.encapsulated:
        return bool(np.frombuffer(found.parts.pixel_bytes, np.uint8).any())
    try:
        return any(frame.any() for frame in iter_pixels(found.result.path, raw=True))
    except UNDECODABLE as error:
        raise InvalidResult("its compressed pixel data cannot be decoded.") from error
