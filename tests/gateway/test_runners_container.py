# SPDX-License-Identifier: Apache-2.0
"""Apps in real containers, one a job and kept warm: what they get, and how each end is told apart."""

import json

import pytest
from app_jobs import again

from informatics_gateway.errors import (
    AppCrashed,
    AppFailed,
    AppOutOfMemory,
    AppOutOfTime,
    AppRefused,
    AppWroteNoManifest,
    JobCancelled,
)

pytestmark = pytest.mark.engine


@pytest.fixture(params=["container", "warm"])
def bench(open_bench, request):
    """Both runners."""
    return open_bench(runner=request.param, memory_mb=256, output_mb=50)


def test_a_job_gives_results(bench):
    assert len(bench.run("done").results) == 1
    assert (bench.kept() / "app.log").read_text() == "doing done\n"


def test_progress_is_followed(bench):
    told = []
    pieces = ['{"step": "predict", "fraction": 0.5}\n']
    job = bench.job("progress", pieces=pieces)
    bench.execute(job, on_progress=lambda *step: told.append(step))
    assert told == [("predict", 0.5)]


@pytest.mark.parametrize(
    ("do", "error", "sentence"),
    [
        ("refuse", AppRefused, "No series matches: Modality is MR."),
        ("fail", AppFailed, "the sum is wrong"),
        ("memory_error", AppOutOfMemory, "Unable to allocate 4 GiB"),
        ("fill", AppOutOfMemory, ""),
        ("segfault", AppCrashed, "It was killed by SIGSEGV."),
        ("no_manifest", AppWroteNoManifest, ""),
        ("link_result", AppFailed, "It left what is no plain file: output/patient.dcm."),
        ("chat", AppFailed, "It printed more than 64 MB into its log."),
        ("flood", AppFailed, "It wrote more than 50 MB."),
    ],
)
def test_each_end_is_told_apart(bench, do, error, sentence):
    with pytest.raises(error) as caught:
        bench.run(do, mb=400)
    assert type(caught.value) is error
    assert sentence in str(caught.value)
    assert caught.value.hint
    bench.executor.close()  # the worker of an app that answered lives on
    assert bench.containers() == []
    assert "root:" not in "".join(path.read_text() for path in bench.kept().rglob("*.dcm"))


def test_exit_status_0_with_nothing_is_no_success(open_bench):
    with pytest.raises(AppWroteNoManifest):
        open_bench(runner="container").run("leave", status=0)


def test_a_child_that_was_killed_for_memory_is_said(open_bench):
    with pytest.raises(AppOutOfMemory, match="The kernel killed it"):
        open_bench(runner="container", memory_mb=256).run("fill_in_a_child", mb=320)


@pytest.mark.parametrize("do", ["hang", "fork_bomb"])
def test_what_does_not_end_is_killed_with_everything_in_it(open_bench, do):
    """Both are deaf to SIGTERM; a container that is asked to stop would get ten seconds for that."""
    bench = open_bench(runner="container", timeout_s=4)
    with pytest.raises(AppOutOfTime, match="The limit is 4 s"):
        bench.run(do)
    assert bench.containers() == []


def test_a_fork_bomb_is_held(open_bench):
    bench = open_bench(runner="container")
    aside = bench.run_aside("fork_bomb")
    aside.find("full")
    [name] = bench.containers()
    assert int(bench.podman("inspect", name, "--format", "{{.HostConfig.PidsLimit}}")) == 256
    aside.cancelled.set()
    assert type(aside.end()) is JobCancelled
    assert bench.containers() == []


def test_a_cancel_ends_the_container(bench):
    aside = bench.run_aside("hang")
    aside.read("hangs")
    aside.cancelled.set()
    assert type(aside.end()) is JobCancelled
    assert bench.containers() == []


def test_what_is_in_a_container_can_do_no_harm(bench, monkeypatch):
    monkeypatch.setenv("SECRET_OF_THE_GATEWAY", "x")
    bench.run("look_around")
    seen = json.loads((bench.kept() / "output" / "seen.json").read_text())
    environment = seen.pop("environment")
    assert seen.pop("network") == ["lo"]
    assert seen.pop("user") != 0
    assert {seen.pop(place) for place in ("root", "var", "run")} == {"EROFS"}
    assert seen.pop("input") in ("EROFS", "EACCES")
    assert seen.pop("NoNewPrivs") == "1"
    assert seen.pop("Seccomp") == "2"
    assert {value for name, value in seen.items() if name.startswith("Cap")} == {"0" * 16}
    assert environment["HOME"] == environment["TMPDIR"] == "/tmp"
    assert not {"SECRET_OF_THE_GATEWAY", "GANTRY_ENGINE", "CONTAINERS_CONF"} & set(environment)


def test_the_environment_of_the_configuration_reaches_the_app(open_bench):
    bench = open_bench(runner="container", environment={"COLOUR": "a b=c", "HOME": "/var/holoscan"})
    bench.run("look_around")
    seen = json.loads((bench.kept() / "output" / "seen.json").read_text())["environment"]
    assert (seen["COLOUR"], seen["HOME"]) == ("a b=c", "/var/holoscan")
    assert json.loads(seen["GANTRY_JOB"])["revision"] == 1


def test_a_models_folder_of_the_configuration_takes_the_place_of_the_images(open_bench, tmp_path):
    weights = tmp_path / 'weights: of "today", ro'  # what paths may have and an engine's options are made of
    weights.mkdir(mode=0o755)
    bench = open_bench(runner="container", models=weights)
    aside = bench.run_aside("hang")
    aside.read("hangs")
    [name] = bench.containers()
    mounts = json.loads(bench.podman("inspect", name))[0]["Mounts"]
    models = next(each for each in mounts if each["Destination"] == "/opt/holoscan/models")
    assert (models["Source"], models["RW"]) == (str(weights), False)
    aside.cancelled.set()
    aside.end()


def test_a_container_is_not_started_beside_one_of_an_earlier_attempt(open_bench):
    bench = open_bench(runner="container")
    name = bench.start_stranger("1.1")
    job = bench.job("done")
    bench.execute(again(job, attempt=2))
    assert bench.containers() == [], f"{name} is still there"
