# SPDX-License-Identifier: Apache-2.0
"""Series of images become volumes of other formats, voxel by voxel at the same places."""

import json
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK
from builders import ct_series, enhanced_ct, mr_series
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pydicom import dcmread
from pydicom.uid import JPEG2000Lossless

from imaging_data import UnreadableInstance, find_instances, read_volume
from imaging_data.convert import FromDicom, convert_from_dicom
from imaging_data.convert.errors import NothingToConvert, TargetExists, UnknownFormat
from imaging_data.convert.from_dicom.nifti import write_array
from imaging_data.convert.grids import ras_affine
from imaging_data.display import encode_png, picture
from imaging_data.errors import GantryTilt

TURNED = [0.8, 0.6, 0.0, 0.0, 0.0, -1.0]
NORMAL = np.cross(TURNED[:3], TURNED[3:])
SAMPLES_WITH_PEERS = ("mr_brain_t1_7t", "ct_chest_lidc_0001")


def nifti(source: Path, folder: Path, name: str = "out.nii", **options) -> nibabel.Nifti1Image:
    """The one output of `source`, read by nibabel."""
    [path] = convert_from_dicom(source, folder / name, FromDicom(**options)).files
    return nibabel.load(path)


def assert_same(ours: nibabel.Nifti1Image, other: nibabel.Nifti1Image) -> None:
    """The same values at the same places, whatever the order of the axes."""
    ours, other = nibabel.as_closest_canonical(ours), nibabel.as_closest_canonical(other)
    assert np.allclose(ours.affine, other.affine, atol=1e-4)
    assert np.allclose(ours.header.get_zooms()[:3], other.header.get_zooms()[:3], atol=1e-4)
    mine, theirs = np.asarray(ours.dataobj), np.asarray(other.dataobj)
    if theirs.dtype.kind in "iu":
        assert np.array_equal(mine, theirs)
    else:
        assert np.allclose(mine, theirs, rtol=1e-6, atol=1e-3)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    pixels=arrays(np.uint16, (3, 4, 5), elements=st.integers(0, 4095)),
    spacing=st.tuples(*[st.floats(0.3, 9).map(lambda size: round(size, 3))] * 3),
    intercept=st.integers(-3000, 3000),
    turned=st.booleans(),
)
def test_integers_and_places_are_exact(tmp_path, pixels, spacing, intercept, turned):
    folder = tmp_path / str(len(list(tmp_path.iterdir())))
    direction, normal = (TURNED, NORMAL) if turned else ([1, 0, 0, 0, 1, 0], np.array([0, 0, 1.0]))
    start = np.array([-7.25, 3.5, 40.0])
    ct_series(
        folder / "ct", 3, 4, 5, spacing, pixels=pixels, RescaleIntercept=str(intercept), HighBit=11,
        BitsStored=12, PixelRepresentation=0, ImageOrientationPatient=direction,
        ImagePositionPatient=lambda index: [round(x, 9) for x in start + index * spacing[0] * normal],
    )  # fmt: skip
    image = nifti(folder / "ct", folder)
    assert image.get_data_dtype() == np.int16
    assert np.array_equal(np.asarray(image.dataobj), pixels.T.astype(float) + intercept)
    place = image.affine @ [4, 3, 2, 1]
    lps = start + 2 * spacing[0] * normal + 3 * spacing[1] * np.array(direction[3:])
    lps = lps + 4 * spacing[2] * np.array(direction[:3])
    assert np.allclose(place[:3], lps * [-1, -1, 1], atol=1e-4)
    assert np.allclose(image.get_qform(), image.affine, atol=1e-4)
    assert int(image.header["sform_code"]) == int(image.header["qform_code"]) == 1


@pytest.mark.parametrize("mirrored", [1, -1])
def test_both_ways_to_say_the_place_agree(tmp_path, mirrored):
    affine = np.eye(4)
    affine[:3, :3] = np.column_stack([mirrored * 3.0 * NORMAL, 0.7 * np.array(TURNED[3:]), TURNED[:3]])
    write_array(np.zeros((2, 3, 4), np.int16), affine, tmp_path / "out.nii")
    image = nibabel.load(tmp_path / "out.nii")
    assert np.allclose(image.get_qform(), image.get_sform(), atol=1e-5)
    assert np.allclose(image.get_sform(), ras_affine(affine), atol=1e-5)


def dcm2niix(source: Path, folder: Path) -> nibabel.Nifti1Image:
    """What dcm2niix makes of the files of a folder."""
    program = shutil.which("dcm2niix", path=Path(sys.executable).parent)
    if program is None:
        pytest.skip("dcm2niix is not installed")
    folder.mkdir()
    command = [program, "-b", "n", "-z", "n", "-f", "peer", "-o", folder, source]
    subprocess.run(command, check=True, capture_output=True)
    [path] = folder.glob("*.nii")
    return nibabel.load(path)


@pytest.mark.parametrize("name", SAMPLES_WITH_PEERS)
def test_dcm2niix_makes_the_same_of_the_samples(samples, tmp_path, name):
    assert_same(nifti(samples / name, tmp_path), dcm2niix(samples / name, tmp_path / "peer"))


