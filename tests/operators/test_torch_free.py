# SPDX-License-Identifier: Apache-2.0
"""The app on the contract alone does what crash tests count on."""

import os
import subprocess
import sys
import time

import pytest
from builders import ct_series, mr_series
from dicom_tools import dciodvfy_errors
from result_files import Written
from running import WarmWorker, app_file, environment, run

from imaging_data import find_instances


@pytest.fixture
def source(tmp_path):
    ct_series(tmp_path / "ct", slices=3)
    return tmp_path / "ct"


def start(source, output, **variables):
    output.mkdir()
    folders = {"HOLOSCAN_INPUT_PATH": str(source), "HOLOSCAN_OUTPUT_PATH": str(output)}
    given = environment(**folders, **variables)
    return subprocess.Popen([sys.executable, app_file("torch_free")], env=given)


def test_it_leaves_a_valid_picture_and_its_manifest(tmp_path, source):
    assert run("torch_free", source, tmp_path / "out").returncode == 0
    written = Written(tmp_path / "out")
    [entry] = written.document["results"]
    assert entry["sop_instance_uid"] == written["secondary-capture-0"].SOPInstanceUID
    assert written.document["input"]["hash"] == find_instances(source).series[0].input_hash
    assert dciodvfy_errors(written.folder / entry["file"]) == []


def test_it_makes_the_same_bytes_again_and_others_in_another_revision(tmp_path, source):
    written = []
    for name, revision in (("1", 1), ("2", 1), ("3", 2)):
        assert run("torch_free", source, tmp_path / name, {"revision": revision}).returncode == 0
        written.append(Written(tmp_path / name))
    assert written[0].bytes() == written[1].bytes()
    one, _, other = (each["secondary-capture-0"].SOPInstanceUID for each in written)
    assert one != other


def test_its_worker_keeps_the_protocol(tmp_path, source):
    worker = WarmWorker("torch_free", tmp_path / "worker")
    assert worker.hear() == {"ready": True}
    assert worker.work(source, "1").bytes() == worker.work(source, "2").bytes()
    mr_series(tmp_path / "mr", slices=1)
    worker.order(tmp_path / "mr", "3")
    assert worker.hear() == {"exit": 2}
    assert worker.hear() is None
    worker.close()


def test_it_can_work_long_and_crash(tmp_path, source):
    began = time.monotonic()
    process = start(source, tmp_path / "out", SLEEP_S="0.5", CRASH="1")
    assert process.wait(60) == -9
    assert time.monotonic() - began > 0.5
    assert os.listdir(tmp_path / "out") == []


def test_it_can_hang(tmp_path, source):
    process = start(source, tmp_path / "out", HANG="1")
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(1.5)
    process.kill()
    process.wait(60)
    assert os.listdir(tmp_path / "out") == []


def test_it_can_name_another_patient(tmp_path, source):
    run("torch_free", source, tmp_path / "out", WRONG_PATIENT="1")
    assert Written(tmp_path / "out")["secondary-capture-0"].PatientID == "SOMEBODY-ELSE"


def test_it_can_leave_no_manifest(tmp_path, source):
    assert run("torch_free", source, tmp_path / "out", NO_MANIFEST="1").returncode == 0
    assert os.listdir(tmp_path / "out") == ["secondary-capture-0.dcm"]


def test_it_can_hold_memory(tmp_path, source):
    process = start(source, tmp_path / "out", MEMORY_MB="300", SLEEP_S="30")
    statm, page = f"/proc/{process.pid}/statm", os.sysconf("SC_PAGE_SIZE")
    deadline = time.monotonic() + 20
    held = 0
    while held < 300 << 20 and time.monotonic() < deadline:
        time.sleep(0.05)
        with open(statm) as file:
            held = int(file.read().split()[1]) * page
    process.kill()
    process.wait(60)
    assert held > 300 << 20
