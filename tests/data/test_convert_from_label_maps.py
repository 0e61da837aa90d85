# SPDX-License-Identifier: Apache-2.0
"""Label maps become Segmentations of the series that they lie on, whatever the order of their axes."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import highdicom
import nibabel
import numpy as np
import pytest
import SimpleITK
from builders import ct_series, enhanced_ct, mr_series
from dicom_tools import dciodvfy_errors
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from label_files import HOLE, structure_set
from pydicom import dcmread
from pydicom.uid import generate_uid
from skimage.draw import polygon2mask

from imaging_data import NoMatchingSeries, OverlappingPhases, find_instances, read_volume
from imaging_data.convert import (
    FromDicom,
    ToSegmentation,
    convert_from_dicom,
    labels_to_seg,
    layout_of,
    read_segmentation,
    to_nifti,
)
from imaging_data.convert.errors import (
    AnotherGrid,
    AnotherPatient,
    NothingToConvert,
    NotLabels,
    TargetExists,
    UnreadableInput,
)
from imaging_data.errors import MissingFolder
from imaging_data.instances import read_instance

SHAPE = (5, 9, 13)  # an odd number of pixels a frame
TURNED = {
    "spacing": (2.5, 0.7, 0.9),
    "ImageOrientationPatient": [0.8, 0.6, 0.0, 0.0, 0.0, -1.0],
    "ImagePositionPatient": lambda index: [10 - 1.5 * index, 10 + 2.0 * index, 10.0],
}

SQUARE = [(0.5, 2.5), (0.5, 11.5), (7.5, 11.5), (7.5, 2.5)]


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    """The folder of an oblique series of SHAPE, whose patient's name is Japanese."""
    folder = tmp_path_factory.mktemp("source") / "ct"
    name = "Yamada^Tarou=山田^太郎"
    ct_series(folder, *SHAPE, SpecificCharacterSet="ISO_IR 192", PatientName=name, **TURNED)
    return folder


def label_map() -> np.ndarray:
    """Three labels, one of them a single voxel at the edge."""
    labels = np.zeros(SHAPE, np.uint8)
    labels[1:3, 2:6, 3:9], labels[3, 4:, :2], labels[4, 7, 11] = 1, 4, 9
    return labels


def as_nifti(source: Path, labels: np.ndarray, path: Path, axes: str = "RAS") -> Path:
    """`labels`, which lie on the volume of `source`, as a NIfTI file with its axes in another order."""
    image = to_nifti(read_volume(find_instances(source).series[0]))
    plain = nibabel.Nifti1Image(labels.T, image.affine)
    start = nibabel.io_orientation(plain.affine)
    wanted = nibabel.orientations.axcodes2ornt(axes)
    plain.as_reoriented(nibabel.orientations.ornt_transform(start, wanted)).to_filename(path)
    return path


def written(labels: Path, template: Path, target: Path, **options) -> np.ndarray:
    """The label map that highdicom reads out of the Segmentation, on the volume of `template`."""
    [path] = labels_to_seg(labels, template, target, ToSegmentation(**options)).files
    volume = read_volume(find_instances(template).series[0]).to_highdicom()
    seg = highdicom.seg.segread(path)
    return seg.get_volume(combine_segments=True, relabel=False).match_geometry(volume).array


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    axes=st.permutations(["RL", "AP", "SI"]).flatmap(lambda pairs: st.tuples(*map(st.sampled_from, pairs))),
    kind=st.sampled_from(["binary", "labelmap"]),
)
def test_axes_are_turned_and_reversed(source, tmp_path, axes, kind):
    path = as_nifti(source, label_map(), tmp_path / "labels.nii.gz", "".join(axes))
    target = tmp_path / f"{len(list(tmp_path.iterdir()))}.dcm"
    found = written(path, source, target, kind=kind)
    wanted = label_map()
    if kind == "binary":
        wanted = np.select([wanted == 4, wanted == 9], [np.uint8(2), np.uint8(3)], wanted)
    assert np.array_equal(found, wanted)


