# SPDX-License-Identifier: Apache-2.0
"""scripts/bench map measures what it says, on few jobs."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[2] / "scripts" / "benchmark"
APP = Path(__file__).parents[1] / "operators" / "apps" / "torch_free"


def run(*arguments: str | Path) -> str:
    command = [sys.executable, BENCH, "map", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def bench(*arguments: str | Path) -> dict:
    return json.loads(run(*arguments, "--json"))


@pytest.mark.engine
def test_everything_is_measured_with_any_app(podman):
    little = {"rounds": 1, "warm": 1, "queued": 2, "runs": 1, "jobs": 100, "lanes": 20, "entries": "20,60"}
    measured = bench("--app", APP, *(f"--{name}={size}" for name, size in little.items()))
    assert set(measured) == {"ways", "queue", "scheduler", "journal"}
    seconds = measured["ways"].pop("seconds")
    assert len(seconds) == 5
    assert all(len(rounds) == 1 and min(rounds) > 0 for rounds in seconds.values())
    [cold], [warm], [ray] = (seconds[way] for way in ("container, cold", "container, warm", "ray, warm"))
    assert measured["ways"]["container, cold/warm"] == pytest.approx(cold / warm)
    assert measured["ways"]["warm, ray/process"] == pytest.approx(ray / seconds["process, warm"][0])
    queue = measured["queue"]
    assert queue["ratio"] == pytest.approx(queue["gateway_per_min"] / queue["loop_per_min"])
    assert queue["loop_per_min"] > 0


def test_the_scheduler_keeps_every_card_within_its_memory():
    measured = bench("--only", "scheduler", "--jobs", "300", "--lanes", "60")["scheduler"]
    assert measured["jobs"] == 300
    assert measured["over_memory"] == 0
    assert 0.2 < measured["packing"] <= 1
    assert 0 < measured["decision_ms"] <= measured["worst_ms"]


def test_the_journal_is_measured_at_each_size():
    measured = bench("--only", "journal", "--entries", "20,60")["journal"]
    assert set(measured["jobs_per_s"]) == {"20", "60"}
    assert all(rate > 0 for rate in measured["jobs_per_s"].values())
    assert measured["ratio"] >= 1


def test_it_is_printed_for_people():
    lines = run("--only", "journal", "--entries", "20,60").splitlines()
    assert lines[:2] == ["journal", "  jobs_per_s"]
    assert [line.partition(":")[0] for line in lines[2:]] == ["    20", "    60", "  ratio"]
    assert float(lines[-1].partition(":")[2]) >= 1
