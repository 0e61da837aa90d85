# SPDX-License-Identifier: Apache-2.0
"""Segmentations and parametric maps lie on their source, frame by frame.

A viewer draws a frame over the image that the frame's DerivationImageSequence names, wherever the frame says
that it lies.  So both must be one: it lies where a source slice lies, and it names that very slice.
"""

from collections.abc import Iterator

import numpy as np
from pydicom import Dataset

from imaging_data.values import PER_FRAME, SHARED, items_of, numbers_of, values_of

from ..errors import InvalidResult
from .accepted import SEGMENTATIONS
from .objects import ResultObject
from .sources import Plane, Sources

# Writers copy these numbers or compute them from the source's; 16 characters of a DS hold far more.
POSITION_MM = 0.01  # how far a frame's first pixel may be off its source's
COSINE = 1e-4  # per direction cosine: 0.05 mm over a row of 500 mm
SPACING_MM = 1e-4  # between rows or columns: 0.05 mm over 512 pixels

LABELMAP_TYPE = "LABELMAP"


def check_frames(found: ResultObject, sources: Sources) -> None:
    """Raises InvalidResult naming the first frame that is not on its source, or refers to another image."""
    dataset = found.dataset
    if not items_of(dataset, "ReferencedSeriesSequence"):
        raise InvalidResult("it has no ReferencedSeriesSequence, without which viewers refuse it.")
    shared = next(iter(items_of(dataset, SHARED)), Dataset())
    frames = items_of(dataset, PER_FRAME)
    count = numbers_of(dataset, "NumberOfFrames", 1)
    if not frames or count != (len(frames),):
        raise InvalidResult(f"NumberOfFrames is not the number of frames described, {len(frames)}.")
    segments = {int(each.SegmentNumber) for each in items_of(dataset, "SegmentSequence")}
    for number, groups in enumerate(frames, 1):
        frame = Frame(dataset, groups, shared)
        try:
            for plane in frame.sources(sources):
                frame.check_on(plane)
            if found.sop_class_uid in SEGMENTATIONS and dataset.get("SegmentationType") != LABELMAP_TYPE:
                frame.check_segment(segments)
        except InvalidResult as error:
            raise InvalidResult(f"frame {number}: {error.detail}") from error


class Frame:
    """One frame: its own functional groups and those it shares (PS3.3 section C.7.6.16)."""

    def __init__(self, dataset: Dataset, groups: Dataset, shared: Dataset) -> None:
        self._dataset = dataset
        self._groups = groups
        self._shared = shared

    def _macro(self, keyword: str) -> Dataset:
        items = items_of(self._groups, keyword) or items_of(self._shared, keyword)
        return items[0] if items else Dataset()

    def sources(self, sources: Sources) -> Iterator[Plane]:
        """The planes that the frame says it was made from."""
        derivations = items_of(self._groups, "DerivationImageSequence") or items_of(
            self._shared, "DerivationImageSequence"
        )
        images = [
            image for derivation in derivations for image in items_of(derivation, "SourceImageSequence")
        ]
        if not images:
            raise InvalidResult("it has no DerivationImageSequence that names its source image.")
        for image in images:
            uid = str(image.get("ReferencedSOPInstanceUID", ""))
            numbers = [int(value) for value in values_of(image, "ReferencedFrameNumber")]
            if not numbers and sources.frames_of(uid) > 1:
                raise InvalidResult(f"it does not say which frame of {uid} is its source.")
            for number in numbers or [1]:
                if (uid, number) not in sources.planes:
                    raise InvalidResult(f"its source image {uid} is no image of the input set.")
                yield sources.planes[uid, number]

    def check_on(self, plane: Plane) -> None:
        """The frame has the pixel grid of `plane` and lies where it lies."""
        if (self._dataset.get("Rows"), self._dataset.get("Columns")) != (plane.rows, plane.columns):
            raise InvalidResult("its rows and columns are not the source's.")
        position = numbers_of(self._macro("PlanePositionSequence"), "ImagePositionPatient", 3)
        grid = plane.grid
        if grid is None:
            if position is not None:
                raise InvalidResult("it says where it lies, which its source does not.")
            return
        if str(self._dataset.get("FrameOfReferenceUID") or "") != plane.frame_of_reference_uid:
            raise InvalidResult("its FrameOfReferenceUID is not the source's.")
        orientation = numbers_of(self._macro("PlaneOrientationSequence"), "ImageOrientationPatient", 6)
        spacing = numbers_of(self._macro("PixelMeasuresSequence"), "PixelSpacing", 2)
        for name, own, of_source, tolerance in (
            ("ImageOrientationPatient", orientation, grid.orientation.ravel(), COSINE),
            ("PixelSpacing", spacing, np.array(grid.spacing), SPACING_MM),
        ):
            if own is None or np.max(np.abs(np.array(own) - of_source)) > tolerance:
                raise InvalidResult(f"its {name} is not the source's.")
        if position is None or np.linalg.norm(np.array(position) - grid.position) > POSITION_MM:
            raise InvalidResult("its ImagePositionPatient is not that of the image it names as its source.")

    def check_segment(self, segments: set[int]) -> None:
        """The frame shows one of the segments that are described."""
        number = numbers_of(self._macro("SegmentIdentificationSequence"), "ReferencedSegmentNumber", 1)
        if number is None or int(number[0]) not in segments:
            raise InvalidResult("it shows a segment that SegmentSequence does not describe.")