def test_the_object_is_valid_and_the_patients(source, tmp_path):
    path = as_nifti(source, label_map(), tmp_path / "labels.nii.gz")
    [seg] = labels_to_seg(path, source, tmp_path / "out").files
    dataset, original = dcmread(seg), dcmread(next(source.iterdir()))
    assert seg == tmp_path / "out" / "segmentation.dcm"
    for keyword in ("PatientName", "PatientID", "StudyInstanceUID", "FrameOfReferenceUID"):
        assert dataset[keyword].value == original[keyword].value
    assert [one.SegmentLabel for one in dataset.SegmentSequence] == ["Segment 1", "Segment 4", "Segment 9"]
    assert dciodvfy_errors(seg) == []


def test_the_same_labels_make_the_same_object_again(source, tmp_path):
    """And other labels, the same ones a slice further, or the same of another date, other UIDs."""

    def made(name: str, labels: np.ndarray, seconds: int = 86_400) -> Path:
        path = as_nifti(source, labels, tmp_path / "labels.nii")
        os.utime(path, (seconds, seconds))
        return labels_to_seg(path, source, tmp_path / f"{name}.dcm").files[0]

    one, again = made("one", label_map()), made("again", label_map())
    assert one.read_bytes() == again.read_bytes()
    moved, later = made("moved", np.roll(label_map(), 1, axis=0)), made("later", label_map(), 90_000)
    datasets = [dcmread(path) for path in (one, moved, later)]
    for keyword in ("SOPInstanceUID", "SeriesInstanceUID"):
        assert len({dataset[keyword].value for dataset in datasets}) == 3
    assert [(one.ContentDate, one.ContentTime[:6]) for one in datasets[1:]] == [
        ("19700102", "000000"),
        ("19700102", "010000"),
    ]


def test_dcmqi_reads_the_same_voxels(source, tmp_path):
    program = shutil.which("segimage2itkimage", path=Path(sys.executable).parent)
    if program is None:
        pytest.skip("dcmqi is not installed")
    labels = label_map()
    [seg] = labels_to_seg(as_nifti(source, labels, tmp_path / "l.nii"), source, tmp_path / "seg.dcm").files
    command = [program, "--inputDICOM", seg, "--outputDirectory", tmp_path, "--outputType", "nrrd"]
    subprocess.run(command, check=True, capture_output=True)
    inverse = np.linalg.inv(read_volume(find_instances(source).series[0]).affine)
    for number, label in enumerate((1, 4, 9), start=1):
        image = SimpleITK.ReadImage(str(tmp_path / f"{number}.nrrd"))
        found = np.zeros(SHAPE, bool)
        for place in np.argwhere(SimpleITK.GetArrayFromImage(image)):
            point = image.TransformIndexToPhysicalPoint([int(index) for index in place[::-1]])
            found[tuple(np.rint(inverse @ [*point, 1.0])[:3].astype(int))] = True
        assert np.array_equal(found, labels == label)


@pytest.mark.parametrize("ending", ["nrrd", "mha", "nii.gz"])
def test_there_and_back_is_exact_with_its_table(source, tmp_path, ending):
    """Overlapping segments of a sample: to label maps, with their table back to a Segmentation."""
    labels = as_nifti(source, label_map(), tmp_path / "labels.nii")
    about = {
        "number": 4,
        "label": "Leber",
        "kind": {"value": "10200004", "scheme": "SCT", "meaning": "Liver"},
    }
    table = tmp_path / "about.json"
    table.write_text(json.dumps({"segments": [about]}))
    [seg] = labels_to_seg(labels, source, tmp_path / "1.dcm", ToSegmentation(table=table)).files
    *_, names = convert_from_dicom(seg, tmp_path / f"out.{ending}", FromDicom(reference=source)).files
    [again] = labels_to_seg(names, source, tmp_path / "2.dcm").files
    first, second = (read_segmentation(read_instance(path)) for path in (seg, again))
    assert first.segments == second.segments
    assert (first.segments[1].label, first.segments[1].kind.meaning) == ("Leber", "Liver")
    for segment in first.segments:
        assert np.array_equal(first.mask(segment.number), second.mask(segment.number))


