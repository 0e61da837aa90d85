# SPDX-License-Identifier: Apache-2.0
"""scripts/demo, as a newcomer runs it: what it shows, what it leaves behind, what it says when it cannot."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pydicom
import pytest
from code_tables import PRIVATE_SCHEME, codes_in, schemes_declared, wrong_with
from orthanc import BINARY
from PIL import Image

ROOT = Path(__file__).parents[2]
DEMONSTRATION = ROOT / "scripts" / "demonstration"
ENDS_WITHIN_S = 280  # apps run at low priority: on a busy machine they wait

pytestmark = pytest.mark.timeout(2 * ENDS_WITHIN_S)


def _start(folder: Path, *arguments: str | Path) -> subprocess.Popen[str]:
    """What scripts/demo runs once the environment is there."""
    command = [sys.executable, DEMONSTRATION, "--folder", folder, "--quick", *arguments]
    environment = os.environ | {"COLUMNS": "160", "NO_COLOR": "1"}
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
        cwd=folder.parent,
    )


def _run(folder: Path, *arguments: str | Path) -> tuple[int, str]:
    process = _start(folder, *arguments)
    output, _ = process.communicate(timeout=ENDS_WITHIN_S)
    return process.returncode, output


def _running(folder: Path) -> list[psutil.Process]:
    """The processes whose command names the folder."""
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        named = any(str(folder) in word for word in process.info["cmdline"] or [])
        if named and process.info["status"] != psutil.STATUS_ZOMBIE and process.pid != os.getpid():
            found.append(process)
    return found


@pytest.fixture
def folder(tmp_path) -> Path:
    """Where a demonstration writes; afterwards nothing of it may run."""
    return tmp_path / "demo"


def _difference_percent(output: str, side: str) -> float:
    [line] = [line for line in output.splitlines() if side in line.lower() and "volume" in line.lower()]
    return float(re.search(r"([+-][\d.]+) %", line)[1])


@pytest.fixture(scope="module")
def kept(tmp_path_factory) -> Iterator[tuple[Path, str]]:
    """The folder and the output of a demonstration with Orthanc that was left running."""
    if not BINARY.exists():
        pytest.skip("Orthanc is not installed")
    folder = tmp_path_factory.mktemp("kept") / "demo"
    status, output = _run(folder, "--keep")
    try:
        assert status == 0, output
        yield folder, output
    finally:
        stopped = _run(folder, "--stop")
    assert stopped == (0, "Ended.\n")
    assert _running(folder) == []
    assert _run(folder, "--stop") == (0, "Nothing was running.\n")


@pytest.mark.orthanc
def test_the_demo_shows_what_came_back(kept):
    _, output = kept
    assert "Archive: Orthanc" in output
    for kind in ("segmentation", "measurements", "text-report", "secondary-capture"):
        assert kind in output
    for step in ("send, receive", "execute", "predict", "validate", "deliver"):
        assert re.search(rf"{step}.*\d\.\d\d", output), step
    assert all(abs(_difference_percent(output, side)) < 5 for side in ("left", "right"))
    picture = Path(re.search(r"Picture: (\S+)", output)[1])
    with Image.open(picture) as image:
        assert min(image.size) > 200


@pytest.mark.orthanc
def test_keep_leaves_it_running_and_prints_the_addresses(kept):
    folder, output = kept
    assert {process.name() for process in _running(folder)} >= {"Orthanc", "gantry"}
    address = re.search(r"status page: (http://127\.0\.0\.1:\d+/)", output)[1]
    assert httpx.get(f"{address}readyz").is_success
    assert re.search(r"Orthanc: http://127\.0\.0\.1:\d+/.*user gantry", output)
    status, output = _run(folder)
    assert status == 1
    assert "scripts/demo --stop" in output


def test_without_an_archive_it_says_so_and_works(folder):
    status, output = _run(folder, "--archive", "folder")
    assert status == 0, output
    assert "no Orthanc" in output
    results = [pydicom.dcmread(path) for path in (folder / "results").rglob("*.dcm")]
    assert len(results) == 4
    for result in results:
        used = set(codes_in(result))
        assert list(filter(None, (wrong_with(code, wording=False) for code in used))) == []
        private = {code.scheme_designator for code in used} & {PRIVATE_SCHEME}
        assert private <= schemes_declared(result)
    assert _running(folder) == []


def test_ones_own_study_without_lungs_is_delivered(folder, samples):
    status, output = _run(folder, "--archive", "folder", "--study", samples / "ct_abdomen_completed")
    assert status == 0, output
    assert "true" not in output
    assert "Picture: " in output


def test_a_study_that_no_app_takes_is_named_with_the_reason(folder, samples):
    status, output = _run(folder, "--archive", "folder", "--study", samples / "mr_brain_t1_7t")
    assert status == 1
    assert "No series under" in output
    assert "Modality" in output
    assert not (folder / "gantry.toml").exists()


def test_another_app_is_shown_with_its_phantom(folder):
    status, output = _run(folder, "--archive", "folder", "--app", "organ_segmentation")
    assert status == 0, output
    assert "instances to ORGAN_SEGMENTATI" in output  # an AE title has 16 characters
    for organ in ("Left lung", "Liver", "Right kidney"):
        [line] = [line for line in output.splitlines() if organ in line and "Volume" in line]
        assert abs(float(re.search(r"([+-][\d.]+) %", line)[1])) < 25, line
    assert "Picture: " in output


def test_an_app_without_its_models_is_named_with_the_command_before_anything_starts(folder, tmp_path):
    status, output = _run(folder, "--app", "chest_xray", "--models", tmp_path / "none")
    assert status == 1
    assert f"Missing in {tmp_path / 'none'}" in output
    assert "scripts/fetch-models chest_xray" in output
    assert not folder.exists()


def _wait_for(process: subprocess.Popen[str], text: str) -> str:
    output = ""
    while text not in output:
        line = process.stdout.readline()
        assert line, output
        output += line
    return output


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_whoever_interrupts_it_leaves_nothing_running(folder, number):
    process = _start(folder)  # with Orthanc where it is installed
    _wait_for(process, "Gateway: ")
    assert _running(folder)
    process.send_signal(number)
    output, _ = process.communicate(timeout=ENDS_WITHIN_S)
    assert process.returncode == 130, output
    assert "everything that was started has been ended" in output
    assert _running(folder) == []


def test_a_folder_of_somebody_else_is_left_alone(folder):
    folder.mkdir()
    (folder / "thesis.txt").write_text("precious")
    status, output = _run(folder, "--archive", "folder")
    assert status == 1
    assert "is not empty" in output
    assert (folder / "thesis.txt").read_text() == "precious"
