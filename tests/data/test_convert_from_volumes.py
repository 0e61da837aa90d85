# SPDX-License-Identifier: Apache-2.0
"""A volume goes to other packages and comes back with the same values at the same places."""

import doctest
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK
import torch
from builders import ct_series
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from imaging_data import find_instances, read_volume
from imaging_data.convert import (
    convert_from_dicom,
    from_monai,
    from_nifti,
    from_numpy,
    from_simpleitk,
    from_xarray,
    to_monai,
    to_nifti,
    to_simpleitk,
    to_xarray,
)
from imaging_data.convert.errors import AnotherGrid, MissingPackage, NotAnImage, ShearedGrid
from imaging_data.convert.grids import LPS_RAS
from imaging_operators import graph  # noqa: F401 - makes holoscan, which `import monai` imports, ready


def meta_tensor(volume):
    """As the documentation says it."""
    from monai.data import MetaTensor

    return MetaTensor(*to_monai(volume))


WAYS = {
    "nibabel": (to_nifti, from_nifti),
    "SimpleITK": (to_simpleitk, from_simpleitk),
    "xarray": (to_xarray, from_xarray),
    "MONAI": (meta_tensor, from_monai),
    "numpy": (lambda volume: (volume.array, volume.affine), lambda pair, like=None: from_numpy(*pair, like)),
}


@pytest.fixture(scope="module")
def volume(tmp_path_factory):
    """An oblique series with voxels of three sizes."""
    folder = tmp_path_factory.mktemp("volume")
    ct_series(
        folder, 5, 8, 12, (2.5, 0.7, 0.9), ImageOrientationPatient=[0.8, 0.6, 0.0, 0.0, 0.0, -1.0],
        ImagePositionPatient=lambda index: [10 - 1.5 * index, 10 + 2.0 * index, 10.0],
    )  # fmt: skip
    return read_volume(find_instances(folder).series[0])


@pytest.mark.parametrize("way", WAYS)
def test_there_and_back(volume, way):
    to, back = WAYS[way]
    again = back(to(volume))
    assert np.array_equal(again.array, volume.array)
    assert np.allclose(again.affine, volume.affine, atol=1e-5)
    assert again.spacing_mm == pytest.approx(volume.spacing_mm, abs=1e-6)
    assert again.sources == ()
    assert back(to(volume), like=volume).sources == volume.sources


@pytest.mark.parametrize("way", WAYS)
def test_values_of_another_grid_are_refused(volume, way):
    to, back = WAYS[way]
    moved = from_numpy(volume.array, volume.affine + np.outer([1, 0, 0, 0], [0, 0, 0, 0.5]))
    with pytest.raises(AnotherGrid):
        back(to(moved), like=volume)


def test_the_packages_place_voxels_where_dicom_does(volume):
    index, place = (3, 2, 1), (volume.affine @ [3, 2, 1, 1])[:3]
    turned = index[::-1]
    assert np.allclose(to_simpleitk(volume).TransformIndexToPhysicalPoint(turned), place)
    assert np.allclose((to_nifti(volume).affine @ [*turned, 1]) * [-1, -1, 1, 1], [*place, 1], atol=1e-5)
    assert to_nifti(volume).dataobj[turned] == volume.array[index]
    assert to_xarray(volume).sel(slice=7.5, row=1.4, column=0.9, method="nearest") == volume.array[index]


def test_monai_loads_the_same_from_the_file(volume, tmp_path):
    from monai.data import NibabelReader

    [path] = convert_from_dicom(volume.series.instances[0].path.parent, tmp_path / "out.nii.gz").files
    reader = NibabelReader()
    array, about = reader.get_data(reader.read(path))
    ours = meta_tensor(volume)
    assert torch.equal(torch.as_tensor(array), ours.as_tensor()[0])
    assert np.allclose(about["affine"], ours.affine, atol=1e-5)


@settings(max_examples=30, deadline=None)
@given(
    angles=st.tuples(*[st.floats(-180, 180)] * 3),
    spacing=st.tuples(*[st.floats(0.2, 8)] * 3),
    order=st.permutations([0, 1, 2]),
    signs=st.tuples(*[st.sampled_from([1, -1])] * 3),
    origin=st.tuples(*[st.floats(-500, 500)] * 3),
)
def test_any_rectangular_nifti_is_a_volume(angles, spacing, order, signs, origin):
    """Whatever its axes: each voxel keeps its place, slices run along the normal of the images."""
    affine = np.eye(4)
    affine[:3, :3] = (Rotation.from_euler("xyz", angles, degrees=True).as_matrix() * signs)[
        :, order
    ] * spacing
    affine[:3, 3] = origin
    values = np.random.default_rng(1).integers(-1000, 3000, (4, 3, 2)).astype(np.int16)
    volume = from_nifti(nibabel.Nifti1Image(values, affine))
    right, down, normal = (volume.affine[:3, axis] for axis in (2, 1, 0))
    assert np.cross(right, down) @ normal > 0
    for index in np.ndindex(values.shape):
        place = LPS_RAS @ affine @ [*index, 1]
        at = np.rint(np.linalg.solve(volume.affine, place))[:3].astype(int)
        assert np.allclose(volume.affine @ [*at, 1], place, atol=1e-4)
        assert volume.array[tuple(at)] == values[index]


def test_axes_that_were_turned_come_back_onto_the_grid(volume):
    turned = SimpleITK.DICOMOrient(to_simpleitk(volume), "RAS")
    assert turned.GetSize() != to_simpleitk(volume).GetSize()
    assert np.array_equal(from_simpleitk(turned, like=volume).array, volume.array)


@pytest.mark.parametrize(
    ("affine", "error"),
    [
        (np.array([[0, 0, 1, 0], [0, 1, 0.01, 0], [2, 0, 0, 0], [0, 0, 0, 1]]), ShearedGrid),
        (np.diag([1.0, 1.0, 0.0, 1.0]), ShearedGrid),
        (np.diag([1.0, np.nan, 1.0, 1.0]), ShearedGrid),
        (np.eye(3), ShearedGrid),
    ],
)
def test_what_is_no_rectangular_grid_is_refused(affine, error):
    with pytest.raises(error):
        from_numpy(np.zeros((2, 2, 2)), affine)


@pytest.mark.parametrize("array", [np.zeros((2, 2)), np.zeros((2, 2, 2), complex), np.zeros((0, 2, 2))])
def test_what_is_no_volume_is_refused(array):
    with pytest.raises(NotAnImage):
        from_numpy(array, np.eye(4))


def test_a_missing_package_says_how_it_comes(volume, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "xarray", None)
    with pytest.raises(MissingPackage, match="xarray") as caught:
        to_xarray(volume)
    assert "gantry[research]" in caught.value.hint


def test_the_lines_of_the_page(tmp_path, monkeypatch):
    """docs/research.md, for an app's author: doctests, as they stand there."""
    page = (Path(__file__).parents[2] / "docs" / "research.md").read_text()
    lines = page.partition("### For an app's author\n")[2].partition("\n## ")[0].replace("```\n", "\n")
    monkeypatch.chdir(tmp_path)
    ct_series(tmp_path / "path/to/ct")
    said: list[str] = []
    test = doctest.DocTestParser().get_doctest(lines, {}, "research.md", None, 0)
    result = doctest.DocTestRunner(verbose=False).run(test, out=said.append)
    assert result.attempted >= 15
    assert result.failed == 0, "".join(said)
    assert (tmp_path / "bone.dcm").is_file()
