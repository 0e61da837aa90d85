# SPDX-License-Identifier: Apache-2.0
"""A container whose `gantry apps run` was killed is ended by the next one; others are left alone."""

import json
import subprocess
import sys

import pytest
from app_jobs import wait_for
from builders import ct_series
from engine import Podman
from test_apps_cli import APPS, GANTRY

from informatics_gateway.apps import MANIFEST_LABEL
from informatics_gateway.runners import Limits, Program
from informatics_gateway.runners.abandoned import STARTED_BY, end_abandoned, is_gone, this_process
from informatics_gateway.runners.container import ContainerRunner, cold_runner
from informatics_gateway.runners.describe import describe
from informatics_gateway.runners.engine import find_engine

NAME = "gantry-test-hangs"
HANGS = "import time\ntime.sleep(600)\n"


@pytest.fixture
def left(engine, tmp_path) -> str:
    """The name of a container whose `gantry apps run` was killed: by itself it runs for ten minutes."""
    (tmp_path / "hangs").mkdir()
    (tmp_path / "hangs" / "__main__.py").write_text(HANGS)
    manifest = json.loads(describe(APPS / "copies" / "app.py"))
    engine.build(NAME, tmp_path / "hangs", {MANIFEST_LABEL: manifest})
    ct_series(tmp_path / "study", slices=3)
    arguments = ("apps", "run", f"localhost/{NAME}:latest", tmp_path / "study", tmp_path / "out")
    command = subprocess.Popen([GANTRY, *arguments])
    try:
        [name] = wait_for(lambda: running(engine))
    finally:
        command.kill()
        command.wait()
    return name


def running(engine: Podman) -> list[str]:
    """The containers of that image that run."""
    return engine("ps", "--filter", f"ancestor=localhost/{NAME}", "--format", "{{.Names}}").split()


@pytest.mark.engine
def test_the_next_call_ends_it(engine, left, tmp_path):
    program = Program("tool", tmp_path, tmp_path, Limits(10, 100), image="localhost/no-such")
    cold_runner(program, tmp_path)
    assert engine("ps", "--all", "--filter", f"name={left}", "--format", "{{.Names}}") == ""


@pytest.mark.engine
def test_one_that_is_waited_for_is_left_alone(open_bench):
    bench = open_bench(runner="container")
    bench.executor._runners["container"] = ContainerRunner(bench.storage / "work", by_hand=True)
    aside = bench.run_aside("hang")
    aside.read("hangs")
    [name] = bench.containers()
    assert find_engine().labels(name)[STARTED_BY] == this_process()
    assert name not in end_abandoned()
    assert bench.containers() == [name]
    aside.cancelled.set()
    aside.end()


@pytest.mark.engine
def test_the_labels_of_a_container_that_is_gone_are_none(engine):
    assert find_engine().labels("gantry-test-no-such") == {}


def test_a_process_is_told_by_its_number_and_its_start():
    mine = this_process()
    place, number, started = mine.split("/")
    assert not is_gone(mine)
    assert is_gone(f"{place}/{number}/{int(started) - 1}")
    ended = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True
    )
    assert is_gone(f"{place}/{ended.stdout.strip()}/{started}")


@pytest.mark.parametrize("label", ["", "another-boot.1/1/1", "nonsense"])
def test_one_that_cannot_be_seen_from_here_counts_as_alive(label):
    assert not is_gone(label)
