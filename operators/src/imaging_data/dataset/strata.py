# SPDX-License-Identifier: Apache-2.0
"""What a split is stratified by: an attribute of the images, or a label that a table gives each patient."""

import csv
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from pydicom.datadict import tag_for_keyword

from .errors import NoLabels
from .writer import Writer

PATIENT_ID = "PatientID"
LARGEST_TABLE = 1 << 26  # bytes


@dataclass(frozen=True)
class Stratification:
    """By the DICOM attribute `keyword`, or by `labels`, the label of each PatientID; by neither, all are alike.

    A patient with several values belongs to the stratum of all of them together.
    """

    keyword: str = ""
    labels: tuple[tuple[str, str], ...] = ()
    label: str = ""

    @property
    def name(self) -> str:
        """What it is by: the keyword, or the label's name in the table."""
        return self.keyword or self.label

    @classmethod
    def read(cls, text: str) -> Self:
        """From a DICOM keyword, or the path of a CSV file with PatientID and one label.  Raises NoLabels."""
        if not text or tag_for_keyword(text) is not None:
            return cls(keyword=text)
        label, rows = _table(Path(text))
        return cls(labels=rows, label=label)

    def of_patients(self, writer: Writer) -> dict[int, str]:
        """The stratum of each patient that has one, by its row."""
        values: dict[int, set[str]] = defaultdict(set)
        if self.keyword:
            sql = "SELECT DISTINCT patient, stratum FROM series JOIN study ON study.id = study WHERE stratum != ''"
            for row in writer.rows(sql):
                values[row["patient"]].add(row["stratum"])
        numbers = {row["patient_id"]: row["id"] for row in writer.rows("SELECT id, patient_id FROM patient")}
        for patient_id, label in self.labels:
            if patient_id in numbers:
                values[numbers[patient_id]].add(label)
        return {patient: "+".join(sorted(several)) for patient, several in values.items()}


def _table(path: Path) -> tuple[str, tuple[tuple[str, str], ...]]:
    """The label's name, and the pairs of PatientID and label."""
    try:
        if path.stat().st_size > LARGEST_TABLE:
            raise NoLabels(f"{path} has more than {LARGEST_TABLE >> 20} MiB.")
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file, strict=True))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise NoLabels(f"{path} is neither a DICOM keyword nor a table that can be read.") from error
    names = list(rows[0]) if rows else []
    others = [name for name in names if name != PATIENT_ID]
    if (
        PATIENT_ID not in names
        or len(others) != 1
        or any(None in row or None in row.values() for row in rows)
    ):
        raise NoLabels(f"{path} does not have PatientID and one label in each row.")
    return others[0], tuple((row[PATIENT_ID].strip(), row[others[0]].strip()) for row in rows)
