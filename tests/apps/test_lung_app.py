# SPDX-License-Identifier: Apache-2.0
"""The app as the gateway starts it: a process, folders, DICOM objects that validators accept."""

import re
from pathlib import Path

import numpy as np
import pytest
from dicom_tools import dciodvfy_errors, dsrdump, in_parts, sr_validator_errors
from highdicom.seg import segread
from result_files import Written
from running import WarmWorker, run

from imaging_data.model_lock import read_lock
from imaging_data.phantom import write_series

APP = Path(__file__).parents[2] / "apps" / "lung_densitometry"
RESEARCH_ONLY = "NOT FOR CLINICAL USE - RESEARCH ONLY"
EVERYTHING = ["segmentation", "measurements", "text-report", "secondary-capture"]


def kinds(written):
    return [result["kind"] for result in written.document["results"]]


@pytest.fixture(scope="module")
def chest(chest_series, tmp_path_factory):
    """A cold run."""
    output = tmp_path_factory.mktemp("chest-results")
    done = run(APP / "app.py", chest_series, output)
    assert done.returncode == 0, done.stdout + done.stderr
    return Written(output)


@pytest.fixture(scope="module")
def worker(tmp_path_factory):
    """A warm worker, which does all other runs."""
    started = WarmWorker(APP / "app.py", tmp_path_factory.mktemp("worker"))
    assert started.hear() == {"ready": True}
    yield started
    started.close()


@pytest.fixture(scope="module")
def part_of_a_chest(samples, worker):
    return worker.work(samples / "ct_chest_lidc_0001", "part")


@pytest.fixture(scope="module")
def abdomen(samples, worker):
    return worker.work(samples / "ct_abdomen_completed", "abdomen")


# a whole chest


def test_a_chest_gives_four_objects_that_validators_accept(chest):
    assert kinds(chest) == EVERYTHING
    for result in chest.document["results"]:
        assert dciodvfy_errors(chest.folder / result["file"]) == []


def test_the_template_validator_accepts_its_reports(chest, tmp_path):
    parts = in_parts(chest["measurements-0"], tmp_path)
    assert len(parts) == 2  # each lung, and both
    assert [sr_validator_errors(part) for part in parts] == [[], []]
    assert sr_validator_errors(chest.folder / "text-report-0.dcm") == []


def test_the_segments_lie_in_the_patient_where_the_lungs_are(chest, phantom):
    segmentation = segread(chest.folder / "segmentation-0.dcm")
    volume = segmentation.get_volume(combine_segments=True, skip_overlap_checks=True)
    truth, voxel_ml = phantom().truth, float(np.prod(volume.spacing)) / 1000
    for number, side in ((1, "right"), (2, "left")):
        voxels = np.argwhere(volume.array == number)
        x = (volume.affine @ (*voxels.mean(0), 1))[0]
        assert (x > 0) == (side == "left")
        assert len(voxels) * voxel_ml == pytest.approx(truth[side].volume_ml, rel=0.02)


def test_results_json_and_the_reports_tell_the_same(chest):
    measured = {(each["site"], each["name"]): each["value"] for each in chest.document["measurements"]}
    assert len(measured) == 12
    report, numbers = (dsrdump(chest.folder / f"{name}-0.dcm") for name in ("text-report", "measurements"))
    for (_, name), value in measured.items():
        assert re.search(rf'"{value}"', numbers), (name, value)
        assert f"{value:.2f}" in report or f"{value:.1f}" in report
    assert RESEARCH_ONLY in report


def test_the_coded_report_refers_to_the_segments_and_declares_our_scheme(chest):
    said = dsrdump(chest.folder / "measurements-0.dcm")
    assert said.count("(SG image,,1)") == said.count("(SG image,,2)") == 1
    assert said.count('(LUNG_LAA950,99GANTRY,"LAA-950: part of the lung below -950 HU")') == 3
    assert said.count('(LUNG_P15,99GANTRY,"15th percentile of lung density")') == 3
    schemes = {
        item.CodingSchemeDesignator for item in chest["measurements-0"].CodingSchemeIdentificationSequence
    }
    assert "99GANTRY" in schemes


def test_the_picture_is_in_colour_and_carries_the_line(chest):
    picture = chest["secondary-capture-0"]
    assert picture.PhotometricInterpretation == "RGB"
    assert RESEARCH_ONLY in picture.SeriesDescription
    assert (np.ptp(picture.pixel_array.astype(int), axis=-1) > 100).sum() > 1000


def test_a_warm_worker_gives_the_same_bytes_before_and_after_another_patient(
    chest, chest_series, worker, head_phantom, tmp_path
):
    write_series(head_phantom, tmp_path / "head")
    assert worker.work(chest_series, "first").bytes() == chest.bytes()
    assert kinds(worker.work(tmp_path / "head", "between")) == ["text-report", "secondary-capture"]
    assert worker.work(chest_series, "again").bytes() == chest.bytes()


# lungs that are cut off


def test_the_real_part_of_a_chest_gives_four_objects_without_the_numbers_of_whole_lungs(part_of_a_chest):
    assert kinds(part_of_a_chest) == EVERYTHING
    assert part_of_a_chest.document["findings"] == ["lungs not completely imaged"]
    names = {each["name"] for each in part_of_a_chest.document["measurements"]}
    assert names == {"Mean density of the imaged part of the lung"}
    assert "LUNGS NOT COMPLETELY IMAGED" in dsrdump(part_of_a_chest.folder / "text-report-0.dcm")
    said = dsrdump(part_of_a_chest.folder / "measurements-0.dcm")
    assert not any(word in said for word in ('"Volume"', "LAA", "percentile"))


def test_what_comes_of_the_real_chest_is_valid(part_of_a_chest):
    for result in part_of_a_chest.document["results"]:
        assert dciodvfy_errors(part_of_a_chest.folder / result["file"]) == []


# no lungs


def test_the_real_abdomen_has_no_segmentation_and_says_why(abdomen):
    assert kinds(abdomen) == ["text-report", "secondary-capture"]
    assert abdomen.document["measurements"] == []
    assert abdomen.document["findings"] == ["no lungs found"]
    assert "NO LUNGS FOUND" in dsrdump(abdomen.folder / "text-report-0.dcm")


def test_what_comes_of_the_real_abdomen_is_valid(abdomen):
    for result in abdomen.document["results"]:
        assert dciodvfy_errors(abdomen.folder / result["file"]) == []


def test_a_head_has_no_segmentation(head_phantom, worker, tmp_path):
    write_series(head_phantom, tmp_path)
    written = worker.work(tmp_path, "head")
    assert kinds(written) == ["text-report", "secondary-capture"]
    assert written.document["findings"] == ["no lungs found"]


# the app's folder


def test_the_app_file_is_as_short_as_an_app_should_be():
    assert len((APP / "app.py").read_text().splitlines()) <= 30


def test_there_are_no_weights_to_lock():
    assert read_lock(APP / "model.lock") == {}
