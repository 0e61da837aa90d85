# SPDX-License-Identifier: Apache-2.0
"""Warm containers: one serves many jobs, sees one at a time, and is replaced when it is unfit."""

import json
import time

import pytest
from app_jobs import wait_for
from containers import stub

from informatics_gateway.errors import AppFailed

pytestmark = pytest.mark.engine


@pytest.fixture
def bench(open_bench):
    return open_bench(runner="warm")


def test_one_container_does_many_jobs_and_loads_once(open_bench):
    bench = open_bench(runner="warm", environment={"LOADS_S": "2"})
    bench.run("done")
    first, began = bench.identity(), time.perf_counter()
    for _ in range(3):
        bench.run("done")
    assert (time.perf_counter() - began) / 3 < 2
    assert bench.identity() == first


def test_it_sees_one_attempts_folders_only(bench):
    bench.run("done")
    bench.run("see")
    seen = json.loads((bench.kept() / "output" / "seen.json").read_text())
    assert seen["beside"] == ["2.1"]
    assert seen["here"] == ["app.log", "input", "output"]


@pytest.mark.parametrize("folder", ["/tmp", "/dev/shm"])
def test_what_a_job_left_is_gone_before_the_next(bench, folder):
    bench.run("litter", folder=folder)
    first = bench.identity()
    bench.run("litter", folder=folder)
    assert bench.identity() == first
    assert json.loads((bench.kept() / "output" / "found.json").read_text()) == []


@pytest.mark.parametrize(
    ("do", "wanted"),
    [("leak", {"mb": 300}), ("descend", {})],
    ids=["growing memory", "a process left behind"],
)
def test_one_that_is_unfit_is_replaced(bench, do, wanted):
    bench.run("done")
    first = bench.identity()
    bench.run(do, **wanted)
    assert bench.containers() == []
    bench.run("done")
    assert bench.identity() != first


def test_a_failure_ends_it(bench):
    bench.run("done")
    with pytest.raises(AppFailed):
        bench.run("fail")
    assert bench.containers() == []


def test_one_that_dies_between_jobs_fails_nobody(bench):
    bench.run("done")
    first = bench.identity()
    bench.podman("kill", first)
    worker = bench.executor._runners["warm"]._workers["tool"]
    wait_for(lambda: not worker.is_quiet)
    bench.run("done")
    assert bench.identity() != first


def test_an_idle_one_is_stopped(open_bench):
    bench = open_bench(runner="warm", idle_s=0.2)
    bench.run("done")
    assert len(bench.containers()) == 1
    time.sleep(0.3)
    bench.executor.stop_idle()
    assert bench.containers() == []


def test_another_image_takes_the_place_of_the_first(bench, open_bench, engine, tmp_path):
    bench.run("done")
    (tmp_path / "other").mkdir()
    other = stub(engine, tmp_path / "other", version="2")
    assert other != bench.image
    app = bench.executor._config.apps[0]  # a running gateway keeps its configuration: this is the next one
    object.__setattr__(app, "image", other)
    first = bench.identity()
    bench.run("done")
    assert bench.identity() != first
    shown = bench.podman("inspect", *bench.containers(), "--format", "{{.Image}}")
    assert shown == engine("image", "inspect", other, "--format", "{{.Id}}")


def test_it_ends_by_itself_when_its_standard_input_does(bench):
    """That is how it learns that its gateway was killed: the engine's client dies, the container does not."""
    bench.run("done")
    [name] = bench.containers()
    worker = bench.executor._runners["warm"]._workers["tool"]
    worker.app._client.kill()
    wait_for(lambda: bench.podman("inspect", name, "--format", "{{.State.Running}}") == "false")
