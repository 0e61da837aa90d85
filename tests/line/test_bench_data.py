# SPDX-License-Identifier: Apache-2.0
"""`scripts/bench data`: every contender does its work, and every endpoint is asked."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from orthanc import BINARY

pytestmark = [pytest.mark.timeout(300), pytest.mark.orthanc]

ROOT = Path(__file__).parents[2]
PEERS = {
    "Series to .nii": ["Gantry", "dcm2niix", "SimpleITK"],
    "Series to PNG": ["gantry dataset build", "our pictures, one core", "pydicom, numpy, Pillow"],
    "De-identification": [
        "Gantry, pixels looked at",
        "Gantry, pixels not looked at",
        "Orthanc /anonymize",
        "dicom-anonymizer",
        "deid",
    ],
}


def test_every_part_is_measured():
    if not BINARY.exists():
        pytest.skip("Orthanc is not installed: it is a peer")
    command = [sys.executable, ROOT / "scripts" / "benchmark", "data", "--quick", "--rounds", "1", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    cases = json.loads(done.stdout)["cases"]
    index, rest = cases.pop("index"), cases.pop("rest")
    assert index["images"] == 10_000
    assert index["last_tenth_s"] > 0
    assert {"/patients/{id}", "/imageinfo/{filename}", "/images/count", "/search, a UID"} <= set(rest["of"])
    assert all(times["p95_ms"] > 0 for times in rest["of"].values())
    assert len(cases) == 6
    for name, contenders in cases.items():
        [peers] = [peers for begin, peers in PEERS.items() if name.startswith(begin)]
        assert list(contenders) == peers
        assert all(one["seconds"] > 0 for [one] in contenders.values())
