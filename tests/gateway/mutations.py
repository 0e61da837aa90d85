# SPDX-License-Identifier: Apache-2.0
"""Ways to spoil a valid result in one place.  Each must be refused, and for the reason that it names."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from pydicom import Dataset
from pydicom.uid import generate_uid

Pick = Callable[[int], int]  # from a number of places, one of them
FRAMED = ("segmentation", "labelmap", "parametric-map")
ALL = (*FRAMED, "measurements", "contours", "text-report", "secondary-capture", "structure-set")


@dataclass(frozen=True)
class Mutation:
    """`spoil` changes a result of each of `kinds`; the refusal's sentence contains `says`."""

    name: str
    kinds: tuple[str, ...]
    says: str
    spoil: Callable[[Dataset, Pick], None]

    def __str__(self) -> str:
        return self.name


MUTATIONS: list[Mutation] = []


def mutation(says: str, *kinds: str) -> Callable[[Callable[[Dataset, Pick], None]], None]:
    """Add the decorated function to MUTATIONS."""

    def add(spoil: Callable[[Dataset, Pick], None]) -> None:
        MUTATIONS.append(Mutation(spoil.__name__, kinds or ALL, says, spoil))

    return add


def frame_of(dataset: Dataset, pick: Pick) -> Dataset:
    frames = dataset.PerFrameFunctionalGroupsSequence
    return frames[pick(len(frames))]


def items(dataset: Dataset) -> Iterator[Dataset]:
    """The data set and all items in it."""
    yield dataset
    for element in dataset:
        if element.VR == "SQ":
            for item in element.value:
                yield from items(item)


def holder_of(dataset: Dataset, keyword: str, pick: Pick) -> Dataset:
    """One of the items below the top level that has the attribute."""
    holders = [item for item in items(dataset) if keyword in item and item is not dataset]
    return holders[pick(len(holders))]


# whose it is, and what it says of itself


@mutation("PatientID")
def another_patient(dataset: Dataset, pick: Pick) -> None:
    dataset.PatientID = "TEST-2"


@mutation("PatientID")
def no_patient(dataset: Dataset, pick: Pick) -> None:
    del dataset.PatientID


@mutation("IssuerOfPatientID")
def an_issuer_that_did_not_come_in(dataset: Dataset, pick: Pick) -> None:
    dataset.IssuerOfPatientID = "ELSEWHERE"


@mutation("PatientName")
def another_name(dataset: Dataset, pick: Pick) -> None:
    dataset.PatientName = "Test^Other"


@mutation("StudyInstanceUID")
def another_study(dataset: Dataset, pick: Pick) -> None:
    dataset.StudyInstanceUID = generate_uid()


@mutation("SeriesDescription")
def nothing_about_research(dataset: Dataset, pick: Pick) -> None:
    dataset.SeriesDescription = "Lungs"


@mutation("ContributingEquipmentSequence")
def nothing_about_gantry(dataset: Dataset, pick: Pick) -> None:
    dataset.ContributingEquipmentSequence[0].ManufacturerModelName = "Scanner"


@mutation("SOPInstanceUID")
def another_instance_uid(dataset: Dataset, pick: Pick) -> None:
    dataset.SOPInstanceUID = generate_uid()


@mutation("SeriesInstanceUID is not the one in results.json")
def another_series_uid(dataset: Dataset, pick: Pick) -> None:
    dataset.SeriesInstanceUID = generate_uid()


@mutation("leading zero", "segmentation", "measurements")
def a_malformed_uid(dataset: Dataset, pick: Pick) -> None:
    dataset.add_new(0x00081155 if "SegmentSequence" not in dataset else 0x00209164, "UI", "1.2.03")


# what it refers to


@mutation("neither in the input set", *FRAMED, "measurements", "contours", "structure-set")
def a_reference_to_a_stranger(dataset: Dataset, pick: Pick) -> None:
    holder_of(dataset, "ReferencedSOPInstanceUID", pick).ReferencedSOPInstanceUID = generate_uid()


@mutation("refers to", *FRAMED, "measurements", "contours", "structure-set")
def a_reference_to_nothing(dataset: Dataset, pick: Pick) -> None:
    holder_of(dataset, "ReferencedSOPInstanceUID", pick).ReferencedSOPInstanceUID = ""


@mutation("another SOP class", *FRAMED, "measurements", "contours")
def a_reference_with_another_class(dataset: Dataset, pick: Pick) -> None:
    holder_of(dataset, "ReferencedSOPClassUID", pick).ReferencedSOPClassUID = "1.2.840.10008.5.1.4.1.1.4"


