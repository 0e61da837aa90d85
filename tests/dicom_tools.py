# SPDX-License-Identifier: Apache-2.0
"""What dicom3tools and DCMTK say of a DICOM file."""

import copy
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from pydicom import Dataset


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
    options = ["--convert-to-utf8", "--print-all-codes", "--print-long-values"]
    environment = os.environ | {"LC_ALL": "C.UTF-8"}
    done = subprocess.run([program, *options, path], capture_output=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


# What DicomSRValidator's edition of 2022 warns of: concepts that it does not know in TID 1411, those of our own,
# a meaning that was spelt otherwise then, and the Basic Text SR, which follows no template.
UNLISTED = (
    "Algorithm Name",
    "Algorithm Version",
    "Finding category",
    "99GANTRY",
    "has different code meaning",
    "Diagnostic Imaging Report",
)


def sr_validator_errors(path: Path) -> list[str]:
    """What DicomSRValidator finds wrong with a structured report; of its warnings, those not in UNLISTED."""
    if shutil.which("DicomSRValidator") is None:
        pytest.skip("pixelmed-apps is not installed")
    limits = [f"-Djdk.xml.xpath{which}Limit=0" for which in ("ExprOp", "ExprGrp", "TotalOp")]
    options = " ".join([*limits, "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"])
    environment = os.environ | {"JAVA_TOOL_OPTIONS": options}
    command = ["DicomSRValidator", path]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert "IOD validation complete" in done.stdout, done.stdout + done.stderr
    said = [line for line in done.stdout.splitlines() if line.startswith(("Error", "Warning"))]
    return [line for line in said if line.startswith("Error") or not any(text in line for text in UNLISTED)]


def in_parts(report: Dataset, folder: Path) -> list[Path]:
    """The groups of a TID 1500 report that refer to a segment, and the others, as two reports in files.

    DicomSRValidator holds all groups of a report for those of one template.
    """
    paths = []
    for name, wanted in (("segments", True), ("others", False)):
        part = copy.deepcopy(report)
        [measured] = [item for item in part.ContentSequence if item.ValueType == "CONTAINER"]
        measured.ContentSequence = [
            group for group in measured.ContentSequence if _has_segment(group) == wanted
        ]
        if measured.ContentSequence:
            paths.append(folder / f"{name}.dcm")
            part.save_as(paths[-1])
    return paths


def _has_segment(group: Dataset) -> bool:
    return any(item.ConceptNameCodeSequence[0].CodeValue == "121191" for item in group.ContentSequence)
