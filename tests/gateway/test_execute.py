# SPDX-License-Identifier: Apache-2.0
"""The executor: the folders of an attempt, what the app is given and sees, what is kept of it."""

import json
import os
import shutil
import sys
import tempfile
import threading
from pathlib import Path

import pytest
from app_jobs import APP, IDENTITY, REQUEST, Bench, again, app_pid

from informatics_gateway.errors import AppCrashed, AppFailed, AppWroteNoManifest, InvalidResult, JobCancelled
from informatics_gateway.execute import JobRequest, hider, load_manifest, load_report
from informatics_gateway.model import AttemptFolder, Identity
from informatics_gateway.runners import folders
from informatics_gateway.runners.describe import describe

SECRET = "swordfish-1234"


@pytest.fixture(params=["process", "warm"])
def runner(request):
    return request.param


@pytest.fixture
def open_bench(tmp_path, runner):
    made: list[Bench] = []

    def open_(**app):
        made.append(Bench(tmp_path / "storage", runner=runner, **app))
        return made[-1]

    yield open_
    for bench in made:
        assert [name for name in bench.left() if name[0].isdigit()] == []
        bench.executor.close()
        assert bench.processes() == []


def seen(bench: Bench) -> dict:
    """What the app saw in the job `see`."""
    bench.run("see")
    return json.loads((bench.kept() / "output" / "seen.json").read_text())


def test_a_job_gives_the_manifest_of_its_results(open_bench):
    bench = open_bench()
    manifest = bench.run("done")
    [result] = manifest.results
    assert (manifest.app, manifest.version, manifest.device) == ("contract-only", "1", "cpu")
    assert (result.kind, result.series_number, result.ordinal) == ("secondary-capture", 300, 0)
    assert result.path == bench.kept() / "output" / "picture-0.dcm"
    assert result.path.read_bytes() == b"result"
    assert manifest.measurements[0] | {"value": 0} == {"name": "pid", "value": 0, "unit": "1", "site": "host"}


def test_the_app_sees_its_input_as_read_only_copies_named_by_uid(open_bench):
    found = seen(open_bench())
    assert found["input"] == {"1.2.3.1.1.dcm": "0o100444", "1.2.3.1.2.dcm": "0o100444"}
    assert found["links"] == [1, 1]


def test_stored_instances_stay_as_they_are(open_bench, tmp_path):
    bench = open_bench()
    bench.run("done")
    stored = sorted((tmp_path / "storage" / "instances").iterdir())
    assert [(path.stat().st_mode & 0o777, path.stat().st_nlink) for path in stored] == [(0o444, 1)] * 2


def test_an_app_that_writes_into_its_input_does_not_reach_what_is_stored(open_bench):
    bench = open_bench()
    job = bench.job("overwrite_input")
    before = [instance.path.read_bytes() for instance in job.input_set.instances]
    bench.executor.execute(job, REQUEST, threading.Event())
    assert [instance.path.read_bytes() for instance in job.input_set.instances] == before


def test_no_secret_of_the_gateway_reaches_the_app(open_bench, monkeypatch, runner):
    monkeypatch.setenv("ORTHANC_PASSWORD", SECRET)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("PYTHONPATH", f"/{SECRET}")
    environment = seen(open_bench())["environment"]
    assert SECRET not in json.dumps(environment)
    ours = {"HOME", "TMPDIR", "LANG", "OMP_WAIT_POLICY", "OMP_NUM_THREADS", "PYTHONUNBUFFERED"}
    of_the_map = {"HOLOSCAN_MODEL_PATH", "MONAI_MODELPATH"}
    if runner == "process":
        of_the_map |= {"HOLOSCAN_INPUT_PATH", "MONAI_INPUTPATH", "HOLOSCAN_OUTPUT_PATH", "MONAI_OUTPUTPATH"}
    own = {"GANTRY_JOB", "GANTRY_PROCESS_MARK"} | ({"PROTOCOL"} if runner == "warm" else set())
    host = {"PATH", "LD_LIBRARY_PATH", "TZ"} | {
        name for name in environment if name.startswith(("CUDA", "NVIDIA"))
    }
    assert set(environment) - host == ours | of_the_map | own