@pytest.mark.parametrize("name", SAMPLES_WITH_PEERS)
def test_simpleitk_makes_the_same_of_the_samples(samples, tmp_path, name):
    reader = SimpleITK.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(samples / name)))
    SimpleITK.WriteImage(reader.Execute(), str(tmp_path / "peer.nii"))
    assert_same(nifti(samples / name, tmp_path), nibabel.load(tmp_path / "peer.nii"))


def test_the_enhanced_sample_is_as_its_truth(samples, tmp_path):
    folder = samples / "multiframe_enhanced"
    truth = nibabel.load(folder / "001_ground_truth.nii.gz")
    truth = nibabel.Nifti1Image(np.asarray(truth.dataobj)[..., 0], truth.affine)
    assert_same(nifti(folder / "IM-0001-0170-0001.dcm", tmp_path), truth)


def test_compressed_or_not_it_is_the_same_file(tmp_path):
    paths = ct_series(tmp_path / "ct", 3, 64, 64)
    plain = nifti(tmp_path / "ct", tmp_path)
    for path in paths:
        dataset = dcmread(path)
        dataset.compress(JPEG2000Lossless, generate_instance_uid=False)
        dataset.save_as(path)
    packed = nifti(tmp_path / "ct", tmp_path, "out.nii.gz")
    assert Path(packed.get_filename()).read_bytes()[:2] == b"\x1f\x8b"
    assert packed.header.binaryblock == plain.header.binaryblock
    assert np.array_equal(np.asarray(packed.dataobj), np.asarray(plain.dataobj))


def test_a_large_volume_is_deflated_in_blocks(tmp_path):
    pixels = np.random.default_rng(1).integers(0, 4096, (5, 700, 900), np.uint16)
    ct_series(tmp_path / "ct", 5, 700, 900, pixels=pixels)
    packed = nifti(tmp_path / "ct", tmp_path, "out.nii.gz")
    assert np.array_equal(np.asarray(packed.dataobj), pixels.T.astype(float) - 1024)
    subprocess.run(["gzip", "--test", packed.get_filename()], check=True)


@pytest.mark.parametrize(
    ("attributes", "dtype"),
    [
        ({"BitsStored": 16, "HighBit": 15}, np.uint16),
        ({"BitsStored": 16, "HighBit": 15, "PixelRepresentation": 1}, np.int16),
        ({"RescaleSlope": lambda index: str(1 + index)}, np.float32),
    ],
)
def test_the_type_is_the_smallest_that_is_exact(tmp_path, attributes, dtype):
    ct_series(tmp_path / "ct", **attributes)
    image = nifti(tmp_path / "ct", tmp_path)
    volume = read_volume(find_instances(tmp_path / "ct").series[0])
    assert image.get_data_dtype() == dtype
    assert np.array_equal(np.asarray(image.dataobj), volume.array.T)


def test_phases_are_the_fourth_dimension(tmp_path):
    for phase in (10, 2, 1):
        pixels = np.full((4, 16, 16), phase, np.uint16)
        mr_series(
            tmp_path / "mr", 4, study="2.25.1", series="2.25.2", pixels=pixels,
            TemporalPositionIdentifier=phase, SOPInstanceUID=lambda i, phase=phase: f"2.25.3.{phase}.{i}",
        )  # fmt: skip
        for path in (tmp_path / "mr").iterdir():
            path.rename(path.parent.parent / f"{phase}-{path.name}")
    image = nifti(tmp_path, tmp_path / "out")
    assert image.shape == (16, 16, 4, 3)
    assert [int(value) for value in np.asarray(image.dataobj)[0, 0, 0]] == [1, 2, 10]
    [path] = convert_from_dicom(tmp_path, tmp_path / "out.mha").files
    assert SimpleITK.ReadImage(str(path)).GetSize() == (16, 16, 4, 3)


def test_an_enhanced_instance_is_one_volume(tmp_path):
    enhanced_ct(tmp_path / "ct")
    volume = read_volume(find_instances(tmp_path / "ct").series[0])
    assert np.array_equal(np.asarray(nifti(tmp_path / "ct", tmp_path).dataobj), volume.array.T)


@pytest.mark.parametrize("ending", ["nrrd", "mha"])
def test_itk_files_lie_where_the_series_lies(tmp_path, ending):
    ct_series(tmp_path / "ct", spacing=(2.5, 0.5, 0.75))
    volume = read_volume(find_instances(tmp_path / "ct").series[0])
    [path] = convert_from_dicom(tmp_path / "ct", tmp_path / f"out.{ending}").files
    image = SimpleITK.ReadImage(str(path))
    assert image.GetPixelID() == SimpleITK.sitkInt16
    assert np.array_equal(SimpleITK.GetArrayFromImage(image), volume.array)
    assert np.allclose(image.TransformIndexToPhysicalPoint((3, 2, 1)), (volume.affine @ [1, 2, 3, 1])[:3])


