# SPDX-License-Identifier: Apache-2.0
"""Apps run as real MONAI Deploy graphs, in a process of their own, as the gateway starts them."""

import json
from pathlib import Path

import numpy as np
import pytest
from builders import ct_series, mr_series
from highdicom.seg import segread
from result_files import Written
from running import APPS, run

from imaging_data import file_sha256, find_instances, input_hash


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("source")
    pixels = np.full((6, 16, 16), 1024, np.int16)
    pixels[2:4, 3:6, 4:9] = 1124
    ct_series(folder, slices=6, pixels=pixels)
    return folder


@pytest.fixture(scope="module")
def done(source, tmp_path_factory):
    """A cold run of the smallest app with all kinds of results."""
    output = tmp_path_factory.mktemp("done")
    return run("bright_voxels", source, output), Written(output)


def test_it_ends_well_and_quietly(done):
    process, _ = done
    assert process.returncode == 0, process.stderr
    assert process.stdout == ""
    assert process.stderr == ""


def test_the_segmentation_is_the_bright_block(done):
    _, written = done
    seg = segread(written.folder / "segmentation-0.dcm")
    labels = seg.get_volume(combine_segments=True).array
    assert labels.sum() == 2 * 3 * 5
    assert written["segmentation-0"].NumberOfFrames == 2


def test_results_json_is_as_agreed(done, source):
    _, written = done
    document = written.document
    [series] = find_instances(source).series
    assert document["contract"] == 1
    assert document["app"] == {
        "name": "bright-voxels",
        "version": "1.0",
        "creator": "Gantry",
        "digest": document["app"]["digest"],
        "profile": "",
    }
    assert document["input"] == {
        "hash": input_hash(file_sha256(path) for path in source.iterdir()),
        "series_instance_uid": series.series_instance_uid,
        "instances": 6,
    }
    assert [entry["kind"] for entry in document["results"]] == [
        "segmentation",
        "measurements",
        "text-report",
        "secondary-capture",
    ]
    assert document["measurements"] == [{"name": "Volume", "value": 75.0, "unit": "mm3", "site": "Bright"}]
    assert set(document["times"]) == {"read_s", "setup_s", "predict_s", "write_s"}
    assert document["device"]


def test_results_json_lists_what_is_there(done):
    _, written = done
    listed = {entry["file"]: entry for entry in written.document["results"]}
    assert {path.name for path in written.folder.iterdir()} == {*listed, "results.json", "progress.jsonl"}
    for name, entry in listed.items():
        dataset = written[name.removesuffix(".dcm")]
        assert entry["sha256"] == file_sha256(written.folder / name)
        assert entry["sop_class_uid"] == dataset.SOPClassUID
        assert entry["sop_instance_uid"] == dataset.SOPInstanceUID
        assert entry["study_instance_uid"] == dataset.StudyInstanceUID
        assert entry["series_instance_uid"] == dataset.SeriesInstanceUID
        assert entry["series_number"] == dataset.SeriesNumber


def test_a_series_that_does_not_match(tmp_path):
    mr_series(tmp_path / "mr", slices=2, SeriesDescription="T1 axial")
    process = run("bright_voxels", tmp_path / "mr", tmp_path / "out")
    assert process.returncode == 2
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["error.json", "progress.jsonl"]
    error = json.loads((tmp_path / "out" / "error.json").read_bytes())
    assert error["error"] == "NoMatchingSeries"
    assert "MR" in error["message"]
    assert error["hint"]


def test_without_folders_it_says_which_variable_is_missing(tmp_path):
    process = run("bright_voxels", tmp_path, tmp_path / "out", HOLOSCAN_INPUT_PATH="")
    assert process.returncode == 1
    assert "The variable HOLOSCAN_INPUT_PATH is not set." in process.stderr


def test_the_test_apps_are_short():
    assert len((APPS / "bright_voxels" / "app.py").read_text().splitlines()) < 60