def test_the_app_gets_what_its_configuration_says(open_bench, tmp_path):
    (tmp_path / "weights").mkdir()
    environment = {"OMP_NUM_THREADS": "7", "TOOL_MODE": "fast"}
    found = seen(open_bench(environment=environment, models=tmp_path / "weights"))["environment"]
    assert found["OMP_NUM_THREADS"] == "7"
    assert found["TOOL_MODE"] == "fast"
    assert found["HOLOSCAN_MODEL_PATH"] == found["MONAI_MODELPATH"] == str(tmp_path / "weights")


def test_the_job_tells_the_app_what_its_results_need(open_bench):
    bench = open_bench()
    request = JobRequest("2026-11-20T09:15:00+00:00", 2, "labelmap", ({"kind": "text-report", "ordinal": 0},))
    bench.executor.execute(bench.job("see"), request, threading.Event())
    found = json.loads((bench.kept() / "output" / "seen.json").read_text())
    assert json.loads(found["environment"]["GANTRY_JOB"]) == {
        "content_datetime": "2026-11-20T09:15:00+00:00",
        "revision": 2,
        "segmentation": "labelmap",
        "replaces": [{"kind": "text-report", "ordinal": 0}],
        "profile": "",
        "instead_of": "",
    }


def test_the_app_runs_with_the_limits_of_a_guest(open_bench, runner):
    bench = open_bench()
    found = seen(bench)
    assert found["umask"] == 0o077
    assert found["nice"] == min(19, os.nice(0) + 10)
    assert found["oom"] == 800
    assert found["stack"] == 32768 * 1024
    assert found["core"] == [0, 0]
    assert found["python"] == sys.executable
    assert found["folder"] == found["environment"]["HOME"]
    assert Path(found["folder"]).is_relative_to(bench.storage / "work")
    # standard streams; of a worker also its answers and its own log; and the folder that is being listed
    assert len(found["descriptors"]) == (4 if runner == "process" else 6)


def test_a_record_of_the_process_is_there_while_it_works(open_bench, runner):
    bench = open_bench()
    aside = bench.run_aside("hang")
    aside.read("hangs")
    [record] = (bench.storage / "work").glob("*/process.json")
    assert record.parent.name.startswith("warm.tool." if runner == "warm" else "1.1")
    assert set(json.loads(record.read_text())) == {"pid", "started", "boot", "mark"}
    aside.cancelled.set()
    assert isinstance(aside.end(), JobCancelled)


def test_each_attempt_is_kept_and_its_folder_is_private(open_bench):
    bench = open_bench()
    job = bench.job("fail")
    for attempt in (1, 2):
        with pytest.raises(AppFailed):
            bench.executor.execute(again(job, attempt), REQUEST, threading.Event())
    kept = bench.storage / "jobs" / "1"
    assert sorted(path.name for path in kept.iterdir()) == ["1", "2"]
    assert bench.executor.folder(again(job, 2)).path == kept / "2"
    assert json.loads((kept / "2" / "output" / "error.json").read_text())["error"] == "ValueError"
    private = [kept / "2", kept / "2" / "output", kept / "2" / "output" / "error.json"]
    assert all(path.stat().st_mode & 0o077 == 0 for path in private)


def test_an_attempt_that_was_not_accepted_is_run_anew(open_bench):
    bench = open_bench()
    job = bench.job("done")
    (bench.kept() / "output").mkdir(parents=True)
    (bench.kept() / "output" / "half.dcm").touch()
    shutil.copytree(bench.kept(), bench.storage / "work" / "1.1")
    manifest = bench.executor.execute(job, REQUEST, threading.Event())
    assert manifest.results
    assert not (bench.kept() / "output" / "half.dcm").exists()


def test_what_is_no_plain_file_is_refused_and_taken_out(open_bench):
    bench = open_bench()
    with pytest.raises(AppFailed, match=r"no plain file: .*\.$") as caught:
        bench.run("link")
    for name in ("app.log", "output/input.dcm", "output/link", "output/pipe"):
        assert name in str(caught.value)
    assert sorted(os.listdir(bench.kept() / "output")) == ["picture-0.dcm", "results.json"]
    assert not os.path.lexists(bench.kept() / "app.log")


def test_folders_that_the_app_has_locked_are_kept_and_removed_all_the_same(open_bench):
    bench = open_bench()
    bench.run("lock")
    assert (bench.kept() / "output" / "locked" / "inner" / "file").exists()


def test_results_of_another_study_are_refused(open_bench):
    with pytest.raises(InvalidResult, match="another StudyInstanceUID"):
        open_bench().run("done", study="1.2.999")


