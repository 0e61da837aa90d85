# SPDX-License-Identifier: Apache-2.0
"""Contours enclose the voxels that the app marked, in the patient, and no others."""

from collections.abc import Callable

import numpy as np
import pytest
from builders import enhanced_ct
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pydicom import Dataset, dcmread
from result_files import SEGMENTS, Segmentation, ct, volume_in, write
from results_3d import context_of, file_bytes, file_of, ring
from skimage.draw import polygon2mask

from imaging_data.polygons import filled
from imaging_operators import Segment, codes
from imaging_operators.errors import WrongGeometry
from imaging_operators.results.outlines import outlines
from imaging_operators.results.rtstruct import RTStruct

TILTED = [0.8, 0.6, 0.0, 0.0, 0.0, -1.0]
NORMAL = np.cross(TILTED[:3], TILTED[3:])
SOURCES = {
    "plain": {},
    "not square": {"spacing": (2.5, 0.5, 0.75)},
    "head first": {"ImagePositionPatient": lambda index: [-7.0, 3.5, 100 - 2.5 * index]},
    "shuffled": {"InstanceNumber": lambda index: 1 + (5 * index) % 8},
    "tilted": {
        "spacing": (2.5, 0.7, 0.9),
        "ImageOrientationPatient": TILTED,
        "ImagePositionPatient": lambda index: list(map(float, 10 + 2.5 * index * NORMAL)),
    },
}


def assert_encloses(dataset: Dataset, volume, labelmap: np.ndarray) -> None:
    """Filled by scikit-image, each region on each slice is the app's; all is read by pydicom."""
    shown = np.zeros((len(SEGMENTS) + 1, *volume.shape), bool)
    to_index = np.linalg.inv(volume.affine)
    for region in dataset.ROIContourSequence:
        for contour in region.ContourSequence:
            points = np.array(contour.ContourData, float).reshape(-1, 3)
            assert contour.NumberOfContourPoints == len(points)
            assert contour.ContourGeometricType == "CLOSED_PLANAR"
            places = np.column_stack([points, np.ones(len(points))]) @ to_index.T
            index = round(float(places[0, 0]))
            assert np.allclose(places[:, 0], index, atol=1e-3)
            [image] = contour.ContourImageSequence
            assert image.ReferencedSOPInstanceUID == volume.source_of(index).sop_instance_uid
            assert image.get(
                "ReferencedFrameNumber", volume.frame_number_of(index)
            ) == volume.frame_number_of(index)
            shown[int(region.ReferencedROINumber), index] ^= polygon2mask(volume.shape[1:], places[:, 1:3])
    for number in range(1, len(shown)):
        assert np.array_equal(shown[number], labelmap == number)


@pytest.mark.parametrize("source", SOURCES)
def test_contours_enclose_what_the_app_marked(tmp_path, source):
    volume = ct(tmp_path / "ct", **SOURCES[source])
    labelmap = ring(volume)
    written = write(tmp_path / "out", volume, RTStruct(Segmentation(labelmap, SEGMENTS)))
    assert_encloses(written["rtstruct-0"], volume, labelmap)


def test_contours_name_the_frames_of_an_enhanced_source(tmp_path):
    enhanced_ct(tmp_path / "ct")
    volume = volume_in(tmp_path / "ct")
    labelmap = ring(volume)
    dataset = write(tmp_path / "out", volume, RTStruct(Segmentation(labelmap, SEGMENTS)))["rtstruct-0"]
    assert_encloses(dataset, volume, labelmap)
    contour = dataset.ROIContourSequence[0].ContourSequence[0]
    assert contour.ContourImageSequence[0].ReferencedFrameNumber == 2


def test_regions_say_what_they_are(tmp_path):
    volume = ct(tmp_path / "ct")
    segments = [
        *SEGMENTS[:1],
        Segment(2, codes.SCT.Nodule, "Nodule", color=(1, 2, 3)),
        Segment(3, codes.SCT.Heart),
    ]
    result = RTStruct(Segmentation(ring(volume), segments), "AVOIDANCE")
    dataset = write(tmp_path / "out", volume, result)["rtstruct-0"]
    assert [item.ROIName for item in dataset.StructureSetROISequence] == ["Left lung", "Nodule", "Heart"]
    assert [item.ROIDisplayColor for item in dataset.ROIContourSequence][1] == [1, 2, 3]
    assert {item.RTROIInterpretedType for item in dataset.RTROIObservationsSequence} == {"AVOIDANCE"}
    assert "ContourSequence" not in dataset.ROIContourSequence[2]
    [frame] = dataset.ReferencedFrameOfReferenceSequence
    [series] = frame.RTReferencedStudySequence[0].RTReferencedSeriesSequence
    assert series.SeriesInstanceUID == volume.series.series_instance_uid
    assert len(series.ContourImageSequence) == 8


