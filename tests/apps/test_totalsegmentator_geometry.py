# SPDX-License-Identifier: Apache-2.0
"""Voxels go to TotalSegmentator's grid and labels come back to where they were, whatever the orientation."""

from itertools import permutations, product
from types import SimpleNamespace

import nibabel
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nibabel.affines import apply_affine
from scipy.spatial.transform import Rotation
from totalseg.cropping import STRIDE, body_box
from totalseg.geometry import LPS_TO_RAS, from_canonical, to_canonical, to_nifti
from totalseg.resampling import linear, nearest, shape_for
from totalsegmentator_case import rendered

AXES = [(order, signs) for order in permutations(range(3)) for signs in product((1.0, -1.0), repeat=3)]


def _volume(shape, spacing, axes, degrees, origin):
    order, signs = axes
    directions = np.eye(3)[:, order] * signs
    affine = np.eye(4)
    affine[:3, :3] = Rotation.from_euler("xyz", degrees, degrees=True).as_matrix() @ directions * spacing
    affine[:3, 3] = origin
    array = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    return SimpleNamespace(array=array, affine=affine, shape=shape, spacing_mm=spacing)


@settings(deadline=None, max_examples=60)
@given(
    shape=st.tuples(*[st.integers(2, 7)] * 3),
    spacing=st.tuples(*[st.floats(0.4, 6.0)] * 3),
    axes=st.sampled_from(AXES),
    degrees=st.tuples(*[st.floats(-40, 40)] * 3),
    origin=st.tuples(*[st.floats(-300, 300)] * 3),
)
def test_every_voxel_comes_back_from_where_it_lies_in_the_patient(shape, spacing, axes, degrees, origin):
    volume = _volume(shape, spacing, axes, degrees, origin)
    for image in (to_nifti(volume), to_canonical(volume)):
        values = np.asanyarray(image.dataobj)
        for index in ((0, 0, 0), tuple(size - 1 for size in shape), (1, 0, shape[2] - 1)):
            lps = apply_affine(volume.affine, index)
            found = np.rint(apply_affine(np.linalg.inv(image.affine), apply_affine(LPS_TO_RAS, lps))).astype(
                int
            )
            assert values[tuple(found)] == volume.array[index]
    canonical = to_canonical(volume)
    assert nibabel.aff2axcodes(canonical.affine) == ("R", "A", "S")
    np.testing.assert_array_equal(from_canonical(np.asanyarray(canonical.dataobj), volume), volume.array)


SHAPES = st.tuples(*[st.integers(2, 14)] * 3)


@settings(deadline=None, max_examples=40)
@given(shape=SHAPES, spacing=st.tuples(*[st.floats(0.5, 5.0)] * 3), seed=st.integers(0, 99))
def test_resampling_is_the_packages(shape, spacing, seed):
    from totalsegmentator.resampling import change_spacing

    values = np.random.default_rng(seed).uniform(-1000, 1000, shape).astype(np.float32)
    wanted = shape_for(shape, spacing, [3.0] * 3)
    if min(wanted) < 1:
        return
    image = nibabel.Nifti1Image(values, np.diag([*spacing, 1.0]))
    spacing = image.header.get_zooms()
    theirs = change_spacing(image, [3.0] * 3, order=1)
    assert theirs.shape == shape_for(shape, spacing, [3.0] * 3)
    np.testing.assert_allclose(linear(values, theirs.shape), theirs.get_fdata(), atol=0.05)


@settings(deadline=None, max_examples=40)
@given(shape=SHAPES, wanted=SHAPES, starts=st.tuples(*[st.integers(0, 13)] * 3))
def test_a_crop_samples_points_of_the_whole_images_grid(shape, wanted, starts):
    values = np.random.default_rng(0).uniform(-1000, 1000, shape).astype(np.float32)
    box = tuple(slice(min(start, size - 1), size) for start, size in zip(starts, wanted, strict=True))
    np.testing.assert_array_equal(linear(values, wanted, box), linear(values, wanted)[box])


def test_labels_come_back_as_the_package_brings_them_back():
    from totalsegmentator.resampling import change_spacing

    labels = np.random.default_rng(0).integers(0, 5, (9, 8, 7)).astype(np.uint8)
    theirs = change_spacing(
        nibabel.Nifti1Image(labels, np.eye(4)), 3.0, (31, 20, 12), order=0, dtype=np.uint8
    )
    same = nearest(labels, (31, 20, 12)) == np.asanyarray(theirs.dataobj)
    assert same.mean() > 0.99  # a voxel exactly between two may go either way


def test_the_body_is_wholly_in_its_box_and_the_table_is_not():
    phantom = rendered(7)
    values = phantom.array.T[::-1, ::-1]  # canonical
    box = body_box(values, phantom.grid.spacing_mm[::-1], (0, 0, 0))
    inside = np.zeros(values.shape, bool)
    inside[box] = True
    assert not (phantom.labelmap.T[::-1, ::-1].astype(bool) & ~inside).any()
    assert inside.mean() < 0.8
    assert body_box(np.full((20, 20, 20), -1000.0), (2, 2, 2), (0, 0, 0)) == (slice(0, 20),) * 3


def test_a_leg_or_an_arm_of_its_own_is_in_the_box_and_a_speck_is_not():
    values = np.full((120, 60, 60), -1000.0)
    values[10:40, 20:50, 10:50] = 40  # one leg
    values[60:72, 20:32, 10:50] = 40  # something thinner beside it
    assert body_box(values, (3, 3, 3), (0, 0, 0))[0] == slice(4, 76)
    values[110:118, 2:10, 5:7] = 40
    assert body_box(values, (3, 3, 3), (0, 0, 0))[0] == slice(4, 76)


@pytest.mark.parametrize(("least", "length"), [(0.0, 30), (60.0, 60), (500.0, 100)])
def test_a_box_is_no_smaller_than_what_the_network_sees(least, length):
    values = np.full((100, 100, 100), -1000.0)
    values[3:33, 40:70, 20:50] = 40
    box = body_box(values, (1, 1, 1), (least,) * 3)
    assert all(each.stop - each.start >= length for each in box)
    assert all(each.start % STRIDE == 0 for each in box)
    assert all(
        each.start <= start and each.stop >= start + 30 for each, start in zip(box, (3, 40, 20), strict=True)
    )