def test_results_are_on_the_disk_before_the_job_is_executed(open_bench, monkeypatch):
    synced: list[str] = []
    fsync = os.fsync
    monkeypatch.setattr(
        os, "fsync", lambda one: (synced.append(os.readlink(f"/proc/self/fd/{one}")), fsync(one))[1]
    )
    bench = open_bench()
    bench.run("done")
    kept = bench.kept()
    parts = ("output/picture-0.dcm", "output/results.json", "output", "app.log", "", "..", "../..")
    assert {str((kept / part).resolve()) for part in parts} <= set(synced)


def test_a_missing_model_names_the_command_that_fetches_it(open_bench, tmp_path):
    app = shutil.copytree(APP, tmp_path / "needy")
    text = (app / "app.py").read_text().replace('"models": []', '"models": ["model.ts"]')
    (app / "app.py").write_text(text)
    bench = open_bench(path=app)
    with pytest.raises(AppFailed, match=r"Missing in .*/needy/models: model\.ts\.$") as caught:
        bench.run("done")
    assert caught.value.hint == "Run `scripts/fetch-models needy`."
    (app / "models").mkdir()
    (app / "models" / "model.ts").touch()
    bench.run("done")


def test_an_app_that_is_not_there_is_named(open_bench, tmp_path):
    with pytest.raises(AppFailed, match=r"nowhere has no app\.py or __main__\.py"):
        open_bench(path=tmp_path / "nowhere").run("done")


def test_the_manifest_is_read_again_after_a_restart(open_bench):
    bench = open_bench()
    job = bench.job("done")
    first = bench.executor.execute(job, REQUEST, threading.Event())
    assert load_manifest(bench.executor.folder(job), job) == first
    assert app_pid(first) == load_report(bench.kept() / "output")["measurements"][0]["value"]


def test_a_report_that_is_not_there_is_empty(tmp_path):
    assert load_report(tmp_path) == {}
    (tmp_path / "results.json").write_text("{")
    assert load_report(tmp_path) == {}


def test_a_manifest_that_is_not_there_is_said(tmp_path, open_bench):
    with pytest.raises(AppWroteNoManifest):
        load_manifest(AttemptFolder(tmp_path), open_bench().job("done"))


def test_a_patients_name_and_numbers_are_hidden():
    hide = hider(Identity("1.2+3", "", "O'Hara^Mary Ann^^Dr=山田^太郎", "1.2.3"))
    assert hide("O'HARA, mary (1.2+3) 山田") == "[patient], [patient] ([patient]) 山田"
    assert hide("Dr of slice 1.2-3, Ann") == "Dr of slice 1.2-3, [patient]"
    assert hide("O'Hara^Mary Ann^^Dr=山田^太郎.") == "[patient]."
    assert hider(IDENTITY)("janet") == "[patient]t"
    assert hider(Identity("", "", "", "1"))("as it was") == "as it was"


@pytest.fixture
def somebody():
    """A folder of a user who is not root, as whom the test then runs: nothing is closed to root."""
    folder = Path(tempfile.mkdtemp())
    was_root = os.geteuid() == 0
    if was_root:
        os.chown(folder, 65534, 65534)
        os.seteuid(65534)
    yield folder
    if was_root:
        os.seteuid(0)
    shutil.rmtree(folder)


def test_locked_folders_are_no_hindrance_to_somebody_who_is_not_root(somebody):
    work, kept = AttemptFolder(somebody / "work"), AttemptFolder(somebody / "kept")
    for folder in (work.output / "locked" / "inner", work.path / "home" / "locked", work.input):
        folder.mkdir(parents=True)
        (folder / "file").touch()
        folder.chmod(0)
    (work.output / "locked").chmod(0o100)
    assert folders.keep(work, kept) == []
    assert (kept.output / "locked" / "inner" / "file").exists()
    folders.make_durable(kept)
    folders.remove(kept.path)
    assert list(somebody.iterdir()) == []


def test_removing_what_is_not_there_is_no_fault(tmp_path):
    folders.remove(tmp_path / "nothing")


def test_a_manifest_whose_process_is_killed_is_asked_for_again(tmp_path):
    script = tmp_path / "app.py"
    script.write_text("import os\nos.kill(os.getpid(), 9)\n")
    with pytest.raises(AppCrashed, match="signal 9") as caught:
        describe(script)
    assert caught.value.retryable
