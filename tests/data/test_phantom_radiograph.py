# SPDX-License-Identifier: Apache-2.0
"""The phantom's chest radiograph: findings that can be switched on, and files that keep the Standard."""

import shutil
import subprocess

import numpy as np
import pytest

from imaging_data import find_instances, read_radiograph
from imaging_data.phantom.radiograph import FINDINGS, chest_radiograph
from imaging_data.phantom.radiograph_file import write_radiograph


def test_the_same_seed_is_the_same_patient():
    assert np.array_equal(chest_radiograph(4).array, chest_radiograph(4).array)
    assert np.abs(chest_radiograph(4).array - chest_radiograph(5).array).mean() > 0.01


@pytest.mark.parametrize("finding", FINDINGS)
def test_a_finding_changes_the_image_where_it_is_and_hardly_elsewhere(finding):
    for seed in range(5):
        without, with_it = chest_radiograph(seed, side=256), chest_radiograph(seed, [finding], 256)
        changed = np.abs(with_it.array - without.array)
        place = with_it.places[finding]
        assert place.shape == (256, 256)
        assert (place > 0.5).sum() > 100
        assert changed[place > 0.5].mean() > 10 * changed[place < 0.01].mean()


def test_the_number_of_pixels_does_not_change_the_anatomy():
    coarse, fine = chest_radiograph(1, side=128).array, chest_radiograph(1, side=512).array
    averaged = fine.reshape(128, 4, 128, 4).mean((1, 3))
    assert np.corrcoef(coarse.ravel(), averaged.ravel())[0, 1] > 0.98


def test_an_unknown_finding_is_refused():
    with pytest.raises(ValueError, match="the phantom has no Fracture; it has Effusion"):
        chest_radiograph(1, ["Fracture"])


@pytest.mark.parametrize("inverted", [False, True])
def test_it_is_read_as_it_was_drawn(tmp_path, inverted):
    phantom = chest_radiograph(2, ["Mass"], 100)
    write_radiograph(phantom, tmp_path / "image.dcm", monochrome1=inverted)
    [series] = find_instances(tmp_path).series
    radiograph = read_radiograph(series)
    assert np.abs(radiograph.array - phantom.array).max() < 0.0005
    assert (radiograph.view_position, radiograph.patient_orientation) == ("PA", ("L", "F"))
    assert radiograph.spacing_mm == (3.5, 3.5)


@pytest.mark.parametrize("view", ["PA", "AP"])
def test_dciodvfy_finds_nothing_wrong(tmp_path, view):
    if shutil.which("dciodvfy") is None:
        pytest.skip("dicom3tools is not installed")
    path = write_radiograph(chest_radiograph(1, side=64), tmp_path / "image.dcm", view=view)
    done = subprocess.run(["dciodvfy", "-new", path], capture_output=True, text=True, check=False)
    assert "DXImageForPresentation" in done.stdout + done.stderr
    assert "Error" not in done.stdout + done.stderr


def test_uids_follow_from_pixels_and_patient(tmp_path):
    def uid(seed, patient):
        path = write_radiograph(
            chest_radiograph(seed, side=32), tmp_path / f"{seed}{patient}.dcm", patient_id=patient
        )
        return find_instances(path).series[0].instances[0].sop_instance_uid

    assert uid(1, "A") == uid(1, "A")
    assert len({uid(1, "A"), uid(2, "A"), uid(1, "B")}) == 3
