# SPDX-License-Identifier: Apache-2.0
"""A labelmap as a DICOM Segmentation (PS3.3 A.51, labelmap A.101) on the grid of its source."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.dataelem import RawDataElement
from pydicom.encaps import encapsulate
from pydicom.tag import Tag
from pydicom.uid import RLELossless

from imaging_data import Volume
from imaging_data.rle import encode_frames

from ..errors import InvalidResult, NotANumber
from .base import ResultContext
from .frames import binary_frames, binary_pixels, labelmap_frames
from .guard import Expected, Wanted, check_frames
from .multiframe import put_frames
from .resampled import check_resampled
from .segments import Segment, check_numbers, label_dtype, names_of, one_frame

__all__ = ["Segment", "Segmentation"]

UNDEFINED_LENGTH = 0xFFFFFFFF


@dataclass(frozen=True, eq=False)
class Segmentation:
    """A labelmap on the grid of the volume that `predict` was given.

    labelmap: integers or booleans (slices, rows, columns), 0 for background, else a segment's number.
    Raises InvalidResult, saying what is wrong, for numbers with gaps, labels without a segment and a labelmap
    without any labelled voxel: return no Segmentation then.
    """

    labelmap: NDArray[Any]
    segments: Sequence[Segment]
    kind: ClassVar[str] = "segmentation"

    def __post_init__(self) -> None:
        check_numbers(self.segments)
        _check_labels(self.labelmap, len(self.segments))

    def segment(self, number: int) -> Segment:
        """The segment with this number."""
        return self.segments[number - 1]

    @property
    def names(self) -> dict[int, str]:
        """The segments' labels by number."""
        return names_of(self.segments)

    def to_dicom(self, context: ResultContext) -> Dataset:
        """The SEG, BINARY without empty frames or LABELMAP in RLE, as the job's destinations take it.

        Raises InvalidResult when the labelmap does not have the volume's shape, or, of a volume that was
        resampled, marks nothing on the source's slices.
        """
        labelmap = self.on_source(context.volume)
        if context.run.job.segmentation == "labelmap":
            return _labelmap(labelmap, self.segments, context)
        return _binary(labelmap, self.segments, context)

    def check_written(self, content: bytes, context: ResultContext) -> None:
        """Compare every frame of the written object with the labelmap.  Raises WrongGeometry."""
        volume, names = context.volume, self.names
        labelmap = self.on_source(volume)
        check_resampled(self.labelmap, labelmap, volume, names)
        check_frames(content, volume, Expected(_wanted(labelmap), int(np.count_nonzero(labelmap)), names))

    def on_source(self, volume: Volume) -> NDArray[Any]:
        """The labelmap on the source's slices; Segmentation.to_dicom says when it raises InvalidResult."""
        _check_grid(self.labelmap, volume)
        labelmap = volume.labels_on_source(self.labelmap)
        if not labelmap.any():
            raise InvalidResult(
                "The labelmap marks nothing on the source's own slices.",
                "What it marks is thinner than they are apart: return no Segmentation then.",
            )
        return labelmap.astype(label_dtype(len(self.segments)), copy=False)


def _wanted(labelmap: NDArray[Any]) -> Wanted:
    """The mask of a segment on a slice, or for segment 0 the labels of the slice."""
    return lambda index, number: labelmap[index] == number if number else labelmap[index]


def put_pixels(dataset: Dataset, pixels: bytes, encapsulated: bool = False) -> None:
    """PixelData (OB) as the bytes of the file; encapsulated has no length of its own (PS3.5 section A.4)."""
    tag, length = Tag("PixelData"), UNDEFINED_LENGTH if encapsulated else len(pixels)
    dataset[tag] = RawDataElement(tag, "OB", length, pixels, 0, False, True)


def _check_labels(labelmap: NDArray[Any], segments: int) -> None:
    if labelmap.ndim != 3:
        raise InvalidResult(f"The labelmap has shape {labelmap.shape}; (slices, rows, columns) is needed.")
    if labelmap.dtype.kind == "f" and not np.isfinite(labelmap).all():
        raise NotANumber("In the labelmap.")
    if labelmap.dtype.kind not in "bui":
        raise InvalidResult(f"The labelmap has dtype {labelmap.dtype}; integers or booleans are needed.")
    lowest, highest = (int(labelmap.min()), int(labelmap.max())) if labelmap.size else (0, 0)
    if lowest < 0 or highest > segments:
        raise InvalidResult(f"The labelmap holds {lowest} to {highest}; there are segments 1 to {segments}.")
    if highest == 0:
        raise InvalidResult("The labelmap is empty.", "Return no Segmentation when nothing was found.")


def _check_grid(labelmap: NDArray[Any], volume: Volume) -> None:
    if labelmap.shape != volume.array.shape:
        raise InvalidResult(
            f"The labelmap has shape {labelmap.shape}, the volume has {volume.array.shape}.",
            "Bring the labelmap back to the volume's grid before returning it.",
        )


def _binary(labelmap: NDArray[Any], segments: Sequence[Segment], context: ResultContext) -> Dataset:
    frames = binary_frames(labelmap, len(segments))
    dataset = one_frame(segments, context, "BINARY")
    put_frames(dataset, frames, context)
    put_pixels(dataset, binary_pixels(labelmap, frames))
    return dataset


def _labelmap(labelmap: NDArray[Any], segments: Sequence[Segment], context: ResultContext) -> Dataset:
    frames = labelmap_frames(labelmap)
    dataset = one_frame(segments, context, "LABELMAP")
    first, last = frames[0].slice_index, frames[-1].slice_index
    coded = encode_frames(labelmap[first : last + 1])  # those between that show nothing are left out
    put_frames(dataset, frames, context)
    put_pixels(
        dataset, encapsulate([coded[frame.slice_index - first] for frame in frames]), encapsulated=True
    )
    dataset.file_meta.TransferSyntaxUID = RLELossless
    return dataset
