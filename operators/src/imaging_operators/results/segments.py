# SPDX-License-Identifier: Apache-2.0
"""The segments of a segmentation: what each is, and how the object describes them."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from pydicom import Dataset
from pydicom.tag import Tag
from pydicom.uid import ExplicitVRLittleEndian

from ..coding import Code, codes
from ..errors import InvalidResult
from .base import ResultContext
from .colors import RGB, color_of
from .encoding import element, encoded, items, raw, sequence, text

ALGORITHM = ("SegmentationAlgorithmIdentificationSequence", "SegmentAlgorithmType", "SegmentAlgorithmName")


@dataclass(frozen=True)
class Segment:
    """One structure: the voxels whose label is `number`.

    number: 1 to N, without gaps within a segmentation.
    property_type, category: what it is (PS3.16 CID 7151 and 7150).
    label: what a viewer shows, at most 64 characters; without one, the meaning of property_type.
    color: red, green, blue from 0 to 255; without one, a colour that can be told from the others.
    laterality: codes.SCT.Left or codes.SCT.Right (CID 244), for one of a pair.
    """

    number: int
    property_type: Code
    label: str = ""
    category: Code = codes.SCT.Organ
    color: RGB | None = None
    laterality: Code | None = None

    def __post_init__(self) -> None:
        if not self.label:
            object.__setattr__(self, "label", self.property_type.meaning)
        if not 0 < len(self.label) <= 64 or "\\" in self.label:
            raise InvalidResult(
                f"Segment label {self.label!r} must have 1 to 64 characters and no backslash."
            )
        if self.color is not None and not all(0 <= part <= 255 for part in self.color):
            raise InvalidResult(f"Segment {self.label!r} has color {self.color}; each part is 0 to 255.")


def check_numbers(segments: Sequence[Segment]) -> None:
    """Raises InvalidResult unless they are numbered 1, 2, 3 and so on, in order."""
    numbers = [segment.number for segment in segments]
    if not numbers or numbers != list(range(1, len(numbers) + 1)):
        raise InvalidResult(f"The segments are numbered {numbers}; they must be 1, 2, 3 and so on, in order.")


def one_frame(segments: Sequence[Segment], context: ResultContext, kind: str) -> Dataset:
    """A segmentation of the first slice alone: highdicom knows what belongs into the object once.

    It describes the first segment; the others' descriptions follow its example.
    """
    from highdicom.seg import Segmentation as HighdicomSegmentation

    header, info = context.source.header, context.info
    dataset = HighdicomSegmentation(
        source_images=[header],
        pixel_array=np.ones((1, header.Rows, header.Columns), label_dtype(len(segments))),
        segmentation_type=kind,
        segment_descriptions=[_description(segments[0], context)],
        series_instance_uid=context.uid("series"),
        series_number=1,
        sop_instance_uid=context.uid("instance"),
        instance_number=1,
        manufacturer=info.creator,
        manufacturer_model_name=info.name,
        software_versions=info.version,
        device_serial_number=context.run.digest[:16],
        content_label="SEGMENTATION",
        transfer_syntax_uid=ExplicitVRLittleEndian,
    )
    if kind == "LABELMAP":  # highdicom takes as many bits as the one description needs
        dataset.BitsAllocated = dataset.BitsStored = 8 * label_dtype(len(segments))().itemsize
        dataset.HighBit = dataset.BitsStored - 1
    first = {item.SegmentNumber: item for item in dataset.SegmentSequence}
    algorithm = _algorithm(first[1])
    described = [_described(segment, algorithm, context) for segment in segments]
    # Background, too: each value in PixelData must be described (PS3.3 C.8.20.2.3), PixelPaddingValue says which
    # is none.  Last: a viewer that takes colours by their position here shows each segment in its own.
    described += [encoded(first[0])] if 0 in first else []
    dataset[Tag("SegmentSequence")] = raw("SegmentSequence", items(described))
    return dataset


def names_of(segments: Sequence[Segment]) -> dict[int, str]:
    """The labels by number."""
    return {segment.number: segment.label for segment in segments}


def label_dtype(segments: int) -> type[np.uint8] | type[np.uint16]:
    """The smallest that holds the numbers of so many segments."""
    return np.uint8 if segments < 256 else np.uint16


def _description(segment: Segment, context: ResultContext) -> Any:
    from highdicom import AlgorithmIdentificationSequence
    from highdicom.color import CIELabColor
    from highdicom.seg import SegmentDescription

    info = context.info
    algorithm = AlgorithmIdentificationSequence(
        name=info.name, version=info.version, family=codes.cid7162.ArtificialIntelligence
    )
    return SegmentDescription(
        segment_number=segment.number,
        segment_label=segment.label,
        segmented_property_category=segment.category,
        segmented_property_type=segment.property_type,
        algorithm_type="AUTOMATIC",
        algorithm_identification=algorithm,
        display_color=CIELabColor.from_rgb(*color_of(1)),  # without one the background has none either
    )


def _algorithm(described: Dataset) -> bytes:
    """What made the segment: the same for all."""
    algorithm = Dataset()
    for keyword in ALGORITHM:
        algorithm[keyword] = described[keyword]
    return encoded(algorithm)


def _described(segment: Segment, algorithm: bytes, context: ResultContext) -> bytes:
    """An item of SegmentSequence (PS3.3 C.8.20.4)."""
    from highdicom.color import CIELabColor

    color = CIELabColor.from_rgb(*(segment.color or color_of(segment.number)))
    modifier = segment.laterality and sequence(
        "SegmentedPropertyTypeModifierCodeSequence", coded(segment.laterality)
    )
    return (
        sequence("SegmentedPropertyCategoryCodeSequence", coded(segment.category))
        + element("SegmentNumber", struct.pack("<H", segment.number))
        + text("SegmentLabel", segment.label)
        + algorithm
        + element("RecommendedDisplayCIELabValue", struct.pack("<3H", *color.value))
        + sequence("SegmentedPropertyTypeCodeSequence", coded(segment.property_type) + (modifier or b""))
        + text("TrackingID", segment.label)
        + text("TrackingUID", context.run.tracking_uid(segment.number, segment.label))
    )


@lru_cache(maxsize=512)
def coded(code: Code) -> bytes:
    """The content of the item of a code sequence (PS3.3 table 8.8-1)."""
    from highdicom.sr import CodedConcept

    return encoded(CodedConcept.from_code(code))