def test_overlapping_segments_come_back(samples, tmp_path):
    folder = samples / "seg_ct3slice_liver"
    *_, table = convert_from_dicom(folder / "partial_overlaps.dcm", tmp_path / "out.nii").files
    [seg] = labels_to_seg(table, folder, tmp_path / "seg.dcm").files
    before = read_segmentation(read_instance(folder / "partial_overlaps.dcm"))
    after = read_segmentation(read_instance(seg))
    assert before.segments == after.segments
    assert all(np.array_equal(before.mask(number), after.mask(number)) for number in range(1, 6))
    with pytest.raises(NotLabels, match="overlap"):
        labels_to_seg(table, folder, tmp_path / "no.dcm", ToSegmentation(kind="labelmap"))


def test_contours_become_a_segmentation(source, tmp_path):
    shape = structure_set(source, tmp_path / "rt.dcm", [(2, SQUARE), (2, HOLE), (3, HOLE)])
    outer, hole = (polygon2mask(SHAPE[1:], np.array(points)) for points in (SQUARE, HOLE))
    wanted = np.zeros(SHAPE, np.uint8)
    wanted[2], wanted[3] = outer & ~hole, hole
    assert np.array_equal(written(shape, source, tmp_path / "seg.dcm"), wanted)
    [segment] = read_segmentation(tmp_path / "seg.dcm").segments
    assert (segment.label, segment.algorithm) == ("Lesion 病変", "MANUAL")


def test_contours_of_another_patient_are_refused(source, tmp_path):
    shape = structure_set(source, tmp_path / "rt.dcm", [(2, SQUARE)])
    dataset = dcmread(shape)
    dataset.PatientID = "another"
    dataset.save_as(shape)
    with pytest.raises(AnotherPatient, match=r"rt\.dcm"):
        labels_to_seg(shape, source, tmp_path / "seg.dcm")
    dataset.PatientID = dcmread(next(source.iterdir())).PatientID
    dataset.save_as(shape)
    assert labels_to_seg(shape, source, tmp_path / "seg.dcm").files


def test_another_grid_is_refused_or_resampled(source, tmp_path):
    image = to_nifti(read_volume(find_instances(source).series[0]))
    affine = image.affine.copy()
    affine[:, :2] *= 0.5  # twice as many columns and rows, the first of them at the same place
    fine = np.repeat(np.repeat(label_map().T, 2, axis=0), 2, axis=1)
    affine[:3, 3] -= affine[:3, :2].sum(axis=1) / 2 * 0.99
    nibabel.Nifti1Image(fine, affine).to_filename(tmp_path / "fine.nii")
    with pytest.raises(AnotherGrid, match=r"5 x 18 x 26 of 2.5 x 0.35 x 0.45 mm"):
        labels_to_seg(tmp_path / "fine.nii", source, tmp_path / "seg.dcm")
    assert not (tmp_path / "seg.dcm").exists()
    found = written(tmp_path / "fine.nii", source, tmp_path / "seg.dcm", resample=True, kind="labelmap")
    assert np.array_equal(found, label_map())


@pytest.mark.parametrize(
    ("labels", "error"),
    [
        (label_map() * 0, NothingToConvert),
        (label_map() * np.float32(0.5), NotLabels),
        (label_map().astype(np.int16) * -1, NotLabels),
        (np.where(label_map() == 1, np.nan, 0).astype(np.float32), NotLabels),
        (np.stack([label_map()] * 2), NotLabels),
    ],
)
def test_what_are_no_labels_is_refused(source, tmp_path, labels, error):
    path = as_nifti(source, label_map(), tmp_path / "labels.nii")
    affine = to_nifti(read_volume(find_instances(source).series[0])).affine
    nibabel.Nifti1Image(labels.T, affine).to_filename(path)
    with pytest.raises(error):
        labels_to_seg(path, source, tmp_path / "out")
    assert sorted(one.name for one in tmp_path.iterdir()) == ["labels.nii"]


