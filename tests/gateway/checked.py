# SPDX-License-Identifier: Apache-2.0
"""Cases, and an app whose results on them are real ones, for `gantry apps check`."""

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

import made_results
from builders import ct_series
from pydicom import Dataset, dcmread

Change = Callable[[Dataset], None]


def make_cases(folder: Path) -> list[Path]:
    """Two series of four slices, of two patients."""
    for name in "ab":
        ct_series(folder / name, slices=4, patient_id=f"PATIENT-{name}", PatientName=f"{name.upper()}^Case")
    return [folder / "a", folder / "b"]


def make_results(app: Path, cases: list[Path], change: Change | None = None) -> None:
    """Give the app `copies` a segmentation of each case, with something changed in it."""
    shutil.rmtree(app / "made", ignore_errors=True)
    (app / "made").mkdir()
    for case in cases:
        paths = sorted(case.glob("*.dcm"))
        work = app / "made" / case.name
        job = made_results.made(work, paths)
        dataset = job.add("segmentation", made_results.segmentation(job.sources))
        if change is not None:
            change(dataset)
        first = min(paths, key=lambda path: dcmread(path).SOPInstanceUID)  # as they lie in an input
        digest = hashlib.sha256(first.read_bytes()).hexdigest()
        dataset.save_as(app / "made" / f"{digest}.dcm", enforce_file_format=True)
        shutil.rmtree(work)
