# SPDX-License-Identifier: Apache-2.0
"""`scripts/bench apps --only segmentation`: every contender's object shows the same."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.timeout(900)

ROOT = Path(__file__).parents[2]


def test_all_contenders_write_the_same_frames():
    command = [sys.executable, ROOT / "scripts" / "benchmark", "apps", "--only", "segmentation"]
    done = subprocess.run(
        [*command, "--quick", "--rounds", "1", "--json"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    cases = json.loads(done.stdout)["cases"]
    assert [name.split(",")[0] for name in cases] == ["SEG LABELMAP", "SEG BINARY"]
    labelmap, binary = cases.values()
    assert list(labelmap) == ["Gantry", "MONAI Deploy SDK (BINARY)", "highdicom, RLE", "dcmqi, deflated"]
    assert list(binary) == ["Gantry", "highdicom, default", "dcmqi"]
    of_sdk = labelmap.pop("MONAI Deploy SDK (BINARY)")
    for case, frames in ((labelmap, 6), (binary | {"SDK": of_sdk}, 11)):
        assert {one["frames"] for [one] in case.values()} == {frames}
        assert len({one["content"] for [one] in case.values()}) == 1
        assert all(one["seconds"] > 0 and one["cpu_s"] > 0 for [one] in case.values())
