# SPDX-License-Identifier: Apache-2.0
"""scripts/bench measures what it says, on little data: numbers for every receiver and every part of the line."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.orthanc, pytest.mark.timeout(300)]

ROOT = Path(__file__).parents[2]


def bench(*arguments: str) -> dict[str, Any]:
    command = [sys.executable, ROOT / "scripts" / "benchmark", *arguments, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout[done.stdout.index("{") :])


def test_receive_measures_gantry_beside_its_peers():
    rates = bench("receive", "--rounds", "1", "--images", "8")["images_per_s"]
    assert {"Gantry", "Orthanc", "storescp"} <= set(rates)
    for of_one in rates.values():
        assert set(of_one) == {"1", "4"}
        assert all(rate > 0 for rounds in of_one.values() for rate in rounds)


def test_line_measures_every_part_warm_and_cold():
    seconds = bench("line", "--jobs", "2", "--cold", "1", "--slices", "40", "--rows", "128")["seconds"]
    assert (len(seconds["warm"]), len(seconds["process"])) == (2, 1)
    for times in (*seconds["warm"], *seconds["process"]):
        parts = sum(times[part] for part in times if part not in ("overhead", "predict"))
        assert times["overhead"] == pytest.approx(parts, abs=0.05)
        assert times["predict"] > 0