@pytest.mark.parametrize(("slope", "dtype"), [("1", np.int16), ("0.37", np.float32)])
def test_numpy_has_its_place_beside_it(tmp_path, slope, dtype):
    ct_series(tmp_path / "ct", spacing=(2.5, 0.5, 0.75), RescaleSlope=slope)
    volume = read_volume(find_instances(tmp_path / "ct").series[0])
    [path, about] = convert_from_dicom(tmp_path / "ct", tmp_path / "out.npy").files
    assert np.load(path).dtype == dtype
    assert np.allclose(np.load(path), volume.array, rtol=1e-6, atol=1e-4)
    said = json.loads(about.read_text())
    assert said["shape"] == list(volume.shape)
    assert np.allclose(said["affine"], volume.affine)


def test_pictures_are_those_of_the_display(tmp_path):
    paths = ct_series(tmp_path / "ct", slices=3)
    made = convert_from_dicom(tmp_path / "ct", tmp_path / "out.png").files
    assert [path.name for path in made] == ["out-0001.png", "out-0002.png", "out-0003.png"]
    assert [path.read_bytes() for path in made] == [encode_png(picture(path).array) for path in paths]
    [single] = convert_from_dicom(paths[1], tmp_path / "single.png").files
    assert (single.name, single.read_bytes()) == ("single.png", made[1].read_bytes())


def test_a_tilted_gantry_is_resampled_when_asked(tmp_path):
    ct_series(tmp_path / "ct", ImagePositionPatient=lambda index: [0, 1.5 * index, 2.5 * index])
    with pytest.raises(GantryTilt):
        convert_from_dicom(tmp_path / "ct", tmp_path / "out.nii")
    image = nifti(tmp_path / "ct", tmp_path, resample=True)
    assert np.allclose(image.header.get_zooms(), (1, 1, 2.5))


def test_several_series_have_their_uids_and_the_others_reasons(tmp_path):
    ct_series(tmp_path / "in" / "a", study="2.25.1", series="2.25.11")
    mr_series(tmp_path / "in" / "b", study="2.25.1", series="2.25.12")
    ct_series(tmp_path / "in" / "c", study="2.25.1", series="2.25.13", ImagePositionPatient=None)
    (tmp_path / "in" / "notes.txt").write_text("no DICOM")
    steps: list[tuple[int, int]] = []
    made = convert_from_dicom(
        tmp_path / "in", tmp_path / "out.nii", on_progress=lambda *step: steps.append(step)
    )
    assert [path.name for path in made.files] == ["out-2.25.11.nii", "out-2.25.12.nii"]
    assert [(one.modality, one.series_instance_uid) for one in made.series] == [
        ("CT", "2.25.11"),
        ("MR", "2.25.12"),
    ]
    assert [one.name for one in made.skipped] == ["notes.txt", "2.25.13"]
    assert "ImagePositionPatient" in made.skipped[1].reason
    assert steps == [(0, 3), (1, 3), (2, 3), (3, 3)]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "out-2.25.11.nii", "out-2.25.12.nii"]


@pytest.mark.parametrize("ending", ["nii", "nii.gz", "npy", "nrrd", "png"])
def test_nothing_is_overwritten(tmp_path, ending):
    [path, *_] = ct_series(tmp_path / "ct", slices=1)
    (tmp_path / f"out.{ending}").write_text("mine")
    with pytest.raises(TargetExists):
        convert_from_dicom(path, tmp_path / f"out.{ending}")
    assert (tmp_path / f"out.{ending}").read_text() == "mine"
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("ending", ["nii", "nii.gz", "npy", "mha", "png"])
def test_a_full_disk_leaves_nothing(tmp_path, ending):
    ct_series(
        tmp_path / "ct",
        4,
        128,
        128,
        pixels=np.random.default_rng(1).integers(0, 4096, (4, 128, 128), np.uint16),
    )
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))
    try:
        with pytest.raises(OSError, match=r"File too large|cannot be written|requested and"):
            convert_from_dicom(tmp_path / "ct", tmp_path / "new" / f"out.{ending}")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [path.name for path in tmp_path.iterdir()] == ["ct"]


def test_a_file_that_is_cut_off_is_named_and_leaves_nothing(tmp_path):
    paths = ct_series(tmp_path / "ct")
    whole = paths[3].read_bytes()
    paths[3].write_bytes(whole[:-100])
    with pytest.raises(UnreadableInstance, match=paths[3].name):
        convert_from_dicom(tmp_path / "ct", tmp_path / "new" / "out.nii")
    assert [path.name for path in tmp_path.iterdir()] == ["ct"]


def test_what_cannot_be_converted_says_so(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(NothingToConvert):
        convert_from_dicom(tmp_path / "empty", tmp_path / "out.nii")
    ct_series(tmp_path / "ct")
    with pytest.raises(UnknownFormat, match=r"out\.tiff"):
        convert_from_dicom(tmp_path / "ct", tmp_path / "out.tiff")
    with pytest.raises(UnknownFormat):
        convert_from_dicom(tmp_path / "ct", tmp_path / ".nii")
