# SPDX-License-Identifier: Apache-2.0
"""Phantoms as DICOM series, and the command that makes them."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread

from imaging_data import find_instances, read_volume
from imaging_data.phantom import head, head_grid, thorax, thorax_grid, write_series
from imaging_data.phantom.__main__ import main, progress_bar
from imaging_data.phantom.files import PADDING

SCRIPT = Path(__file__).parents[2] / "scripts" / "make-phantom"


@pytest.fixture(scope="module")
def rendered():
    return thorax(1).render(thorax_grid(6, 48), seed=1)


def volume_in(folder):
    [series] = find_instances(folder).series
    return read_volume(series)


def ends(folder, keyword):
    datasets = sorted((dcmread(path) for path in folder.iterdir()), key=lambda each: each.InstanceNumber)
    return datasets[0][keyword].value, datasets[-1][keyword].value


def errors(path):
    done = subprocess.run(["dciodvfy", "-new", path], capture_output=True, text=True, check=False)
    return [line for line in done.stderr.splitlines() if line.startswith("Error")]


def in_patient(volume, array):
    """Where in the patient the densest voxel lies: the same, however the series is stored."""
    index = np.unravel_index(np.argmax(array), array.shape)
    return volume.affine @ (*index, 1)


@pytest.mark.parametrize("position", ["HFS", "FFS", "HFP", "FFP"])
def test_what_is_written_is_what_was_sampled(rendered, tmp_path, position):
    write_series(rendered, tmp_path, patient_position=position)
    volume = volume_in(tmp_path)
    assert volume.array.min() == rendered.array.min()
    assert np.allclose(in_patient(volume, volume.array), rendered.grid.affine @ _densest(rendered.array))
    turned = volume.array[:, ::-1, ::-1] if position.endswith("P") else volume.array
    assert np.array_equal(turned, rendered.array)


def _densest(array):
    return (*np.unravel_index(np.argmax(array), array.shape), 1)


def test_feet_first_is_numbered_from_the_head_down(rendered, tmp_path):
    for position, rises in (("HFS", True), ("FFS", False)):
        write_series(rendered, tmp_path / position, patient_position=position)
        first, last = (value[2] for value in ends(tmp_path / position, "ImagePositionPatient"))
        assert (first < last) == rises
        assert ends(tmp_path / position, "PatientPosition")[0] == position


def test_padding_is_outside_the_circle_and_named(rendered, tmp_path):
    [path, *_] = write_series(rendered, tmp_path, padded=True)
    dataset = dcmread(path)
    assert dataset.PixelPaddingValue == PADDING
    assert dataset.pixel_array[0, 0] == PADDING
    assert dataset.pixel_array[24, 24] > PADDING
    padding = volume_in(tmp_path).padding
    assert padding is not None
    assert 0.15 < padding.mean() < 0.3


@pytest.mark.parametrize("kind", ["thorax", "thorax prone, padded", "head"])
def test_a_validator_finds_no_error(rendered, tmp_path, kind):
    try:
        subprocess.run(["dciodvfy", "-version"], capture_output=True, check=False)
    except FileNotFoundError:
        pytest.skip("dicom3tools is not installed")
    if kind == "head":
        paths = write_series(head(1).render(head_grid(3, 32)), tmp_path)
    else:
        prone = "prone" in kind
        paths = write_series(rendered, tmp_path, patient_position="HFP" if prone else "HFS", padded=prone)
    assert [error for path in paths for error in errors(path)] == []


def test_the_patient_is_synthetic_and_says_so(rendered, tmp_path):
    [path, *_] = write_series(rendered, tmp_path, patient_id="PHANTOM-7")
    dataset = dcmread(path)
    assert (dataset.PatientName, dataset.PatientID) == ("PHANTOM^THORAX", "PHANTOM-7")
    assert dataset.BodyPartExamined == "CHEST"


def test_uids_follow_from_content_and_patient(rendered, tmp_path):
    other = thorax(2).render(thorax_grid(6, 48), seed=2)
    for name, what, patient in (
        ("a", rendered, "P"),
        ("b", rendered, "P"),
        ("c", rendered, "Q"),
        ("d", other, "P"),
    ):
        write_series(what, tmp_path / name, patient_id=patient)
    uids = {name: ends(tmp_path / name, "SOPInstanceUID") for name in "abcd"}
    assert uids["a"] == uids["b"]
    assert len({*uids["a"], *uids["c"], *uids["d"]}) == 6


def test_an_unknown_position_is_refused(rendered, tmp_path):
    with pytest.raises(ValueError, match="HFDR"):
        write_series(rendered, tmp_path, patient_position="HFDR")


def test_two_series_never_mix_in_one_folder(rendered, tmp_path):
    write_series(rendered, tmp_path)
    with pytest.raises(FileExistsError, match="is not empty"):
        write_series(rendered, tmp_path)


# the command


def make(*arguments):
    command = [sys.executable, SCRIPT, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_the_command_writes_the_series_and_prints_its_truth(tmp_path):
    small = ("--seed", 2, "--slices", 4, "--rows", 32)
    as_json = make(tmp_path / "a", *small, "--json")
    assert as_json.returncode == 0, as_json.stderr
    said = json.loads(as_json.stdout)
    assert said["instances"] == len(list((tmp_path / "a").iterdir())) == 4
    assert said["lungs_complete"] is True
    table = make(tmp_path / "b", *small)
    for side in ("left", "right", "total"):
        [line] = [line for line in table.stdout.splitlines() if line.startswith(side)]
        assert f"{said['truth'][side]['volume_ml']:.1f}" in line


def test_a_head_and_a_cut_thorax_by_command(tmp_path, capsys):
    small = ["--slices", "3", "--rows", "24"]
    assert main([str(tmp_path / "head"), "--kind", "head", *small]) == 0
    assert "no lungs" in capsys.readouterr().out
    assert main([str(tmp_path / "cut"), "--cut", "top", "--unequal", "--json", *small]) == 0
    assert json.loads(capsys.readouterr().out)["lungs_complete"] is False


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["--kind", "head", "--cut", "top"], 2, "are for --kind thorax"),
        (["--slices", "0"], 2, "0 is less than 1"),
        (["--position", "UPSIDE"], 2, "invalid choice"),
    ],
)
def test_wrong_usage_is_refused(tmp_path, arguments, status, said):
    done = make(tmp_path / "out", *arguments)
    assert (done.returncode, (tmp_path / "out").exists()) == (status, False)
    assert said in done.stderr


def test_a_folder_with_something_in_it_is_left_alone(tmp_path, capsys):
    (tmp_path / "mine").touch()
    assert main([str(tmp_path)]) == 1
    assert "is not an empty folder" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_the_bar_ends_its_line_when_all_is_done(capsys):
    progress_bar(0.5)
    progress_bar(1.0)
    assert capsys.readouterr().err == f"\r[{'#' * 20}{' ' * 20}]  50%\r[{'#' * 40}] 100%\n"
