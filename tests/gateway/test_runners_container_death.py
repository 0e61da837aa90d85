# SPDX-License-Identifier: Apache-2.0
"""The gateway is killed while a container runs: the next one ends it, and the job runs once."""

import subprocess
import sys
from pathlib import Path

import pytest
from app_jobs import wait_for

GATEWAY = Path(__file__).with_name("one_job.py")

pytestmark = pytest.mark.engine


@pytest.fixture(params=["container", "warm"])
def killed(open_bench, request):
    """A bench over the storage of a gateway that was killed in job 2, whose container still runs."""
    bench = open_bench(runner=request.param)
    command = [sys.executable, str(GATEWAY), str(bench.storage), request.param, "hang", bench.image]
    gateway = subprocess.Popen(command)
    try:
        spools = [bench.storage / "work", bench.storage / "work" / "warm.*" / "spool"]
        wait_for(lambda: any(list(Path("/").glob(f"{str(each)[1:]}/2.1/output/hangs")) for each in spools))
    finally:
        gateway.kill()
        gateway.wait()
    return bench


def test_the_next_gateway_ends_what_it_finds_and_runs_the_job_once(killed):
    assert len(killed.containers()) == 1
    killed.jobs = 2
    left = killed.executor.end_leftovers()
    assert "2.1" in left
    assert killed.containers() == []
    assert killed.left() == []
    log = killed.storage / "jobs" / "2" / "1" / "app.log"
    assert "doing hang" in log.read_text()
    assert not (killed.storage / "jobs" / "2" / "1" / "output").exists()
    killed.run("done")


def test_a_gateway_that_began_without_its_engine_runs_no_job_twice_either(
    killed, podman, monkeypatch, caplog
):
    monkeypatch.setenv("GANTRY_ENGINE", "/no/such/podman")
    killed.executor.end_leftovers()
    assert "what still runs in containers is not known" in caplog.text
    monkeypatch.setenv("GANTRY_ENGINE", podman.path)
    first = killed.identity()
    (killed.storage / "instances" / "1.2.3.2.1").unlink()
    killed.jobs = 1
    aside = killed.run_aside("hang", attempt=2)
    aside.read("hangs")
    assert killed.identity() != first
    aside.cancelled.set()
    aside.end()
