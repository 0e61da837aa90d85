# SPDX-License-Identifier: Apache-2.0
"""The picture of a bundle's segments: as radiologists see it, however the series is stored."""

import numpy as np
import pytest
from builders import mr_series
from result_files import volume_in

from imaging_data.phantom import torso, torso_grid, write_series
from imaging_data.phantom.files import POSITIONS
from imaging_operators import Segment, codes
from imaging_operators.bundle.picture import HEIGHT, draw

SEGMENTS = [
    Segment(1, codes.SCT.Kidney, "Left kidney", color=(255, 0, 0), laterality=codes.SCT.Left),
    Segment(2, codes.SCT.Kidney, "Right kidney", color=(0, 0, 255), laterality=codes.SCT.Right),
]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Of one patient, stored in four positions."""
    rendered = torso(2).render(torso_grid(40, 48), seed=2, factor=1)
    drawn = {}
    for position in POSITIONS:
        folder = tmp_path_factory.mktemp(position)
        write_series(rendered, folder, patient_position=position)
        labels = np.zeros_like(rendered.labelmap)
        for number, side in ((1, "left"), (2, "right")):
            labels[rendered.labelmap == rendered.organs[f"kidney_{side}"]] = number
        turned = labels[:, ::-1, ::-1] if position.endswith("P") else labels
        drawn[position] = draw(volume_in(folder), turned, SEGMENTS)
    return drawn


@pytest.mark.parametrize("position", POSITIONS)
def test_the_picture_does_not_depend_on_how_the_series_is_stored(pictures, position):
    assert np.array_equal(pictures[position], pictures["HFS"])


def test_the_patients_left_is_on_the_right(pictures):
    picture = pictures["HFS"][:HEIGHT].astype(int)
    red = np.argwhere(picture[..., 0] - picture[..., 2] > 60)[:, 1]
    blue = np.argwhere(picture[..., 2] - picture[..., 0] > 60)[:, 1]
    half = picture.shape[1] // 2
    assert len(red) > 100 < len(blue)
    for first, last in ((0, half), (half, 2 * half)):  # coronal, axial
        assert np.mean(blue[(blue >= first) & (blue < last)]) < np.mean(red[(red >= first) & (red < last)])


def test_a_flat_image_and_no_segments_have_a_picture_too(tmp_path):
    mr_series(tmp_path, slices=1, rows=40, columns=20, pixels=np.full((1, 40, 20), 7, np.uint16))
    volume = volume_in(tmp_path)
    picture = draw(volume, np.zeros(volume.shape, np.uint8), [])
    assert picture.dtype == np.uint8
    assert picture.shape[2] == 3
    assert min(picture.shape[:2]) >= 64