@mutation("another series", *FRAMED, "measurements", "contours", "structure-set")
def a_reference_within_another_series(dataset: Dataset, pick: Pick) -> None:
    holder_of(dataset, "SeriesInstanceUID", pick).SeriesInstanceUID = generate_uid()


@mutation("another study", "measurements", "contours")
def evidence_of_another_study(dataset: Dataset, pick: Pick) -> None:
    holder_of(dataset, "StudyInstanceUID", pick).StudyInstanceUID = generate_uid()


@mutation("a frame that it does not have", *FRAMED)
def a_frame_that_is_not_there(dataset: Dataset, pick: Pick) -> None:
    source = frame_of(dataset, pick).DerivationImageSequence[0].SourceImageSequence[0]
    source.ReferencedFrameNumber = 2


@mutation("a segment that it does not have", "measurements")
def a_segment_that_is_not_there(dataset: Dataset, pick: Pick) -> None:
    holder_of(dataset, "ReferencedSegmentNumber", pick).ReferencedSegmentNumber = 7


# where it lies


@mutation("ImagePositionPatient", *FRAMED)
def a_frame_off_its_slice(dataset: Dataset, pick: Pick) -> None:
    position = frame_of(dataset, pick).PlanePositionSequence[0].ImagePositionPatient
    position[pick(3)] += 0.4


@mutation("ImagePositionPatient", *FRAMED)
def a_frame_on_another_slice(dataset: Dataset, pick: Pick) -> None:
    position = frame_of(dataset, pick).PlanePositionSequence[0].ImagePositionPatient
    position[2] += 2.5


@mutation("ImagePositionPatient", *FRAMED)
def a_frame_without_a_place(dataset: Dataset, pick: Pick) -> None:
    del frame_of(dataset, pick).PlanePositionSequence


@mutation("ImagePositionPatient", *FRAMED)
def a_frame_drawn_over_another_image(dataset: Dataset, pick: Pick) -> None:
    frames = dataset.PerFrameFunctionalGroupsSequence
    images = {
        frame.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID for frame in frames
    }
    image = frame_of(dataset, pick).DerivationImageSequence[0].SourceImageSequence[0]
    others = sorted(images - {image.ReferencedSOPInstanceUID})
    image.ReferencedSOPInstanceUID = others[pick(len(others))]


@mutation("DerivationImageSequence", *FRAMED)
def a_frame_without_a_source(dataset: Dataset, pick: Pick) -> None:
    del frame_of(dataset, pick).DerivationImageSequence


@mutation("DerivationImageSequence", *FRAMED)
def a_frame_with_an_empty_source(dataset: Dataset, pick: Pick) -> None:
    frame_of(dataset, pick).DerivationImageSequence[0].SourceImageSequence = []


@mutation("ImageOrientationPatient", *FRAMED)
def mirrored(dataset: Dataset, pick: Pick) -> None:
    plane = dataset.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence[0]
    plane.ImageOrientationPatient = [-1, 0, 0, 0, 1, 0] if pick(2) else [1, 0, 0, 0, -1, 0]


@mutation("ImageOrientationPatient", *FRAMED)
def without_orientation(dataset: Dataset, pick: Pick) -> None:
    del dataset.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence


@mutation("PixelSpacing", *FRAMED)
def rows_and_columns_swapped(dataset: Dataset, pick: Pick) -> None:
    measures = dataset.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
    measures.PixelSpacing = list(reversed(measures.PixelSpacing))


@mutation("rows and columns", *FRAMED)
def another_shape(dataset: Dataset, pick: Pick) -> None:
    dataset.Rows, dataset.Columns = dataset.Columns, dataset.Rows


@mutation("FrameOfReferenceUID", *FRAMED)
def another_frame_of_reference(dataset: Dataset, pick: Pick) -> None:
    dataset.FrameOfReferenceUID = generate_uid()


@mutation("FrameOfReferenceUID", *FRAMED)
def no_frame_of_reference(dataset: Dataset, pick: Pick) -> None:
    del dataset.FrameOfReferenceUID


@mutation("ReferencedSeriesSequence", *FRAMED)
def no_referenced_series(dataset: Dataset, pick: Pick) -> None:
    del dataset.ReferencedSeriesSequence


@mutation("NumberOfFrames", "labelmap")
def a_frame_too_many(dataset: Dataset, pick: Pick) -> None:
    dataset.NumberOfFrames += 1


