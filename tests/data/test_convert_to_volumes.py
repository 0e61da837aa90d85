# SPDX-License-Identifier: Apache-2.0
"""Volumes become CT, MR and PET: every value at its place in the patient, as others read it, too."""

import subprocess
import sys
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK
from builders import ct_series
from convert_inputs import WHO, instances, nifti, ramp, to_dicom
from dicom_tools import dciodvfy_errors
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pydicom import dcmread

from imaging_data import OverlappingPhases, find_instances, read_volume
from imaging_data.convert import convert_from_dicom
from imaging_data.convert.attributes import Attributes
from imaging_data.convert.errors import ShearedGrid
from imaging_data.convert.to_dicom.cross_sections import UnsupportedModality
from imaging_data.convert.to_dicom.rescaling import NotNumbers, UnsupportedValues, decimal, rescale_of

ONCE = {"deadline": None, "suppress_health_check": [HealthCheck.function_scoped_fixture]}
KINDS = st.sampled_from(["<i2", "<u2", "<i4", "<f4", "<f8", "<u1"])


@st.composite
def affines(draw: st.DrawFn) -> np.ndarray:
    """Any rotation, mirrored or not, with spacings and an origin: RAS of (column, row, slice)."""
    numbers = np.array(draw(st.lists(st.floats(-1, 1), min_size=9, max_size=9))).reshape(3, 3)
    rotation, _ = np.linalg.qr(numbers + 3 * np.eye(3)[draw(st.permutations(range(3)))])
    affine = np.eye(4)
    affine[:3, :3] = rotation * draw(st.tuples(*[st.floats(0.2, 7)] * 3))
    affine[:3, :3] *= draw(st.tuples(*[st.sampled_from([-1, 1])] * 3))
    affine[:3, 3] = draw(st.tuples(*[st.floats(-900, 900)] * 3))
    return affine


def at_places_of(original: nibabel.Nifti1Image, other: nibabel.Nifti1Image) -> np.ndarray:
    """The values of `other` at the voxels of `original`, which must be voxels of `other`, too."""
    indices = np.indices(original.shape[:3]).reshape(3, -1)
    places = np.linalg.solve(other.affine, original.affine) @ np.vstack([indices, np.ones(indices.shape[1])])
    assert np.abs(places[:3] - np.rint(places[:3])).max() < 1e-3
    millimetres = other.affine @ np.vstack([np.rint(places[:3]), np.ones(indices.shape[1])])
    assert np.abs(millimetres - original.affine @ np.vstack([indices, np.ones_like(indices[0])])).max() < 1e-3
    values = np.asarray(other.dataobj)[tuple(np.rint(places[:3]).astype(int))]
    return values.reshape(original.shape)


@settings(max_examples=15, **ONCE)
@given(affine=affines(), kind=KINDS, seed=st.integers(0, 99), modality=st.sampled_from(["CT", "MR", "PT"]))
def test_there_and_back_again(tmp_path, affine, kind, seed, modality):
    folder = tmp_path / str(len(list(tmp_path.iterdir())))
    folder.mkdir()
    random = np.random.default_rng(seed)
    array = (
        random.normal(30, 400, (3, 4, 5)) if kind[1] == "f" else random.integers(0, 250, (3, 4, 5))
    ).astype(kind)
    original = nibabel.load(nifti(folder / "in.nii", array, affine))
    made = to_dicom(folder / "in.nii", folder / "out", modality)
    convert_from_dicom(folder / "out", folder / "back.nii")
    back = nibabel.load(folder / "back.nii")
    step = float(dcmread(made.files[0]).get("RescaleSlope", 0))
    error = np.abs(at_places_of(original, back).astype(np.float64) - array)
    assert error.max() <= (0 if kind[1] != "f" else 0.5001 * step)
    canonical, ours = nibabel.as_closest_canonical(original), nibabel.as_closest_canonical(back)
    assert sorted(canonical.header.get_zooms()) == pytest.approx(sorted(ours.header.get_zooms()), abs=1e-4)
    volume = read_volume(find_instances(folder / "out").series[0])  # as an app reads it
    assert np.allclose(
        np.sort(volume.array.ravel()), np.sort(array.ravel().astype(np.float64)), atol=step or 1e-9
    )


