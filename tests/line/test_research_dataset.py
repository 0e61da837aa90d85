# SPDX-License-Identifier: Apache-2.0
"""The second walk of docs/research.md: CTs of twenty patients become pictures and SQLite, and are served."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from imaging_data.phantom import thorax, thorax_grid, write_series

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests" / "promises"))
from documented import commands, key  # noqa: E402

GANTRY = Path(sys.executable).with_name("gantry")
PATIENTS, SLICES = 20, 3
INFO = {
    "InstanceNumber",
    "PatientID",
    "RescaleIntercept",
    "RescaleSlope",
    "SeriesDescription",
    "StudyDescription",
    "WindowCenter",
    "WindowWidth",
}


def _run(words: list[str], where: dict[str, Path]) -> subprocess.CompletedProcess[str]:
    """A command as the page has it, with paths of this test in place of the page's."""
    return subprocess.run(
        [str(GANTRY), *(str(where.get(word, word)) for word in words[1:]), "--json"],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"COLUMNS": "200"},
    )


@pytest.fixture(scope="module")
def walked(tmp_path_factory) -> dict[str, object]:
    """What the page's commands made of a folder of CT studies, in their order."""
    folder = tmp_path_factory.mktemp("walk")
    for number in range(PATIENTS):
        rendered = thorax(seed=number).render(thorax_grid(slices=SLICES, rows=16), seed=number)
        write_series(rendered, folder / "dicom" / f"{number}", patient_id=f"PAT {number}")
    where = {
        "path/to/dicom": folder / "dicom",
        "path/to/dataset": folder / "set",
        "path/to/images.parquet": folder / "images.parquet",
    }
    said: dict[str, object] = {"folder": folder}
    for words in commands(ROOT / "docs" / "research.md"):
        if key(words) in ("gantry dataset build", "gantry dataset export"):
            done = _run(words, where)
            assert done.returncode == 0, done.stderr
            said[key(words)] = json.loads(done.stdout)
    return said


@pytest.fixture(scope="module")
def server(walked) -> Iterator[httpx.Client]:
    """`gantry dataset serve` on the data set."""
    command = [str(GANTRY), "dataset", "serve", str(walked["folder"] / "set"), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        address = process.stdout.readline().removeprefix("ready: ").strip()
        with httpx.Client(base_url=address) as client:
            yield client
        process.send_signal(signal.SIGTERM)
        process.stdout.read()
        assert process.wait(30) in (0, -signal.SIGTERM)


def test_the_split_is_by_patient_and_has_its_shares(walked):
    built = walked["gantry dataset build"]
    assert built["counts"] == {
        "patients": PATIENTS,
        "studies": PATIENTS,
        "series": PATIENTS,
        "images": PATIENTS * SLICES,
        "pictures": PATIENTS * SLICES,
    }
    patients = {split: row["patients"] for split, row in built["splits"].items()}
    assert patients == {"train": 14, "validation": 3, "test": 3}
    assert len(list((walked["folder"] / "set" / "pictures").glob("*/*.png"))) == PATIENTS * SLICES
    assert sum(walked["gantry dataset export"]["cases"].values()) == PATIENTS * SLICES


def test_every_endpoint_answers(server):
    def ask(path: str) -> object:
        response = server.get(path)
        assert response.status_code == 200, path
        return response.json()

    assert "Welcome" in ask("/")["message"]
    counted = {"patients": PATIENTS, "studies": PATIENTS, "series": PATIENTS, "images": PATIENTS * SLICES}
    for what, count in counted.items():
        assert ask(f"/{what}/count") == {"count": count}
    patient = ask("/patients/PAT%203")
    assert patient["split"] in ("train", "validation", "test")
    [study] = ask("/patients/PAT%203/studies")["items"]
    assert ask(f"/studies/{study['study_instance_uid']}") == study
    [series] = ask(f"/studies/{study['study_instance_uid']}/series")["items"]
    assert ask(f"/series/{series['series_instance_uid']}") == series
    images = ask(f"/series/{series['series_instance_uid']}/images")["items"]
    assert [image["instance_number"] for image in images] == ["1", "2", "3"]
    assert ask(f"/images/{images[0]['sop_instance_uid']}") == images[0]
    for what, count in {"studycount": 1, "seriescount": 1, "imagecount": SLICES}.items():
        assert ask(f"/patients/PAT%203/{what}") == {"count": count}
    assert ask("/patients/PAT%203/counts") == {"studies": 1, "series": 1, "images": SLICES}
    info = ask(f"/imageinfo/{images[2]['sop_instance_uid']}")
    assert set(info) == INFO
    assert (info["PatientID"], info["InstanceNumber"], info["RescaleIntercept"]) == ("PAT 3", "3", "-1024")
    assert (info["WindowCenter"], info["WindowWidth"]) == ("-600", "1500")
    picture = server.get(f"/pictures/{images[0]['sop_instance_uid']}")
    assert picture.content.startswith(b"\x89PNG")
    assert [one["patient_id"] for one in ask("/search?q=pat 3")["items"]] == ["PAT 3"]
