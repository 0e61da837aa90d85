# SPDX-License-Identifier: Apache-2.0
"""A licensed task through the app: refused by name without the site's number, and the number is told nobody."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from builders import ct_series
from running import run
from totalseg.package import LICENCE_FILE
from totalsegmentator_case import APP

from imaging_data.model_lock import describe_file, lock_text

NUMBER = "aca_0123456789ABCD"
PROFILE = {"profile": "tissue-types"}
NETWORK = "nnUNetTrainer__nnUNetPlans__3d_fullres"


@pytest.fixture(scope="module")
def models(test_models, tmp_path_factory):
    """The small networks; that for `body` also in the place of the one for `tissue_types`."""
    folder = tmp_path_factory.mktemp("licensed") / "models"
    shutil.copytree(test_models("totalsegmentator"), folder)
    [body] = folder.glob("Dataset300*")
    shutil.copytree(body / NETWORK, folder / "Dataset481_tissue_1559subj" / NETWORK)
    (folder / "model.lock").unlink()
    names = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    (folder / "model.lock").write_text(
        lock_text([describe_file(folder, name) for name in names], "For a test.")
    )
    return folder


@pytest.fixture(scope="module")
def series(tmp_path_factory):
    """A block of soft tissue in air."""
    pixels = np.full((24, 48, 48), 24, np.int16)
    pixels[:, 8:40, 8:40] = 1064
    folder = tmp_path_factory.mktemp("tissue")
    ct_series(folder, 24, 48, 48, (4.0, 4.0, 4.0), pixels=pixels)
    return folder


def told(folder: Path) -> bool:
    """Whether any file below `folder` holds the number."""
    return any(NUMBER.encode() in path.read_bytes() for path in folder.rglob("*") if path.is_file())


def test_without_the_number_it_is_refused_by_name(series, models, tmp_path):
    done = run(APP / "app.py", series, tmp_path / "out", PROFILE, HOLOSCAN_MODEL_PATH=str(models))
    assert done.returncode == 1
    error = json.loads((tmp_path / "out" / "error.json").read_bytes())
    assert error["error"] == "NoLicence"
    assert LICENCE_FILE in error["hint"]
    assert not list((tmp_path / "out").glob("*.dcm"))


def test_with_the_number_it_runs_and_the_number_stays_in_its_file(series, models, tmp_path):
    (tmp_path / "number").write_text(NUMBER + "\n")
    (tmp_path / "place").mkdir()
    told_where = {LICENCE_FILE: str(tmp_path / "number"), "TMPDIR": str(tmp_path / "place")}
    done = run(
        APP / "app.py", series, tmp_path / "out", PROFILE, HOLOSCAN_MODEL_PATH=str(models), **told_where
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "results.json").is_file()
    assert NUMBER not in done.stdout + done.stderr
    assert not told(tmp_path / "out")
    assert not told(tmp_path / "place")
    assert told(tmp_path), "the search finds it where it is"
