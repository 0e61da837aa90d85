# SPDX-License-Identifier: Apache-2.0
"""An MR series through the app, with a network trained on phantoms whose signal is that of MR."""

import numpy as np
import pytest
from builders import mr_series
from dicom_tools import dciodvfy_errors, dsrdump
from result_files import Written
from running import run
from testmodels.mr_phantom import mr_torso
from totalsegmentator_case import APP, ORGANS, Scored, kinds, segmented

from imaging_data.phantom import torso_grid

SEED = 7
GAIN = 2.5  # a scanner's own, which says nothing


@pytest.fixture(scope="module")
def phantom():
    return mr_torso(SEED, torso_grid(84, 132))


@pytest.fixture(scope="module")
def result(phantom, test_models, tmp_path_factory):
    """What the profile total-mr-fast makes of the phantom."""
    folder, grid = tmp_path_factory.mktemp("mr"), phantom.grid
    pixels = np.rint(phantom.array * GAIN).astype(np.uint16)

    def place(index: int) -> list[float]:
        return [float(value) for value in (grid.affine @ (index, 0, 0, 1))[:3]]

    mr_series(folder / "series", *grid.shape, grid.spacing_mm, pixels=pixels, ImagePositionPatient=place)
    job, models = {"profile": "total-mr-fast"}, str(test_models("totalsegmentator"))
    done = run(APP / "app.py", folder / "series", folder / "out", job, HOLOSCAN_MODEL_PATH=models)
    assert done.returncode == 0, done.stderr
    return Written(folder / "out")


def test_organs_of_a_phantom_it_was_not_trained_on_are_found(result, phantom):
    scores = Scored.of(*segmented(result, phantom.grid), phantom, {}).by_organ
    assert {organ: score for organ, score in scores.items() if score < 0.7} == {}


def test_the_results_are_those_of_ct_and_validators_accept_them(result):
    assert kinds(result) == ["segmentation", "measurements", "text-report", "secondary-capture"]
    for each in result.document["results"]:
        assert dciodvfy_errors(result.folder / each["file"]) == []
    assert (np.ptp(result["secondary-capture-0"].pixel_array.astype(int), axis=-1) > 60).sum() > 5000


def test_volumes_are_those_of_the_segments(result, phantom):
    labelmap, names = segmented(result, phantom.grid)
    measured = {each["site"]: each["value"] for each in result.document["measurements"]}
    assert set(ORGANS) <= set(names)
    for number, name in enumerate(names, start=1):
        volume_ml = (labelmap == number).sum() * phantom.grid.voxel_ml
        assert measured[name.replace("_", " ")] == pytest.approx(volume_ml, abs=0.06)


def test_no_mean_is_told_because_the_signal_has_no_unit(result):
    assert {each["name"] for each in result.document["measurements"]} == {"Volume"}
    for report in ("measurements-0", "text-report-0"):
        text = dsrdump(result.folder / f"{report}.dcm")
        assert "liver" in text
        assert not any(word in text for word in ("Hounsfield", "ttenuation", "mean HU"))


def test_the_report_names_the_weights_of_mr(result):
    assert "weights Dataset852_TotalSegMRI_total_3mm_1088subj" in dsrdump(result.folder / "text-report-0.dcm")
