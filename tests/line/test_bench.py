# SPDX-License-Identifier: Apache-2.0
"""scripts/bench measures what it says, on little data: numbers for every receiver and every part of the line."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.orthanc, pytest.mark.timeout(900)]

ROOT = Path(__file__).parents[2]


def run(*arguments: str, expect: int = 0, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, ROOT / "scripts" / "benchmark", *arguments]
    settings = os.environ | environment
    done = subprocess.run(command, capture_output=True, text=True, env=settings, check=False)
    assert done.returncode == expect, done.stderr
    return done


def bench(*arguments: str) -> dict[str, Any]:
    done = run(*arguments, "--json")
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


def test_apps_measures_ours_beside_its_peers_and_prints_the_ratios():
    done = run("apps", "--only", "volume", "--quick", "--rounds", "1", "--json", COLUMNS="120")
    cases = json.loads(done.stdout)["cases"]
    assert [name.rpartition(", ")[2] for name in cases] == ["uncompressed", "JPEG 2000"]
    for measured in cases.values():
        assert list(measured) == ["Gantry", "MONAI Deploy SDK", "SimpleITK", "dicom2nifti"]
        assert all(one["seconds"] > 0 and one["peak_mb"] > 10 for [one] in measured.values())
        assert len({round(one["mean"], 1) for [one] in measured.values()}) == 1  # all read the same volume
    for word in ("ours is faster", "peak MiB", "SimpleITK", "JPEG 2000: median of 1", "cores"):
        assert word in done.stderr


def test_apps_names_what_it_can_measure():
    done = run("apps", "--only", "nothing", expect=2)
    assert "there are" in done.stderr
    assert "volume" in done.stderr
