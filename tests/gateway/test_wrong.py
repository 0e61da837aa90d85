# SPDX-License-Identifier: Apache-2.0
"""An app that fails is a sentence and a hint: in its job's history, on the page and by `gantry apps run`."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from builders import ct_series
from one_line import Line

from informatics_gateway.model import JobStatus
from informatics_gateway.receive import read_instance

APPS = Path(__file__).parents[1] / "operators" / "apps"
GANTRY = Path(sys.executable).with_name("gantry")

# What the app does, and what is said of it: a sentence, then what to do.
WRONG = {
    "starve": (
        "The app ran out of memory and was ended. Unable to allocate 4.00 EiB",
        "Raise memory_mb of the app, or send a smaller series",
    ),
    "nan": (
        "The app ended with an error. The app returned values that are no numbers (NaN or infinite).",
        "Look at what the model was given and in which precision it ran",
    ),
}


def series(folder: Path, description: str) -> Path:
    ct_series(folder, slices=3, SeriesDescription=description)
    return folder


def model_missing(folder: Path) -> Path:
    """The app, which needs a model that is not there."""
    app = Path(shutil.copytree(APPS / "misbehaves", folder / "misbehaves"))
    text = (app / "app.py").read_text()
    (app / "app.py").write_text(text.replace('creator="Gantry"', 'creator="Gantry", models=("net.pt",)'))
    return app


def job_of(storage: Path, app: Path, folder: Path, **options):
    """The job and its last event, after one step."""
    instances = [read_instance(path) for path in sorted(folder.iterdir())]
    with Line(storage, app, instances, **options) as line:
        job = line.step()
        return job, line.events[-1]


@pytest.mark.parametrize("what", WRONG)
def test_the_job_says_it(tmp_path, what):
    sentence, hint = WRONG[what]
    job, event = job_of(tmp_path, APPS / "misbehaves", series(tmp_path / "in", what))
    assert job.status is JobStatus.FAILED
    assert job.error.startswith(sentence)
    assert job.hint.startswith(hint)
    assert event == f"failed: {job.error} {job.hint}"


def test_a_missing_model_names_the_command_that_fetches_it(tmp_path):
    app = model_missing(tmp_path)
    job, event = job_of(tmp_path, app, series(tmp_path / "in", "x"), runner="warm")
    assert "net.pt" in job.error
    assert "scripts/fetch-models misbehaves" in event


def by_hand(app: Path, source: Path, output: Path) -> list[str]:
    """What `gantry apps run` writes to standard error, line by line; its exit status is 1."""
    done = subprocess.run(
        [GANTRY, "apps", "run", app, source, output],
        capture_output=True,
        text=True,
        env=os.environ | {"COLUMNS": "80"},
        check=False,
    )
    assert done.returncode == 1
    assert done.stdout == ""
    return done.stderr.splitlines()


def test_apps_run_says_it_in_one_line_and_what_to_do_in_the_next(tmp_path):
    said, hint = by_hand(APPS / "misbehaves", series(tmp_path / "in", "nan"), tmp_path / "out")
    assert (said.startswith(WRONG["nan"][0]), hint.startswith(WRONG["nan"][1])) == (True, True)
    assert (tmp_path / "out" / "error.json").is_file()


def test_apps_run_without_its_model(tmp_path):
    app = model_missing(tmp_path)
    said, hint = by_hand(app, series(tmp_path / "in", "x"), tmp_path / "out")
    assert "net.pt" in said
    assert "scripts/fetch-models misbehaves" in hint
