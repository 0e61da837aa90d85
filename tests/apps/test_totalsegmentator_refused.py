# SPDX-License-Identifier: Apache-2.0
"""What the app refuses before it loads a network, each by name with what to do."""

import shutil

import pytest
from builders import ct_series, mr_series
from totalseg.errors import UnknownTask, UnsuitableSeries, WouldDownload
from totalseg.package import DOWNLOADS, LICENCE_FILE, home, package
from totalseg.segmenting import Weights, segment, set_up
from totalseg.tasks import Job
from totalsegmentator_case import APP, volume_in

from imaging_data.model_lock import lock_text, read_lock
from imaging_operators.errors import MissingModel, WrongModel


@pytest.fixture(scope="module")
def weights(test_models):
    return set_up(APP, test_models("totalsegmentator"))


@pytest.fixture(scope="module")
def ct(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ct")
    ct_series(folder, slices=16)
    return volume_in(folder)


def test_a_ct_is_refused_by_a_task_for_mr_and_the_other_way_round(ct, weights, tmp_path):
    with pytest.raises(UnsuitableSeries, match="It is CT; the task total_mr was trained on MR"):
        segment(ct, Job("total_mr", True), weights)
    mr_series(tmp_path, slices=16)
    with pytest.raises(UnsuitableSeries, match="It is MR; the task total was trained on CT"):
        segment(volume_in(tmp_path), Job("total", True), weights)


def test_too_few_slices_are_refused(weights, tmp_path):
    ct_series(tmp_path, slices=9, spacing=(5.0, 1.0, 1.0))
    with pytest.raises(UnsuitableSeries, match="9 slices over 45 mm"):
        segment(volume_in(tmp_path), Job("total", True), weights)


def test_too_short_a_scan_is_refused(weights, tmp_path):
    ct_series(tmp_path, slices=20, spacing=(1.0, 1.0, 1.0))
    with pytest.raises(UnsuitableSeries, match="20 slices over 20 mm"):
        segment(volume_in(tmp_path), Job("total", True), weights)


def test_a_class_that_the_task_does_not_have_is_refused(ct, weights):
    with pytest.raises(UnknownTask, match="The task total has no class soul"):
        segment(ct, Job("total", True, ("liver", "soul")), weights)


def test_weights_of_another_task_are_named_when_they_are_missing(ct, weights):
    with pytest.raises(MissingModel, match="Dataset913_lung_nodules") as refused:
        segment(ct, Job("lung_nodules"), weights)
    assert "scripts/fetch-models totalsegmentator" in refused.value.hint


def test_a_licensed_task_without_weights_or_number_is_refused(ct, weights, monkeypatch):
    monkeypatch.delenv(LICENCE_FILE, raising=False)
    with pytest.raises(MissingModel, match="Dataset481"):
        segment(ct, Job("tissue_types"), weights)


def test_a_checkpoint_that_nobody_vouches_for_is_refused(ct, weights, tmp_path):
    changed = tmp_path / "models"
    shutil.copytree(weights.models, changed)
    kept = [each for each in read_lock(changed / "model.lock").values() if "Dataset297" not in each.name]
    (changed / "model.lock").write_text(lock_text(kept, "without one"))
    with pytest.raises(WrongModel):
        segment(ct, Job("total", True), Weights(APP, changed))


@pytest.mark.parametrize("name", DOWNLOADS)
def test_the_package_cannot_download(name, tmp_path):
    package()
    from totalsegmentator import libs

    with pytest.raises(WouldDownload):
        getattr(libs, name)("https://example.org/weights.zip", tmp_path)


def test_weights_that_the_package_looks_for_are_not_downloaded(monkeypatch, tmp_path):
    package()
    from totalsegmentator.libs import download_pretrained_weights

    monkeypatch.setenv("TOTALSEG_WEIGHTS_PATH", str(tmp_path))
    with home(), pytest.raises(WouldDownload):
        download_pretrained_weights(298)
