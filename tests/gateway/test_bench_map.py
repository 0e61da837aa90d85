# SPDX-License-Identifier: Apache-2.0
"""scripts/bench map measures what it says, on few jobs."""

import json
import subprocess
import sys
from pathlib import Path

BENCH = Path(__file__).parents[2] / "scripts" / "benchmark"


def bench(*arguments: str) -> dict:
    command = [sys.executable, BENCH, "map", *arguments, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


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
