# SPDX-License-Identifier: Apache-2.0
"""Segmentations and structure sets become label maps: the voxels that their makers meant, and a table."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK
from builders import ct_series
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from label_files import HOLE, OUTER, seg, structure_set
from pydicom import Dataset, dcmread
from skimage.draw import polygon2mask

from imaging_data import UnreadableInstance, UnsupportedPixels, find_instances, read_volume
from imaging_data.convert import FromDicom, convert_from_dicom, layout_of, read_segmentation
from imaging_data.convert.errors import AnotherGrid
from imaging_data.instances import read_instance

SHAPE = (6, 11, 19)  # frames of single bits that do not fill whole bytes
TILTED = {
    "spacing": (2.5, 0.7, 0.9),
    "ImageOrientationPatient": [0.8, 0.6, 0.0, 0.0, 0.0, -1.0],
    "ImagePositionPatient": lambda index: [10 - 1.5 * index, 10 + 2.0 * index, 10.0],
}


@pytest.fixture(scope="module", params=["axial", "tilted"])
def source(request, tmp_path_factory) -> Path:
    """The folder of a series of SHAPE."""
    folder = tmp_path_factory.mktemp("source") / "ct"
    ct_series(folder, *SHAPE, **(TILTED if request.param == "tilted" else {}))
    return folder


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    pixels=arrays(np.uint8, SHAPE, elements=st.integers(0, 3)), kind=st.sampled_from(["BINARY", "LABELMAP"])
)
def test_label_maps_are_as_they_were_written(source, tmp_path, pixels, kind):
    if not pixels.any():
        pixels[2, 3, 4] = 1
    path = seg(source, tmp_path / "seg.dcm", pixels, kind)
    layout = layout_of(find_instances(source).series[0])
    labels = read_segmentation(read_instance(path), layout.grid)
    assert labels.grid is layout.grid
    found = sum(labels.mask(one.number) * one.number for one in labels.segments)
    assert np.array_equal(found, pixels)


def test_fractions_stay_fractions(source, tmp_path):
    fractions = np.random.default_rng(1).random((*SHAPE, 2), np.float32)
    path = seg(source, tmp_path / "seg.dcm", fractions, "FRACTIONAL")
    made = convert_from_dicom(path, tmp_path / "out.nii.gz", FromDicom(reference=source)).files
    assert [one.name for one in made] == ["out-segment-1.nii.gz", "out-segment-2.nii.gz", "out.json"]
    for number in (0, 1):
        values = np.asarray(nibabel.load(made[number]).dataobj)
        assert np.abs(values.T - fractions[..., number]).max() <= 0.5 / 200 + 1e-6


def test_overlapping_segments_go_into_layers(source, tmp_path):
    pixels = np.zeros((*SHAPE, 3), np.uint8)
    pixels[1:4, 2:8, 2:8, 0] = pixels[2:5, 4:10, 4:10, 1] = pixels[0, :2, :2, 2] = 1
    path = seg(source, tmp_path / "seg.dcm", pixels, "BINARY")
    first, second, table = convert_from_dicom(path, tmp_path / "out.nrrd", FromDicom(source)).files
    assert (first.name, second.name) == ("out-layer-1.nrrd", "out-layer-2.nrrd")
    rows = json.loads(table.read_text())["segments"]
    assert [(row["number"], row["label"], row["file"]) for row in rows] == [
        (1, "Spleen", first.name), (2, "Liver", second.name), (3, "Kidney", first.name)
    ]  # fmt: skip
    assert rows[0]["kind"] == {"value": "78961009", "scheme": "SCT", "meaning": "Spleen"}
    for row in rows:
        layer = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(tmp_path / row["file"])))
        assert np.array_equal(layer == row["value"], pixels[..., row["number"] - 1])
    each = convert_from_dicom(path, tmp_path / "each.nii", FromDicom(source, each_segment=True)).files
    masks = [np.asarray(nibabel.load(one).dataobj).T for one in each[:-1]]
    assert np.array_equal(np.stack(masks, axis=-1), pixels)


def test_without_its_series_frames_between_are_empty(source, tmp_path):
    pixels = np.zeros(SHAPE, np.uint8)
    pixels[1, 2, 3] = pixels[4, 5, 6] = 1
    path = seg(source, tmp_path / "seg.dcm", pixels, "BINARY")
    labels = read_segmentation(read_instance(path))
    assert np.array_equal(labels.mask(1), pixels[1:5] == 1)
    layout = layout_of(find_instances(source).series[0])
    assert np.allclose(labels.grid.affine @ [0, 2, 3, 1], layout.grid.affine @ [1, 2, 3, 1], atol=1e-4)


def test_a_series_that_lacks_slices_leaves_the_segmentation(source, tmp_path):
    pixels = np.zeros(SHAPE, np.uint8)
    pixels[1:4, 2, 3] = 1
    seg(source, tmp_path / "in" / "seg.dcm", pixels, "BINARY")
    for path in sorted(source.iterdir())[:2] + sorted(source.iterdir())[3:]:
        shutil.copy(path, tmp_path / "in")
    made = convert_from_dicom(tmp_path / "in", tmp_path / "out.nii")
    assert [one.modality for one in made.series] == ["SEG"]
    assert "Slices are missing" in made.skipped[0].reason
    assert np.asarray(nibabel.load(made.files[0]).dataobj).T[:, 2, 3].tolist() == [1, 1, 1]


@pytest.mark.parametrize("name", ["liver.dcm", "partial_overlaps.dcm"])
def test_dcmqi_reads_the_same_of_the_samples(samples, tmp_path, name):
    program = shutil.which("segimage2itkimage", path=Path(sys.executable).parent)
    if program is None:
        pytest.skip("dcmqi is not installed")
    path = samples / "seg_ct3slice_liver" / name
    command = [program, "--inputDICOM", path, "--outputDirectory", tmp_path, "--outputType", "nrrd"]
    subprocess.run(command, check=True, capture_output=True)
    labels = read_segmentation(read_instance(path))
    for segment in labels.segments:
        image = SimpleITK.ReadImage(str(tmp_path / f"{segment.number}.nrrd"))
        theirs = SimpleITK.GetArrayFromImage(image) > 0
        start = np.linalg.inv(labels.grid.affine) @ [*image.GetOrigin(), 1]
        ours = labels.mask(segment.number)[round(start[0]) :][: len(theirs)]
        assert theirs.sum() == labels.mask(segment.number).sum() > 0
        assert np.array_equal(ours, theirs)


def break_segments(dataset: Dataset) -> None:
    dataset.SegmentSequence[0].SegmentNumber = 7


def break_pixels(dataset: Dataset) -> None:
    dataset.PixelData = dataset.PixelData[:10]


def break_frames(dataset: Dataset) -> None:
    for groups in (*dataset.SharedFunctionalGroupsSequence, *dataset.PerFrameFunctionalGroupsSequence):
        groups.pop("SegmentIdentificationSequence", None)


@pytest.mark.parametrize(
    ("breaking", "says"),
    [
        (break_segments, "of segment 1, which it does not describe"),
        (break_pixels, "pixel data have 10 bytes where"),
        (break_frames, "does not say of which segment"),
    ],
)
def test_a_damaged_segmentation_is_refused_and_leaves_nothing(source, tmp_path, breaking, says):
    path = seg(source, tmp_path / "seg.dcm", np.ones(SHAPE, np.uint8), "BINARY")
    dataset = dcmread(path)
    breaking(dataset)
    dataset.save_as(path)
    with pytest.raises(UnreadableInstance, match=says):
        convert_from_dicom(path, tmp_path / "new" / "out.nii")
    assert [one.name for one in tmp_path.iterdir()] == ["seg.dcm"]


def test_a_number_that_no_segment_has_is_refused(source, tmp_path):
    path = seg(source, tmp_path / "seg.dcm", np.ones(SHAPE, np.uint8), "LABELMAP")
    dataset = dcmread(path)
    dataset.PixelData = dataset.PixelData.replace(b"\x01", b"\x05", 1)
    dataset.save_as(path)
    with pytest.raises(UnreadableInstance, match="hold 5, which no segment"):
        read_segmentation(path)


def test_an_image_is_no_segmentation(source):
    with pytest.raises(UnsupportedPixels, match="no segmentation"):
        read_segmentation(sorted(source.iterdir())[0])


def test_contours_are_filled_with_their_holes(source, tmp_path):
    path = structure_set(source, tmp_path / "rt.dcm", [(2, OUTER), (2, HOLE), (4, HOLE)])
    made = convert_from_dicom(path, tmp_path / "out.nii.gz", FromDicom(reference=source))
    image, table = made.files
    found = np.asarray(nibabel.load(image).dataobj).T
    wanted = np.zeros(SHAPE, np.uint8)
    outer, hole = (polygon2mask(SHAPE[1:], np.array(points)) for points in (OUTER, HOLE))
    wanted[2][outer & ~hole] = wanted[4][hole] = 3
    assert np.array_equal(found, wanted)
    [row] = json.loads(table.read_text())["segments"]
    assert (row["number"], row["label"], row["algorithm"]) == (3, "Lesion 病変", "MANUAL")
    volume = read_volume(find_instances(source).series[0])
    assert np.allclose(json.loads(table.read_text())["affine"], volume.affine)


@pytest.mark.parametrize(
    ("polygons", "attributes", "error", "says"),
    [
        ([(2.5, OUTER)], {}, AnotherGrid, "0.50 slices off"),
        ([(9, OUTER)], {}, AnotherGrid, "beyond the series"),
        ([(2, OUTER)], {"ContourData": ["0"] * 7}, UnreadableInstance, "region 3 is no polygon"),
    ],
)
def test_contours_of_another_series_are_refused(source, tmp_path, polygons, attributes, error, says):
    path = structure_set(source, tmp_path / "rt.dcm", polygons, **attributes)
    with pytest.raises(error, match=says):
        convert_from_dicom(path, tmp_path / "out.nii.gz", FromDicom(reference=source))


def test_contours_without_their_series_say_which_option_helps(source, tmp_path):
    path = structure_set(source, tmp_path / "rt.dcm", [(2, OUTER)])
    with pytest.raises(AnotherGrid) as caught:
        convert_from_dicom(path, tmp_path / "out.nii.gz")
    assert "--reference" in caught.value.hint


def test_a_contour_far_outside_costs_nothing(source, tmp_path):
    far = [(-1e9, -1e9), (-1e9, 1e9), (1e9, 1e9), (1e9, -1e9)]
    path = structure_set(source, tmp_path / "rt.dcm", [(2, far)])
    [image, _] = convert_from_dicom(path, tmp_path / "out.nii", FromDicom(reference=source)).files
    assert (np.asarray(nibabel.load(image).dataobj).T[2] == 3).all()
