# SPDX-License-Identifier: Apache-2.0
"""The engine and what it says when something is missing: each a sentence with a hint."""

import os
from pathlib import Path

import pytest
from orthanc import free_port

from informatics_gateway.errors import (
    AppFailed,
    EngineUnavailable,
    ImageUnavailable,
    RegistryUnavailable,
)
from informatics_gateway.runners import Layout, Limits, Program
from informatics_gateway.runners import engine as module
from informatics_gateway.runners.container import Container, Plan, options
from informatics_gateway.runners.engine import Engine, find_engine

ZEROS = "sha256:" + "0" * 64

pytestmark = pytest.mark.engine


def ends(bench, error, *parts):
    """Run a job; it ends with this error, whose sentence has these parts."""
    with pytest.raises(error) as caught:
        bench.run("done")
    assert type(caught.value) is error
    for part in parts:
        assert part in str(caught.value)
    assert caught.value.hint
    return caught.value


@pytest.fixture(params=["container", "warm"])
def runner(request):
    return request.param


def script(folder: Path, text: str) -> str:
    """A program that stands in for the engine, for what a real one does once a year."""
    path = folder / "podman"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def test_an_image_that_is_missing_is_named(open_bench, runner):
    image = f"localhost/never-built@{ZEROS}"
    ends(open_bench(runner=runner, image=image), ImageUnavailable, f"There is no image {image}.")


def test_a_wrong_digest_is_named_with_the_right_one(open_bench, stub_image):
    name, _, digest = stub_image.partition("@")
    bench = open_bench(image=f"{name}@{ZEROS}")
    ends(bench, ImageUnavailable, f"{name} is here as ", digest, f"not as {ZEROS}")


def test_an_image_by_its_id_is_the_image(open_bench, stub_image, podman):
    name = stub_image.partition("@")[0]
    identity = podman("image", "inspect", stub_image, "--format", "{{.Id}}")
    open_bench(image=f"{name}@sha256:{identity}").run("done")


def test_a_registry_that_is_away_is_worth_another_try(open_bench):
    bench = open_bench(image=f"127.0.0.1:{free_port()}/app@{ZEROS}")
    assert ends(bench, RegistryUnavailable, "connection refused").retryable


def test_an_engine_that_is_away_is_worth_another_try(open_bench, podman, monkeypatch):
    bench = open_bench()
    monkeypatch.setenv("GANTRY_ENGINE", "/no/such/podman")
    assert ends(bench, EngineUnavailable, "GANTRY_ENGINE names /no/such/podman").retryable
    monkeypatch.setenv("GANTRY_ENGINE", podman.path)


@pytest.mark.parametrize("asked", ["image", "create", "rm"])
def test_an_engine_that_hangs_holds_no_job_for_ever(open_bench, podman, monkeypatch, tmp_path, asked):
    bench = open_bench(runner="container")
    hanging = script(tmp_path, f'[ "$1" = {asked} ] && exec sleep 600\nexec {podman.path} "$@"')
    monkeypatch.setattr(module, "ANSWERS_WITHIN_S", 3)
    monkeypatch.setenv("GANTRY_ENGINE", hanging)
    assert ends(bench, EngineUnavailable, f"podman {asked}` took more than 3 s").retryable
    monkeypatch.setenv("GANTRY_ENGINE", podman.path)
    bench.executor.end_leftovers()


def test_an_engine_whose_client_is_killed_is_worth_another_try(open_bench):
    bench = open_bench(runner="container")
    aside = bench.run_aside("hang")
    aside.read("hangs")
    bench.kill_client()
    error = aside.end()
    assert type(error) is EngineUnavailable
    assert "while the container still ran" in str(error)
    assert error.retryable
    assert bench.containers() == []


def test_a_gpu_that_the_engine_cannot_give_is_an_error(engine, stub_image, tmp_path):
    container = Container(plan(stub_image, gpu="GPU-1", log=tmp_path / "log"))
    try:
        with pytest.raises(AppFailed, match=r"The container did not start: .*nvidia.com/gpu=GPU-1"):
            container.exit_status(20)
    finally:
        container.end()


def plan(image: str, log: Path = Path(os.devnull), **others) -> Plan:
    """A plan for a container."""
    program = Program("tool", Path("/opt"), Layout().models, Limits(60, 300), image=image, **others)
    return Plan(program, "gantry-x-1.1", "x", (), {}, (), log)


def test_each_engine_is_told_of_the_gpu_in_its_own_words():
    docker = list(options(Engine("docker", "docker"), plan("image", gpu="GPU-1", cpu=1)))
    podman = list(options(Engine("podman", "podman"), plan("image", gpu="GPU-1", cpu=1)))
    assert "--gpus=device=GPU-1" in docker
    assert "--device=nvidia.com/gpu=GPU-1" in podman
    assert not any("gpu" in option for option in options(Engine("docker", "docker"), plan("image")))
    for options_ in (docker, podman):
        assert {"--network=none", "--read-only", "--cap-drop=ALL", "--memory=300m", "--cpus=1"} <= set(
            options_
        )


def test_podman_comes_before_docker_and_a_docker_that_is_silent_is_none(tmp_path, monkeypatch):
    monkeypatch.delenv("GANTRY_ENGINE", raising=False)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin-not")
    with pytest.raises(EngineUnavailable, match="There is none on this machine"):
        find_engine()
    docker = tmp_path / "docker"
    docker.write_text('#!/bin/sh\n[ "$1" = --version ] && echo "Docker version 20.10" && exit\nexit 1\n')
    docker.chmod(0o755)
    with pytest.raises(EngineUnavailable):
        find_engine()
    docker.write_text('#!/bin/sh\n[ "$1" = --version ] && echo "Docker version 20.10"\nexit 0\n')
    assert find_engine() == Engine(str(docker), "docker")
    module._find.cache_clear()
    script(tmp_path, "echo podman version 4.3.1")
    assert find_engine().kind == "podman"


def test_a_daemon_that_is_away_is_no_refusal(tmp_path):
    away = script(
        tmp_path, "echo 'Cannot connect to the Docker daemon at unix:///x. Is it running?' >&2; exit 1"
    )
    with pytest.raises(EngineUnavailable, match="Cannot connect"):
        Engine(away, "docker").call("create")