def test_a_long_contour_is_whole(tmp_path):
    """A comb of many teeth: more bytes than an explicit VR has room for."""
    volume = ct(tmp_path / "ct", slices=2, rows=200, columns=200)
    labelmap = np.zeros(volume.shape, np.uint8)
    labelmap[0, 1:199, ::2] = labelmap[0, 100, 1:199] = 1
    dataset = write(tmp_path / "out", volume, RTStruct(Segmentation(labelmap, SEGMENTS[:1])))["rtstruct-0"]
    contour = max(dataset.ROIContourSequence[0].ContourSequence, key=lambda one: one.NumberOfContourPoints)
    assert contour.NumberOfContourPoints > 600


@settings(max_examples=60, deadline=None)
@given(arrays(bool, st.tuples(st.integers(1, 12), st.integers(1, 12))))
def test_outlines_filled_are_the_mask_again(mask):
    polygons = list(outlines(mask))
    assert np.array_equal(filled(polygons, mask.shape), mask)
    by_scikit_image = np.zeros(mask.shape, bool)
    for polygon in polygons:
        by_scikit_image ^= polygon2mask(mask.shape, polygon)
    assert np.array_equal(by_scikit_image, mask)


def shift(axis: int, mm: float) -> Callable[[Dataset], None]:
    def change(dataset: Dataset) -> None:
        for contour in contours(dataset):
            contour.ContourData[axis::3] = [
                f"{float(value) + mm:.4f}" for value in contour.ContourData[axis::3]
            ]

    return change


def contours(dataset: Dataset) -> list[Dataset]:
    return [contour for region in dataset.ROIContourSequence for contour in region.ContourSequence]


def mirror(axis: int) -> Callable[[Dataset], None]:
    def change(dataset: Dataset) -> None:
        for contour in contours(dataset):
            values = [float(value) for value in contour.ContourData[axis::3]]
            contour.ContourData[axis::3] = [f"{max(values) + min(values) - value:.4f}" for value in values]

    return change


def change_over(dataset: Dataset) -> None:
    for contour in contours(dataset):
        data = contour.ContourData
        data[0::3], data[1::3] = data[1::3], data[0::3]


def swap_references(dataset: Dataset) -> None:
    one, other = contours(dataset)[0], contours(dataset)[-1]
    one.ContourImageSequence, other.ContourImageSequence = (
        other.ContourImageSequence,
        one.ContourImageSequence,
    )


def swap_regions(dataset: Dataset) -> None:
    one, other = dataset.ROIContourSequence
    one.ReferencedROINumber, other.ReferencedROINumber = 2, 1


def drop(dataset: Dataset) -> None:
    del dataset.ROIContourSequence[0].ContourSequence[0]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (shift(0, 0.75), r"segment 1 \(Left lung\) is off by 0.75 mm"),
        (shift(1, -0.5), "is off by 0.5 mm"),
        (shift(2, 2.5), "lies 2.5 mm off"),
        (mirror(0), "is off by"),
        (mirror(1), "is off by"),
        (change_over, r"is off by|marked nothing|leaves the image"),
        (shift(0, 500.0), "leaves the image"),
        (swap_references, "mm off"),
        (swap_regions, "segment"),
        (drop, "enclose .* voxels, the app marked"),
    ],
)
def test_contours_that_lie_elsewhere_do_not_leave(tmp_path, change, words):
    volume = ct(tmp_path / "ct", spacing=(2.5, 0.5, 0.75))
    result = RTStruct(Segmentation(ring(volume), SEGMENTS))
    written = write(tmp_path / "out", volume, result)
    dataset = dcmread(file_of(written.folder, "rtstruct"))
    result.check_written(file_bytes(dataset), context_of(result, volume))
    change(dataset)
    with pytest.raises(WrongGeometry, match=words):
        result.check_written(file_bytes(dataset), context_of(result, volume))