@settings(max_examples=100, deadline=None)
@given(
    values=st.lists(st.floats(-1e12, 1e12), min_size=1, max_size=9).map(np.array)
    | st.lists(st.integers(-(2**62), 2**62), min_size=1, max_size=9).map(np.array)
    | st.tuples(st.integers(0, 9000), st.integers(-999, 9**9)).map(lambda n: np.arange(9) * n[0] + n[1]),
    through_zero=st.booleans(),
)
@example(np.array([-3.1582937101109623e-150]), False)
@example(np.array([-9007199254740990, -9007199254740980]), False)
def test_values_are_exact_or_within_half_a_step(values, through_zero):
    rescale = rescale_of(values, through_zero)
    for number in (rescale.slope, rescale.intercept):
        assert len(decimal(number)) <= 16
        assert float(decimal(number)) == number
    back = rescale.stored(values).astype(np.float64) * rescale.slope + rescale.intercept
    error = np.abs(back - values.astype(np.float64)).max()
    float64 = np.spacing(np.abs(values.astype(np.float64)).max())  # the comparison's own rounding
    assert error <= (0 if rescale.exact else 0.5001 * rescale.slope + float64)
    assert rescale.intercept == 0 or not through_zero
    assert 0 not in values or 0 in back


@pytest.mark.parametrize(
    ("values", "exact"),
    [
        (np.array([-32768, 32767]), True),
        (np.array([0, 65535]), True),
        (np.array([100_000, 165_535]), True),  # moved
        (np.array([7, 655_357]), True),  # in steps of ten, and moved
        (np.array([0, 1, 65_536]), False),
        (np.array([0.5, 1.5]), False),
    ],
)
def test_whole_numbers_that_fit_16_bits_with_one_rescale_are_exact(values, exact):
    assert rescale_of(values).exact == exact


@pytest.mark.parametrize("modality", ["CT", "MR", "PT"])
def test_what_is_made_is_valid(tmp_path, modality):
    floats = np.random.default_rng(1).normal(0, 300, (4, 5, 6)).astype(np.float32)
    for name, array in (("whole", ramp(4, 5, 6)), ("floats", floats), ("phases", ramp(4, 5, 2, 3))):
        nifti(tmp_path / f"{name}.nii.gz", array)
        made = to_dicom(tmp_path / f"{name}.nii.gz", tmp_path / name, modality)
        assert dciodvfy_errors(made.files[0]) == []
        assert dciodvfy_errors(made.files[-1]) == []


def test_slices_lie_as_radiologists_look_at_them(tmp_path):
    """A RAS file, whose rows would run to the right and whose columns to the front."""
    made = instances(to_dicom(nifti(tmp_path / "a.nii", ramp(4, 5, 6)), tmp_path / "a"))
    assert [float(x) for x in made[0].ImageOrientationPatient] == [1, 0, 0, 0, 1, 0]
    assert [float(one.ImagePositionPatient[2]) for one in made] == [0, 3, 6, 9, 12, 15]
    assert made[0].PixelSpacing == [2, 1]
    down = np.diag([1.0, 2.0, -3.0, 1.0])
    made = instances(to_dicom(nifti(tmp_path / "d.nii", ramp(4, 5, 6), down), tmp_path / "d"))
    assert [float(one.ImagePositionPatient[2]) for one in made] == [-15, -12, -9, -6, -3, 0]
    sagittal = np.array([[0, 0, 3.0, 0], [1, 0, 0, 0], [0, 2, 0, 0], [0, 0, 0, 1]])
    made = instances(to_dicom(nifti(tmp_path / "s.nii", ramp(4, 5, 6), sagittal), tmp_path / "s"))
    assert [float(x) for x in made[0].ImageOrientationPatient] == [0, 1, 0, 0, 0, -1]


def test_time_points_are_one_series_that_says_which_is_which(tmp_path):
    path = nifti(tmp_path / "a.nii", ramp(4, 5, 3, 2))
    made = to_dicom(path, tmp_path / "out", "MR")
    assert [one.TemporalPositionIdentifier for one in instances(made)] == [1, 1, 1, 2, 2, 2]
    assert len({one.SeriesInstanceUID for one in instances(made)}) == len(made.series) == 1
    with pytest.raises(OverlappingPhases, match="TemporalPositionIdentifier tells them apart: 1, 2"):
        read_volume(find_instances(tmp_path / "out").series[0])
    convert_from_dicom(tmp_path / "out", tmp_path / "back.nii")
    back = nibabel.load(tmp_path / "back.nii")
    for point in (0, 1):
        there, here = (nibabel.load(path).slicer[..., point], back.slicer[..., point])
        assert np.array_equal(at_places_of(there, here), np.asarray(there.dataobj))


