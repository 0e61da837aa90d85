# SPDX-License-Identifier: Apache-2.0
"""A labelmap as a DICOM Segmentation (PS3.3 A.51, labelmap A.101) on the grid of its source."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.charset import convert_encodings
from pydicom.dataelem import RawDataElement
from pydicom.encaps import encapsulate
from pydicom.tag import Tag
from pydicom.uid import ExplicitVRLittleEndian, RLELossless

from imaging_data import Volume

from ..coding import Code, codes
from ..errors import InvalidResult
from .base import ResultContext
from .colors import RGB, color_of
from .evidence import instance_item
from .frames import Frame, binary_frames, binary_pixels, functional_groups, labelmap_frames
from .guard import Expected, Wanted, check_frames, check_resampled
from .identity import CHARACTER_SET
from .rle import encode_frames


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
        _check_numbers(self.segments)
        _check_labels(self.labelmap, len(self.segments))

    def segment(self, number: int) -> Segment:
        """The segment with this number."""
        return self.segments[number - 1]

    def to_dicom(self, context: ResultContext) -> Dataset:
        """The SEG, BINARY without empty frames or LABELMAP in RLE, as the job's destinations take it.

        Raises InvalidResult when the labelmap does not have the volume's shape, or, of a volume that was
        resampled, marks nothing on the source's slices.
        """
        labelmap = self._on_source(context.volume)
        if context.run.job.segmentation == "labelmap":
            return _labelmap(labelmap, self.segments, context)
        return _binary(labelmap, self.segments, context)

    def check_written(self, content: bytes, context: ResultContext) -> None:
        """Compare every frame of the written object with the labelmap.  Raises WrongGeometry."""
        volume = context.volume
        labelmap = self._on_source(volume)
        names = {segment.number: segment.label for segment in self.segments}
        check_resampled(self.labelmap, labelmap, volume, names)
        check_frames(content, volume, Expected(_wanted(labelmap), np.count_nonzero(labelmap), names))

    def _on_source(self, volume: Volume) -> NDArray[Any]:
        """The labelmap on the source's slices."""
        _check_grid(self.labelmap, volume)
        labelmap = volume.labels_on_source(self.labelmap)
        if not labelmap.any():
            raise InvalidResult(
                "The labelmap marks nothing on the source's own slices.",
                "What it marks is thinner than they are apart: return no Segmentation then.",
            )
        return labelmap.astype(_dtype(len(self.segments)), copy=False)


def _wanted(labelmap: NDArray[Any]) -> Wanted:
    """The mask of a segment on a slice, or for segment 0 the labels of the slice."""
    return lambda index, number: labelmap[index] == number if number else labelmap[index]


def _check_numbers(segments: Sequence[Segment]) -> None:
    numbers = [segment.number for segment in segments]
    if not numbers or numbers != list(range(1, len(numbers) + 1)):
        raise InvalidResult(f"The segments are numbered {numbers}; they must be 1, 2, 3 and so on, in order.")


def _check_labels(labelmap: NDArray[Any], segments: int) -> None:
    if labelmap.ndim != 3:
        raise InvalidResult(f"The labelmap has shape {labelmap.shape}; (slices, rows, columns) is needed.")
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


def _dtype(segments: int) -> type[np.uint8] | type[np.uint16]:
    return np.uint8 if segments < 256 else np.uint16


def _binary(labelmap: NDArray[Any], segments: Sequence[Segment], context: ResultContext) -> Dataset:
    frames = binary_frames(labelmap, len(segments))
    dataset = _one_frame(segments, context, "BINARY")
    _put_frames(dataset, frames, binary_pixels(labelmap, frames), context)
    return dataset


def _labelmap(labelmap: NDArray[Any], segments: Sequence[Segment], context: ResultContext) -> Dataset:
    frames = labelmap_frames(labelmap)
    dataset = _one_frame(segments, context, "LABELMAP")
    coded = encode_frames(labelmap[[frame.slice_index for frame in frames]])
    _put_frames(dataset, frames, encapsulate(coded), context)
    _put_background_last(dataset)
    dataset.file_meta.TransferSyntaxUID = RLELossless
    dataset["PixelData"].is_undefined_length = True
    return dataset


