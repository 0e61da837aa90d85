# SPDX-License-Identifier: Apache-2.0
"""Sources of data sets, and everything that a data set says."""

import hashlib
import sqlite3
from pathlib import Path

import numpy as np
from builders import ct_series
from pydicom.uid import generate_uid

from imaging_data.dataset.database import FILE_NAME


def noise(seed: int, slices: int = 2) -> np.ndarray:
    """Stored values (slices, 16, 16) of their own."""
    return np.random.default_rng(seed).integers(0, 2000, (slices, 16, 16), dtype=np.int16)


def patient(folder: Path, number: int, slices: int = 2, **attributes: object) -> list[Path]:
    """A CT series of a patient of its own, the same bytes each time."""
    uids = {name: generate_uid(entropy_srcs=[name, str(number)]) for name in ("study", "series")}
    attributes = {"patient_id": f"PAT-{number}", "pixels": noise(number, slices), **uids, **attributes}
    return ct_series(folder / f"{number:03d}", slices, **attributes)


def everything(folder: Path) -> dict[str, object]:
    """Every row of every table, and the hash of every other file, of a data set."""
    with sqlite3.connect(folder / FILE_NAME) as db:
        names = [
            row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY 1")
        ]
        said: dict[str, object] = {name: db.execute(f"SELECT * FROM {name}").fetchall() for name in names}
    db.close()
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != FILE_NAME)
    return said | {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files
    }
