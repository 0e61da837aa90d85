# SPDX-License-Identifier: Apache-2.0
"""A labelmap as contours: an RT Structure Set (PS3.3 A.19) with closed planar contours on the source's slices."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.charset import convert_encodings
from pydicom.dataset import FileMetaDataset
from pydicom.tag import Tag
from pydicom.uid import ImplicitVRLittleEndian, RTStructureSetStorage

from imaging_data.characters import UTF_8

from ..errors import InvalidResult
from .base import ResultContext
from .colors import color_of
from .contours import check_contours
from .encoding import implicit_element, items, raw
from .evidence import code_item, instance_item
from .outlines import outlines
from .segmentation import Segmentation
from .segments import Segment
from .source import SourceSlice

DETACHED_STUDY = "1.2.840.10008.3.1.2.3.1"  # what RTReferencedStudySequence calls a study (retired)
DECIMALS = 4  # of a millimetre


@dataclass(frozen=True)
class RTStruct:
    """The segments of a Segmentation as regions of interest for radiotherapy systems.

    interpreted_type: RTROIInterpretedType of every region (PS3.3 C.8.8.8.1), such as ORGAN, AVOIDANCE or GTV.
    Contours are closed, on the source's own slices, half-way between pixels inside and outside; a hole is
    joined to its outline by a keyhole.  The Segmentation itself need not be among the app's results.
    """

    segmentation: Segmentation
    interpreted_type: str = "ORGAN"
    kind: ClassVar[str] = "rtstruct"

    def to_dicom(self, context: ResultContext) -> Dataset:
        """The structure set.  Raises InvalidResult for a source without a frame of reference."""
        if not context.volume.frame_of_reference_uid:
            raise InvalidResult(
                "An RTStruct, of a source without FrameOfReferenceUID.",
                "Return a Segmentation: contours lie in a frame of reference.",
            )
        segments = self.segmentation.segments
        dataset = _structure_set(context)
        dataset.StructureSetROISequence = [_region(segment, context) for segment in segments]
        dataset.RTROIObservationsSequence = [
            _observation(segment, self.interpreted_type) for segment in segments
        ]
        contours = _roi_contours(self.segmentation, context)
        dataset[Tag("ROIContourSequence")] = raw("ROIContourSequence", contours, implicit=True)
        dataset.set_original_encoding(True, True, convert_encodings(UTF_8))
        return dataset

    def check_written(self, content: bytes, context: ResultContext) -> None:
        """Fill the written contours and compare them with the labelmap.  Raises WrongGeometry."""
        labelmap = self.segmentation.on_source(context.volume)
        check_contours(content, context.volume, labelmap, self.segmentation.names)


def _structure_set(context: ResultContext) -> Dataset:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    # Explicit VR has no room for a ContourData of more than 65534 bytes (PS3.5 section 7.1.2).
    dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    dataset.SOPClassUID = RTStructureSetStorage
    dataset.Modality = "RTSTRUCT"
    dataset.OperatorsName = dataset.PositionReferenceIndicator = None
    dataset.FrameOfReferenceUID = context.volume.frame_of_reference_uid
    dataset.StructureSetLabel = "SEGMENTS"
    dataset.StructureSetName = context.info.name
    moment = context.run.job.content_datetime
    dataset.StructureSetDate, dataset.StructureSetTime = moment.strftime("%Y%m%d"), moment.strftime("%H%M%S")
    dataset.ReferencedFrameOfReferenceSequence = [_frame_of_reference(context)]
    return dataset


def _frame_of_reference(context: ResultContext) -> Dataset:
    """Which frame of reference, study, series and instances the contours were drawn on (PS3.3 C.8.8.5)."""
    references = context.source.references
    series, study, frame = Dataset(), Dataset(), Dataset()
    series.SeriesInstanceUID = references[0].series_instance_uid
    series.ContourImageSequence = [instance_item(reference) for reference in references]
    study.ReferencedSOPClassUID = DETACHED_STUDY
    study.ReferencedSOPInstanceUID = references[0].study_instance_uid
    study.RTReferencedSeriesSequence = [series]
    frame.FrameOfReferenceUID = context.volume.frame_of_reference_uid
    frame.RTReferencedStudySequence = [study]
    return frame


def _region(segment: Segment, context: ResultContext) -> Dataset:
    region = Dataset()
    region.ROINumber = segment.number
    region.ReferencedFrameOfReferenceUID = context.volume.frame_of_reference_uid
    region.ROIName = segment.label
    region.ROIGenerationAlgorithm = "AUTOMATIC"
    region.ROIGenerationDescription = f"{context.info.name} {context.info.version}"[:64]
    return region


def _observation(segment: Segment, interpreted_type: str) -> Dataset:
    observation = Dataset()
    observation.ObservationNumber = observation.ReferencedROINumber = segment.number
    observation.RTROIIdentificationCodeSequence = [code_item(segment.property_type)]
    observation.RTROIInterpretedType = interpreted_type
    observation.ROIInterpreter = None
    return observation


def _roi_contours(segmentation: Segmentation, context: ResultContext) -> bytes:
    """The value of ROIContourSequence, in Implicit VR: thousands of contours are dear as pydicom objects."""
    from scipy.ndimage import find_objects

    labelmap = segmentation.on_source(context.volume)
    boxes = [find_objects(one, len(segmentation.segments)) for one in labelmap]
    return items(
        _roi_contour(segment, items(_contours(segment.number, labelmap, boxes, context)))
        for segment in segmentation.segments
    )


def _roi_contour(segment: Segment, contours: bytes) -> bytes:
    """A region; one without voxels has no ContourSequence, which holds one item at least (PS3.3 C.8.8.6)."""
    return (
        implicit_element("ROIDisplayColor", _color(segment))
        + (implicit_element("ContourSequence", contours) if contours else b"")
        + implicit_element("ReferencedROINumber", str(segment.number).encode())
    )


def _color(segment: Segment) -> bytes:
    return "\\".join(map(str, segment.color or color_of(segment.number))).encode()


def _contours(
    number: int, labelmap: NDArray[Any], boxes: list[list[Any]], context: ResultContext
) -> Iterator[bytes]:
    """One item for each piece of the segment on each slice.  boxes: rows and columns, by slice and segment."""
    for index, piece in enumerate(context.source.slices):
        box = boxes[index][number - 1]
        if box is not None:
            first = np.array([box[0].start, box[1].start])
            for polygon in outlines(labelmap[index][box] == number):
                yield _contour(_in_patient(polygon + first, piece, context), piece)


def _in_patient(
    polygon: NDArray[np.float64], piece: SourceSlice, context: ResultContext
) -> NDArray[np.float64]:
    """Points (points, 3), mm: from the slice's own position, along the volume's rows and columns."""
    origin = np.array(piece.position, np.float64)
    return origin + polygon @ context.volume.affine[:3, 1:3].T


def _contour(points: NDArray[np.float64], piece: SourceSlice) -> bytes:
    numbers = points.reshape(-1).tolist()
    data = (f"%.{DECIMALS}f\\" * len(numbers))[:-1] % tuple(numbers)
    frame = (
        b""
        if piece.frame_number is None
        else implicit_element("ReferencedFrameNumber", str(piece.frame_number).encode())
    )
    image = (
        implicit_element("ReferencedSOPClassUID", piece.instance.sop_class_uid.encode())
        + implicit_element("ReferencedSOPInstanceUID", piece.instance.sop_instance_uid.encode())
        + frame
    )
    return (
        implicit_element("ContourImageSequence", items([image]))
        + implicit_element("ContourGeometricType", b"CLOSED_PLANAR")
        + implicit_element("NumberOfContourPoints", str(len(points)).encode())
        + implicit_element("ContourData", data.encode())
    )