@mutation("SegmentSequence", "segmentation")
def a_frame_of_an_unknown_segment(dataset: Dataset, pick: Pick) -> None:
    frame_of(dataset, pick).SegmentIdentificationSequence[0].ReferencedSegmentNumber = 9


@mutation("outside the image", "contours")
def a_point_beside_the_image(dataset: Dataset, pick: Pick) -> None:
    scoord = next(item for item in items(dataset) if item.get("ValueType") == "SCOORD")
    values = list(scoord.GraphicData)
    values[pick(len(values))] = 300.0 if pick(2) else -1.0
    scoord.GraphicData = values


@mutation("numbers, not 2 for each point", "contours")
def half_a_point(dataset: Dataset, pick: Pick) -> None:
    scoord = next(item for item in items(dataset) if item.get("ValueType") == "SCOORD")
    scoord.GraphicData = list(scoord.GraphicData)[:-1]


@mutation("on which image", "contours")
def coordinates_without_an_image(dataset: Dataset, pick: Pick) -> None:
    del next(item for item in items(dataset) if item.get("ValueType") == "SCOORD").ContentSequence


@mutation("outside the source's volume", "contours")
def a_point_outside_the_patient(dataset: Dataset, pick: Pick) -> None:
    scoord = next(item for item in items(dataset) if item.get("ValueType") == "SCOORD3D")
    values = list(scoord.GraphicData)
    values[pick(len(values))] = 500.0 if pick(2) else -500.0
    scoord.GraphicData = values


@mutation("ReferencedFrameOfReferenceUID", "contours")
def a_point_in_another_space(dataset: Dataset, pick: Pick) -> None:
    holder_of(dataset, "ReferencedFrameOfReferenceUID", pick).ReferencedFrameOfReferenceUID = generate_uid()


@mutation("does not lie on a slice", "structure-set")
def a_contour_between_slices(dataset: Dataset, pick: Pick) -> None:
    contour = holder_of(dataset, "ContourData", pick)
    contour.ContourData = [value + (index % 3 == 2) for index, value in enumerate(contour.ContourData)]


@mutation("does not lie on a slice", "structure-set")
def a_tilted_contour(dataset: Dataset, pick: Pick) -> None:
    holder_of(dataset, "ContourData", pick).ContourData[5] += 0.2


@mutation("does not lie on a slice", "structure-set")
def a_contour_that_leaves_the_image(dataset: Dataset, pick: Pick) -> None:
    holder_of(dataset, "ContourData", pick).ContourData[3 * pick(4) + pick(2)] = -40.0


@mutation("names another image", "structure-set")
def a_contour_of_another_image(dataset: Dataset, pick: Pick) -> None:
    contours = dataset.ROIContourSequence[0].ContourSequence
    here = pick(len(contours))
    there = contours[here - 1].ContourImageSequence[0].ReferencedSOPInstanceUID
    contours[here].ContourImageSequence[0].ReferencedSOPInstanceUID = there


@mutation("ReferencedFrameOfReferenceUID", "structure-set")
def a_region_in_another_space(dataset: Dataset, pick: Pick) -> None:
    dataset.StructureSetROISequence[0].ReferencedFrameOfReferenceUID = generate_uid()


@mutation("ReferencedFrameOfReferenceUID", "structure-set")
def a_region_in_no_space(dataset: Dataset, pick: Pick) -> None:
    del dataset.StructureSetROISequence[0].ReferencedFrameOfReferenceUID


# what is in it


@mutation("marks nothing", "segmentation")
def an_empty_mask(dataset: Dataset, pick: Pick) -> None:
    dataset.PixelData = bytes(len(dataset.PixelData))


@mutation("pixel data", "segmentation", "parametric-map", "secondary-capture")
def fewer_pixels_than_described(dataset: Dataset, pick: Pick) -> None:
    keyword = "PixelData" if "PixelData" in dataset else "FloatPixelData"
    setattr(dataset, keyword, getattr(dataset, keyword)[:-2])


@mutation("no pixel data", "segmentation")
def no_pixels(dataset: Dataset, pick: Pick) -> None:
    dataset.PixelData = b""


@mutation("no content", "measurements", "contours", "text-report")
def an_empty_report(dataset: Dataset, pick: Pick) -> None:
    dataset.ContentSequence = []


@mutation("no contour", "structure-set")
def no_contours(dataset: Dataset, pick: Pick) -> None:
    dataset.ROIContourSequence[0].ContourSequence = []
