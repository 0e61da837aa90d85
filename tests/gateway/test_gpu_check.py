# SPDX-License-Identifier: Apache-2.0
"""scripts/gpu-check: one page of what the driver says, or plainly that there is no GPU."""

import runpy
import subprocess
from pathlib import Path

import pynvml
import pytest
from fake_nvml import FakeCard, FakeNvml

SCRIPT = Path(__file__).parents[2] / "scripts" / "gpu-check"
MAIN = SCRIPT.parent / "gpucheck" / "__main__.py"


def page(driver: FakeNvml, capsys) -> tuple[int, str]:
    """Exit status and page."""
    with driver.installed(), pytest.raises(SystemExit) as ended:
        runpy.run_path(str(MAIN), run_name="__main__")
    return ended.value.code, capsys.readouterr().out


def test_the_command_says_what_is_here():
    done = subprocess.run([SCRIPT], capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    assert ("There is no GPU here" in done.stdout) == (done.returncode == 1)
    assert "nvidia-ml-py" in done.stdout


def test_cards_slices_heat_and_processes(capsys):
    slices = [FakeCard("MIG-1", 10000, "A100 MIG 1g.10gb")]
    cards = [
        FakeCard("GPU-a", 24000, "A10", others_mb=300, temperature_c=90, processes={1: 700, 2**22 + 1: None}),
        FakeCard("GPU-b", 80000, "A100", slices=slices),
        FakeCard("GPU-c", error=pynvml.NVML_ERROR_GPU_IS_LOST),
    ]
    status, text = page(FakeNvml(*cards), capsys)
    assert status == 0
    assert "23000 of 24000 MB free, 1000 MB used; 90 degrees Celsius, too hot for a new job (from 85)" in text
    assert "700 MB" in text
    assert "(not one of this machine's that can be seen): unknown MB" in text
    assert "MIG-1  MIG slice  A100 MIG 1g.10gb" in text
    assert "GPU 2: GPU is lost." in text
    assert len(text.splitlines()) < 50


def test_without_a_driver(capsys):
    status, text = page(FakeNvml(error=pynvml.NVML_ERROR_LIBRARY_NOT_FOUND), capsys)
    assert status == 1
    assert "There is no GPU here that NVML shows" in text