def _one_frame(segments: Sequence[Segment], context: ResultContext, kind: str) -> Dataset:
    """A segmentation of the first slice alone: highdicom knows what belongs into the object once."""
    from highdicom.seg import Segmentation as HighdicomSegmentation

    header, info = context.source.header, context.info
    return HighdicomSegmentation(
        source_images=[header],
        pixel_array=np.ones((1, header.Rows, header.Columns), _dtype(len(segments))),
        segmentation_type=kind,
        segment_descriptions=[_description(segment, context) for segment in segments],
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


def _put_frames(dataset: Dataset, frames: Sequence[Frame], pixels: bytes, context: ResultContext) -> None:
    """Replace the one frame by all, and with it what speaks of the source's instances."""
    source = context.source
    dataset.NumberOfFrames = len(frames)
    dataset.PixelData = pixels
    dataset["PixelData"].VR = "OB"
    _put_functional_groups(dataset, functional_groups(frames, source.slices))
    del dataset.SourceImageSequence  # each frame names its own
    if not dataset.FrameOfReferenceUID:  # then there is no Frame of Reference module (PS3.3 C.7.4.1)
        del dataset.FrameOfReferenceUID, dataset.PositionReferenceIndicator
    [series] = dataset.ReferencedSeriesSequence
    series.ReferencedInstanceSequence = [instance_item(reference) for reference in source.references]
    uid = context.uid("dimensions")
    for item in (*dataset.DimensionOrganizationSequence, *dataset.DimensionIndexSequence):
        item.DimensionOrganizationUID = uid


def _put_functional_groups(dataset: Dataset, per_frame: bytes) -> None:
    """Those of each frame as bytes, which pydicom writes as they are; those of all frames as Datasets."""
    [one_frame] = dataset.SharedFunctionalGroupsSequence
    [measures] = one_frame.PixelMeasuresSequence
    shared = Dataset()
    shared.PixelMeasuresSequence = [measures]
    shared.PlaneOrientationSequence = one_frame.PlaneOrientationSequence
    dataset.SharedFunctionalGroupsSequence = [shared]
    tag = Tag("PerFrameFunctionalGroupsSequence")
    dataset[tag] = RawDataElement(tag, "SQ", len(per_frame), per_frame, 0, False, True)
    dataset.set_original_encoding(False, True, convert_encodings(CHARACTER_SET))
    if "PixelPaddingValue" in dataset:
        dataset["PixelPaddingValue"].VR = "US"  # what pydicom finds out only for objects without raw elements


def _description(segment: Segment, context: ResultContext) -> Any:
    from highdicom import AlgorithmIdentificationSequence
    from highdicom.color import CIELabColor
    from highdicom.seg import SegmentDescription
    from highdicom.sr import CodedConcept

    info = context.info
    algorithm = AlgorithmIdentificationSequence(
        name=info.name, version=info.version, family=codes.cid7162.ArtificialIntelligence
    )
    description = SegmentDescription(
        segment_number=segment.number,
        segment_label=segment.label,
        segmented_property_category=segment.category,
        segmented_property_type=segment.property_type,
        algorithm_type="AUTOMATIC",
        algorithm_identification=algorithm,
        tracking_uid=context.run.tracking_uid(segment.number, segment.label),
        tracking_id=segment.label,
        display_color=CIELabColor.from_rgb(*(segment.color or color_of(segment.number))),
    )
    if segment.laterality is not None:
        property_type = description.SegmentedPropertyTypeCodeSequence[0]
        property_type.SegmentedPropertyTypeModifierCodeSequence = [CodedConcept.from_code(segment.laterality)]
    return description


def _put_background_last(dataset: Dataset) -> None:
    """A viewer that takes colours by position in SegmentSequence then shows each segment in its own."""
    dataset.SegmentSequence = sorted(dataset.SegmentSequence, key=lambda item: item.SegmentNumber == 0)
