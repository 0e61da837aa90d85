# SPDX-License-Identifier: Apache-2.0
"""What dicom3tools and DCMTK say of a DICOM file."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest


def dciodvfy_errors(path: Path) -> list[str]:
    """The lines that `dciodvfy -new` calls errors."""
    if shutil.which("dciodvfy") is None:
        pytest.skip("dicom3tools is not installed")
    done = subprocess.run(["dciodvfy", "-new", path], capture_output=True, text=True, check=False)
    said = done.stdout + done.stderr
    assert said.strip(), "dciodvfy said nothing"
    return [line for line in said.splitlines() if line.startswith(("Error", "Abort"))]


def dsrdump(path: Path) -> str:
    """The structured report as DCMTK reads it; it refuses what breaks the rules of SR."""
    program = Path("/usr/bin/dsrdump")
    if not program.exists():
        pytest.skip("DCMTK is not installed")
    options = ["--print-all-codes", "--print-long-values"]
    environment = os.environ | {"LC_ALL": "C.UTF-8"}
    done = subprocess.run([program, *options, path], capture_output=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


def sr_validator_says(path: Path) -> list[str]:
    """What DicomSRValidator finds wrong with a structured report; `Warning` lines are among it."""
    if shutil.which("DicomSRValidator") is None:
        pytest.skip("pixelmed-apps is not installed")
    limits = [f"-Djdk.xml.xpath{which}Limit=0" for which in ("ExprOp", "ExprGrp", "TotalOp")]
    options = " ".join([*limits, "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"])
    environment = os.environ | {"JAVA_TOOL_OPTIONS": options}
    command = ["DicomSRValidator", path]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert "IOD validation complete" in done.stdout, done.stdout + done.stderr
    return [line for line in done.stdout.splitlines() if line.startswith(("Error", "Warning"))]
