# SPDX-License-Identifier: Apache-2.0
"""The warm worker: loads once, answers a line a job, keeps its protocol to itself, ends when it should."""

import json
import os
from pathlib import Path

import pytest
from builders import ct_series, mr_series
from result_files import JOB, Written
from running import WarmWorker, app_file, run

from imaging_operators.errors import BadJob
from imaging_operators.worker import Order


def started(app: str, folder: Path) -> WarmWorker:
    worker = WarmWorker(app, folder)
    assert worker.hear() == {"ready": True}, worker.stderr.read_text()
    return worker


@pytest.fixture
def start(tmp_path):
    """Start a worker; it ends with the test."""
    workers: list[WarmWorker] = []

    def start(app: str) -> WarmWorker:
        workers.append(started(app, tmp_path / f"worker-{len(workers)}"))
        return workers[-1]

    yield start
    for worker in workers:
        worker.close()


@pytest.fixture(scope="module")
def bright(tmp_path_factory):
    """A worker of the smallest app, for jobs that go well."""
    worker = started("bright_voxels", tmp_path_factory.mktemp("bright"))
    yield worker
    assert worker.close() == 0


@pytest.fixture(scope="module")
def odd(tmp_path_factory):
    """A worker of an app that does odd things, and ends well for all that."""
    worker = started("misbehaves", tmp_path_factory.mktemp("odd"))
    yield worker
    assert worker.close() == 0
    assert worker.stderr.read_text() == "loading\n"


@pytest.fixture(scope="module")
def a(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("a")
    ct_series(folder, patient_id="A")
    return folder


@pytest.fixture(scope="module")
def b(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("b")
    ct_series(folder, slices=5, spacing=(1.0, 2.0, 2.0), patient_id="B", PatientName="Other^Person")
    return folder


def deed(folder: Path, name: str) -> Path:
    """A series that tells `misbehaves` what to do."""
    ct_series(folder / name.replace(" ", "-"), slices=3, SeriesDescription=name)
    return folder / name.replace(" ", "-")


def test_a_b_a_warm_is_a_b_a_cold(bright, a, b, tmp_path):
    warm = [bright.work(source, name).bytes() for source, name in ((a, "1"), (b, "2"), (a, "3"))]
    assert warm[0] == warm[2] != warm[1]
    for source, result in ((a, warm[0]), (b, warm[1])):
        output = tmp_path / f"cold-{source.name}"
        assert run("bright_voxels", source, output).returncode == 0
        assert Written(output).bytes() == result


def test_a_worker_without_its_model_says_so_and_ends(tmp_path):
    app = tmp_path / "app.py"
    app.write_text(
        app_file("keeps_patient_data").read_text().replace('creator="Gantry"', 'creator="G", models=("m",)')
    )
    worker = WarmWorker(app, tmp_path / "worker", HOLOSCAN_MODEL_PATH=str(tmp_path))
    assert worker.hear() is None
    assert worker.process.wait(60) == 1
    said = worker.stderr.read_text()
    assert said.startswith("MissingModel: A model of the app is missing. m: not in ")
    assert said.count("\n") == 1
    worker.close()


def test_it_stays_flat(bright, a):
    """Jobs leave no descriptors, threads or memory behind: the run before is freed before the next."""

    def held() -> tuple[int, int, int]:
        process = Path(f"/proc/{bright.process.pid}")
        memory = int((process / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        return len(list((process / "fd").iterdir())), len(list((process / "task").iterdir())), memory >> 20

    for number in range(3):
        bright.work(a, f"early-{number}")
    descriptors, threads, megabytes = held()
    for number in range(12):
        bright.work(a, f"late-{number}")
    assert held()[:2] == (descriptors, threads)
    assert held()[2] < megabytes + 20


def test_an_app_that_keeps_a_patient_s_data_is_seen(start, a, b):
    """Warm, the second patient's report is the first one's: what the contract check compares."""
    warm, fresh = start("keeps_patient_data"), start("keeps_patient_data")
    kept = [warm.work(source, name)["text-report-0"] for source, name in ((a, "1"), (b, "2"))]
    cold = fresh.work(b, "1")["text-report-0"]
    assert kept[1].ContentSequence[0].TextValue == kept[0].ContentSequence[0].TextValue
    assert kept[1].ContentSequence[0].TextValue != cold.ContentSequence[0].TextValue


def test_what_the_app_prints_is_in_the_job_s_log_only(odd, a, tmp_path):
    odd.work(deed(tmp_path, "print"), "talks")
    odd.work(a, "silent")
    log = odd.log("talks").read_text()
    for said in ("from Python", "from a descriptor", "from C", "from a child", "from its stderr"):
        assert said in log
    assert odd.log("silent").read_text() == ""


def test_the_app_cannot_read_the_orders(odd, a, tmp_path):
    odd.work(deed(tmp_path, "read stdin"), "reads")
    assert odd.log("reads").read_text() == "''\n"
    odd.work(a, "next")


def test_a_job_sees_its_folders_in_the_environment(odd, tmp_path):
    odd.work(deed(tmp_path, "environment"), "job")
    shown = json.loads(odd.log("job").read_text())
    assert shown["HOLOSCAN_OUTPUT_PATH"] == shown["MONAI_OUTPUTPATH"] == str(odd.folder / "job")
    assert json.loads(shown["GANTRY_JOB"]) == JOB


@pytest.mark.parametrize(
    ("name", "error", "words"),
    [
        ("raise", "AppError", "ZeroDivisionError: by my own fault"),
        ("exit", "AppError", "sys.exit(0)"),
        ("starve", "OutOfMemory", "4.00 EiB"),
    ],
)
def test_a_failing_app_ends_the_worker(start, tmp_path, name, error, words):
    worker = start("misbehaves")
    output = worker.order(deed(tmp_path, name), "job")
    assert worker.hear() == {"exit": 1}
    assert worker.hear() is None
    assert worker.process.wait(60) == 1
    assert sorted(path.name for path in output.iterdir()) == ["error.json", "progress.jsonl"]
    document = json.loads((output / "error.json").read_bytes())
    assert document["error"] == error
    assert words in document["message"]
    assert document["hint"]
    assert "Traceback" in worker.log("job").read_text()


def test_a_series_that_does_not_match_ends_it_with_2(start, tmp_path):
    mr_series(tmp_path / "mr", slices=2)
    worker = start("bright_voxels")
    output = worker.order(tmp_path / "mr", "job")
    assert worker.hear() == {"exit": 2}
    assert worker.process.wait(60) == 2
    assert json.loads((output / "error.json").read_bytes())["error"] == "NoMatchingSeries"


def test_a_wrong_order_is_answered_with_1(start):
    worker = start("misbehaves")
    worker.say("{not json")
    assert worker.hear() == {"exit": 1}
    assert worker.process.wait(60) == 1
    assert "The line is not JSON" in worker.stderr.read_text()


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"\xff\xfe", "not JSON"),
        (b'{"input": "a", "output": "b"}', "lacks log"),
        (b"[]", "lacks input, log, output"),
        (b'{"input": "a", "output": "b", "log": "c", "job": {"revision": 0}}', "GANTRY_JOB.revision 0"),
    ],
)
def test_what_is_wrong_with_an_order_is_said(line, words):
    with pytest.raises(BadJob, match=words):
        Order.from_line(line)


def test_an_order_without_models_or_job():
    order = Order.from_line(b'{"input": "a", "output": "b", "log": "c"}')
    assert order.run.folders.models is None
    assert (order.run.job.revision, order.run.job.segmentation) == (1, "binary")