@pytest.mark.parametrize(
    "text",
    [
        '{"segments": [{"number": 1, "label": "a", "file": "../labels.nii"}]}',
        '{"segments": [{"number": 0, "label": "a", "file": "labels.nii"}]}',
        '{"segments": [{"label": "a"}]}',
        "[" * 100_000,
        "{}",
    ],
)
def test_a_damaged_table_is_refused(source, tmp_path, text):
    as_nifti(source, label_map(), tmp_path / "labels.nii")
    (tmp_path / "table.json").write_text(text)
    with pytest.raises(UnreadableInput, match=r"table\.json"):
        labels_to_seg(tmp_path / "table.json", source, tmp_path / "seg.dcm")


def test_labels_that_are_not_there_are_missing(source, tmp_path):
    with pytest.raises(MissingFolder, match=r"none\.nii"):
        labels_to_seg(tmp_path / "none.nii", source, tmp_path / "seg.dcm")


def test_nothing_is_overwritten(source, tmp_path):
    path = as_nifti(source, label_map(), tmp_path / "labels.nii")
    (tmp_path / "seg.dcm").write_bytes(b"mine")
    with pytest.raises(TargetExists):
        labels_to_seg(path, source, tmp_path / "seg.dcm")
    assert (tmp_path / "seg.dcm").read_bytes() == b"mine"


def test_an_enhanced_source_keeps_its_frames(tmp_path):
    enhanced_ct(tmp_path / "ct")
    labels = np.zeros(read_volume(find_instances(tmp_path / "ct").series[0]).shape, np.uint8)
    labels[1, 2, 3], labels[-1, -1, -2] = 1, 2
    path = as_nifti(tmp_path / "ct", labels, tmp_path / "labels.nii")
    assert np.array_equal(written(path, tmp_path / "ct", tmp_path / "seg.dcm"), labels)


def test_what_a_source_lacks_is_lacking(tmp_path):
    ct_series(tmp_path / "ct", *SHAPE, FrameOfReferenceUID=None, PatientBirthDate=None, SliceThickness=None)
    path = as_nifti(tmp_path / "ct", label_map(), tmp_path / "labels.nii")
    [seg] = labels_to_seg(path, tmp_path / "ct", tmp_path / "seg.dcm").files
    assert "FrameOfReferenceUID" not in dcmread(seg)
    grid = layout_of(find_instances(tmp_path / "ct").series[0]).grid
    assert np.array_equal(read_segmentation(read_instance(seg), grid).mask(2), label_map() == 4)


def test_the_template_is_one_volume(source, tmp_path):
    path = as_nifti(source, label_map(), tmp_path / "labels.nii")
    shutil.copytree(source, tmp_path / "both" / "one")
    other = mr_series(tmp_path / "both" / "two", *SHAPE)
    with pytest.raises(NoMatchingSeries, match="2 series"):
        labels_to_seg(path, tmp_path / "both", tmp_path / "seg.dcm")
    uid = find_instances(source).series[0].series_instance_uid
    assert written(path, source, tmp_path / "seg.dcm", series_instance_uid=uid).any()
    for path in other:
        dataset = dcmread(path)
        dataset.SOPInstanceUID, dataset.EchoTime = generate_uid(), "99"
        dataset.save_as(path.with_name(f"late-{path.name}"), enforce_file_format=True)
    with pytest.raises(OverlappingPhases, match="one volume"):
        labels_to_seg(tmp_path / "labels.nii", tmp_path / "both" / "two", tmp_path / "no.dcm")