def test_a_rescale_of_the_file_is_kept(tmp_path):
    image = nibabel.Nifti1Image(ramp(2, 3, 4), np.eye(4))
    image.header.set_slope_inter(0.25, -7)
    nibabel.save(image, tmp_path / "a.nii")
    first = instances(to_dicom(tmp_path / "a.nii", tmp_path / "out"))[0]
    assert (first.RescaleSlope, first.RescaleIntercept) == (0.25, -7)
    pet = instances(to_dicom(tmp_path / "a.nii", tmp_path / "pet", "PT"))[0]
    assert pet.RescaleIntercept == 0
    real = np.asarray(nibabel.load(tmp_path / "a.nii").dataobj)
    assert pet.pixel_array.max() * float(pet.RescaleSlope) == pytest.approx(real[:, :, 0].max(), abs=1e-3)


def test_simpleitk_and_dcm2niix_read_the_same_places(tmp_path):
    affine = np.eye(4)
    affine[:3, :3] = np.array([[0.8, 0.6, 0], [-0.6, 0.8, 0], [0, 0, 1]]) * [-0.7, 0.9, 2.5]
    affine[:3, 3] = [11, -22, 33.3]
    original = nibabel.load(nifti(tmp_path / "in.nii", ramp(12, 14, 16), affine))
    to_dicom(tmp_path / "in.nii", tmp_path / "out")
    names = SimpleITK.ImageSeriesReader.GetGDCMSeriesFileNames(str(tmp_path / "out"))
    SimpleITK.WriteImage(SimpleITK.ReadImage(names), str(tmp_path / "itk.nii"))
    for peer in (nibabel.load(tmp_path / "itk.nii"), by_dcm2niix(tmp_path / "out")):
        assert np.array_equal(at_places_of(original, peer), original.dataobj)


def by_dcm2niix(folder: Path) -> nibabel.Nifti1Image:
    """What the peer makes of a series."""
    program = Path(sys.executable).with_name("dcm2niix")
    command = [program, "-z", "n", "-f", "peer", "-o", folder.parent, folder]
    subprocess.run(command, check=True, capture_output=True)
    return nibabel.load(folder.parent / "peer.nii")


def test_a_real_volume_in_another_order_of_axes(samples, tmp_path):
    """Real values, sagittal, index axes towards the back, the feet and the right."""
    source = samples / "multiframe_enhanced"
    [path] = source.rglob("001_ground_truth.nii.gz")
    first, *_ = instances(to_dicom(path, tmp_path / "out", "MR"))
    original = nibabel.squeeze_image(nibabel.load(path))
    assert nibabel.aff2axcodes(original.affine) == ("P", "I", "R")
    values = at_places_of(original, by_dcm2niix(tmp_path / "out"))
    assert np.abs(values - original.get_fdata()).max() <= 0.51 * float(
        first.RescaleSlope
    )  # which the peer has in float32


@pytest.mark.parametrize("ending", ["nrrd", "mha", "mhd"])
def test_nrrd_and_metaimage(tmp_path, ending):
    image = SimpleITK.GetImageFromArray(ramp(3, 4, 5))
    image.SetSpacing((0.5, 0.75, 2))
    image.SetOrigin((1, 2, 3))
    image.SetDirection((0, 1, 0, -1, 0, 0, 0, 0, 1))
    path = tmp_path / f"a.{ending}"
    SimpleITK.WriteImage(image, str(path))
    to_dicom(path, tmp_path / "out", "MR")
    names = SimpleITK.ImageSeriesReader.GetGDCMSeriesFileNames(str(tmp_path / "out"))
    back = SimpleITK.ReadImage(names)
    for index in np.ndindex(5, 4, 3):
        place = back.TransformPhysicalPointToIndex(image.TransformIndexToPhysicalPoint(index))
        assert back[place] == image[index]


def test_an_array_needs_a_place_and_takes_it_from_what_lies_beside_it(tmp_path):
    ct_series(tmp_path / "ct", slices=4, spacing=(2.5, 0.7, 0.9))
    convert_from_dicom(tmp_path / "ct", tmp_path / "a.npy")
    to_dicom(tmp_path / "a.npy", tmp_path / "out")
    there, here = (read_volume(find_instances(tmp_path / name).series[0]) for name in ("ct", "out"))
    assert np.array_equal(there.array, here.array)
    assert np.allclose(there.affine, here.affine, atol=1e-6)
    (tmp_path / "a.json").unlink()
    to_dicom(tmp_path / "a.npy", tmp_path / "given", affine=there.affine)
    given_place = read_volume(find_instances(tmp_path / "given").series[0])
    assert np.allclose(there.affine, given_place.affine, atol=1e-6)


