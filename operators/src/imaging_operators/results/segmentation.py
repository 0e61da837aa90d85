# SPDX-License-Identifier: Apache-2.0
"""A labelmap as a DICOM Segmentation (PS3.3 A.51, labelmap A.101) on the grid of its source."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import ExplicitVRLittleEndian, RLELossless

from imaging_data import Volume

from ..coding import Code, codes
from ..errors import InvalidResult
from .base import ResultContext
from .colors import RGB, color_of
from .rle import encode_frames


@dataclass(frozen=True)
class Segment:
    """One structure: the voxels whose label is `number`.

    number: 1 to N, without gaps within a segmentation.
    label: what a viewer shows, at most 64 characters.
    property_type, category: what it is (PS3.16 CID 7151 and 7150).
    color: red, green, blue from 0 to 255; without one, a colour that can be told from the others.
    laterality: codes.SCT.Left or codes.SCT.Right (CID 244), for one of a pair.
    """

    number: int
    label: str
    property_type: Code
    category: Code = codes.SCT.Organ
    color: RGB | None = None
    laterality: Code | None = None

    def __post_init__(self) -> None:
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

        Raises InvalidResult when the labelmap does not have the volume's shape.
        """
        _check_grid(self.labelmap, context.volume)
        frames = _in_source_order(self.labelmap.astype(_dtype(len(self.segments))), context.volume)
        binary = context.run.job.segmentation == "binary"
        dataset = _highdicom_segmentation(frames, self, context, "BINARY" if binary else "LABELMAP")
        if not binary:
            _put_background_last(dataset)
            _compress(dataset)
        _fix_uids(dataset, context)
        return dataset


def _check_numbers(segments: Sequence[Segment]) -> None:
    numbers = [segment.number for segment in segments]
    if not numbers or numbers != list(range(1, len(numbers) + 1)):
        raise InvalidResult(f"The segments are numbered {numbers}; they must be 1, 2, 3 and so on, in order.")


def _check_labels(labelmap: NDArray[Any], segments: int) -> None:
    if labelmap.ndim != 3:
        raise InvalidResult(f"The labelmap has shape {labelmap.shape}; (slices, rows, columns) is needed.")
    if labelmap.dtype.kind not in "bui":
        raise InvalidResult(f"The labelmap has dtype {labelmap.dtype}; integers or booleans are needed.")
    lowest, highest = int(labelmap.min()), int(labelmap.max())
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


def _in_source_order(labelmap: NDArray[Any], volume: Volume) -> NDArray[Any]:
    """The slices in the order of the source's frames: as they are, unless one instance holds many frames."""
    numbers = np.array([frame for _, frame in volume.sources])
    if (numbers == 1).all():
        return labelmap
    return labelmap[np.argsort(numbers, kind="stable")]


def _highdicom_segmentation(
    frames: NDArray[Any], segmentation: Segmentation, context: ResultContext, kind: str
) -> Dataset:
    from highdicom.seg import Segmentation as HighdicomSegmentation

    info = context.info
    return HighdicomSegmentation(
        source_images=context.sources,
        pixel_array=frames,
        segmentation_type=kind,
        segment_descriptions=[_description(segment, context) for segment in segmentation.segments],
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
        omit_empty_frames=True,
    )


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


def _compress(dataset: Dataset) -> None:
    dtype = np.uint8 if dataset.BitsAllocated == 8 else np.dtype("<u2")
    shape = (int(dataset.NumberOfFrames), dataset.Rows, dataset.Columns)
    frames = np.frombuffer(dataset.PixelData, dtype, count=int(np.prod(shape))).reshape(shape)
    dataset.file_meta.TransferSyntaxUID = RLELossless
    dataset.PixelData = encapsulate(encode_frames(frames))
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = True


def _fix_uids(dataset: Dataset, context: ResultContext) -> None:
    """highdicom draws the dimension organisation's UID at random; ours is derived."""
    uid = context.uid("dimensions")
    for item in (*dataset.DimensionOrganizationSequence, *dataset.DimensionIndexSequence):
        item.DimensionOrganizationUID = uid