def test_the_frame_of_reference_of_a_template_stays_on_its_grid(tmp_path):
    [template, *_] = ct_series(tmp_path / "ct", slices=4, FrameOfReferenceUID="1.2.3", PatientPosition="HFS")
    convert_from_dicom(tmp_path / "ct", tmp_path / "same.nii")
    image = nibabel.load(tmp_path / "same.nii")
    moved = image.affine.copy()
    moved[0, 3] += 0.5
    nifti(tmp_path / "other.nii", np.asarray(image.dataobj), moved)
    who = Attributes.from_template(template)
    same, other = (
        instances(to_dicom(tmp_path / f"{name}.nii", tmp_path / name, attributes=who))[0]
        for name in ("same", "other")
    )
    assert (same.FrameOfReferenceUID, same.PatientPosition) == ("1.2.3", "HFS")
    assert other.FrameOfReferenceUID != "1.2.3"


def test_a_file_that_does_not_say_where_it_lies_is_converted_with_a_warning(tmp_path):
    image = nibabel.Nifti1Image(ramp(2, 3, 4), None)
    nibabel.save(image, tmp_path / "a.nii")
    [note] = to_dicom(tmp_path / "a.nii", tmp_path / "out").notes
    assert "left and right" in note


def test_a_file_that_says_two_places_is_converted_with_a_warning(tmp_path):
    image = nibabel.Nifti1Image(ramp(2, 3, 4), np.eye(4))
    image.set_sform(np.diag([2.0, 2.0, 2.0, 1.0]), 1)
    image.set_qform(np.diag([2.0, 2.0, 2.0, 1.0]), 1)
    nibabel.save(image, tmp_path / "same.nii")
    assert to_dicom(tmp_path / "same.nii", tmp_path / "same").notes == ()
    image.set_qform(np.diag([-2.0, 2.0, 2.0, 1.0]), 1)
    nibabel.save(image, tmp_path / "other.nii")
    [note] = to_dicom(tmp_path / "other.nii", tmp_path / "other").notes
    assert "two places" in note


def test_a_place_that_is_given_to_a_file_with_its_own_is_said_not_to_count(tmp_path):
    nibabel.save(nibabel.Nifti1Image(ramp(2, 3, 4), np.eye(4)), tmp_path / "a.nii")
    given = np.diag([9.0, 9.0, 9.0, 1.0])
    converted = to_dicom(tmp_path / "a.nii", tmp_path / "out", affine=given)
    assert [note for note in converted.notes if "does not count" in note]
    assert instances(converted)[0].PixelSpacing == [1, 1]


@pytest.mark.parametrize("size", [0.0, -1.0, np.nan])
def test_a_size_that_is_none_is_refused_where_the_place_follows_from_it(tmp_path, size):
    image = nibabel.Nifti1Image(ramp(2, 3, 4), np.eye(4))
    for qform_code in (0, 1):
        image.header["sform_code"], image.header["qform_code"] = 0, qform_code
        image.header["pixdim"][2] = size
        (tmp_path / "a.nii").write_bytes(image.header.binaryblock + bytes(4) + ramp(2, 3, 4).tobytes())
        with pytest.raises(ShearedGrid, match="not above 0"):
            to_dicom(tmp_path / "a.nii", tmp_path / "out")


@pytest.mark.parametrize(
    ("array", "affine", "modality", "error"),
    [
        (
            ramp(2, 3, 4),
            np.array([[1, 0.2, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]),
            "CT",
            ShearedGrid,
        ),
        (
            ramp(2, 3, 4),
            np.array([[1, 3e-4, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]),
            "CT",
            ShearedGrid,
        ),
        (np.full((2, 3, 4), np.nan, np.float32), None, "CT", NotNumbers),
        (np.full((2, 3, 4), np.inf, np.float32), None, "CT", NotNumbers),
        (np.full((2, 3, 4), 1j, np.complex64), None, "CT", UnsupportedValues),
        (ramp(2, 3, 4, 1, 3), None, "CT", UnsupportedValues),
        (ramp(2, 3, 4), None, "XC", UnsupportedModality),
        (ramp(2, 3, 4), None, "ct", UnsupportedModality),
    ],
)
def test_what_cannot_be_converted_is_refused_by_name(tmp_path, array, affine, modality, error):
    path = nifti(tmp_path / "a.nii", array, affine)
    with pytest.raises(error):
        to_dicom(path, tmp_path / "out", modality, attributes=WHO)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a.nii"]


@pytest.mark.parametrize("third", [0.0, np.nan])
def test_a_flat_affine_is_refused(tmp_path, third):
    image = nibabel.Nifti1Image(ramp(2, 3, 4), np.eye(4))
    image.header["srow_z"] = [0, 0, third, 0]
    image.header["sform_code"], image.header["qform_code"] = 1, 0
    (tmp_path / "a.nii").write_bytes(image.header.binaryblock + bytes(4) + ramp(2, 3, 4).tobytes())
    with pytest.raises(ShearedGrid):
        to_dicom(tmp_path / "a.nii", tmp_path / "out")
