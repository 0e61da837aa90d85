# SPDX-License-Identifier: Apache-2.0
"""A Parquet table of the pictures: the hierarchy, the split, and every parameter that each was made with."""

import json
from pathlib import Path
from typing import Any

from ..convert.packages import package
from .cases import Exported, Tally
from .database import Database

AT_ONCE = 4096
ROWS = (
    "SELECT image.id AS id, picture.id AS picture, patient_id, patient_sex, split, stratum_of.stratum AS stratum,"
    " study_instance_uid, study_date, study_description, series_instance_uid, modality, series_number,"
    " series_description, volume, image.sop_instance_uid, sop_class_uid, instance_number, image.rescale_intercept,"
    " image.rescale_slope, image.window_center, image.window_width, image.frames, pixel_rows, pixel_columns,"
    " image.sha256, pixel_sha256, no_picture, (SELECT first.sop_instance_uid FROM image AS first"
    " WHERE first.id = image.duplicate_of) AS duplicate_of, stem, picture.frame, picture.path AS picture_path,"
    " picture.sha256 AS picture_sha256, rendering FROM image JOIN series ON series.id = image.series"
    " JOIN study ON study.id = series.study JOIN patient AS stratum_of ON stratum_of.id = study.patient"
    " LEFT JOIN picture ON picture.image = image.id WHERE image.id > ? AND image.id <= ? ORDER BY image.id, picture.id"
)
WHOLE = ("frames", "pixel_rows", "pixel_columns", "frame")
LEFT_OUT = ("id", "picture", "rendering")
RENDERING = {  # of imaging_data.display.Rendering, with the types that Parquet needs when none has a value
    "bits": "int32",
    "like": "string",
    "rule": "string",
    "photometric_interpretation": "string",
    "view": "int32",
    "views": "int32",
    "window_center": "float64",
    "window_width": "float64",
    "voi_lut_function": "string",
    "explanation": "string",
    "rescale_slope": "float64",
    "rescale_intercept": "float64",
    "modality_lut": "bool_",
    "inverted": "bool_",
    "padding_pixels": "int64",
}


def write_parquet(database: Database, output: Path) -> Exported:
    """One file: a row for each picture, and for each image without one.

    What a picture was made with has names that begin with `used_`; what DICOM says, as text, those of the database.
    Raises MissingPackage.
    """
    arrow, parquet = package("pyarrow"), package("pyarrow.parquet")
    names = [name for name in _names(database) if name not in LEFT_OUT]
    fields = [(name, arrow.int64() if name in WHOLE else arrow.string()) for name in names]
    fields += [(f"used_{name}", getattr(arrow, kind)()) for name, kind in RENDERING.items()]
    schema = arrow.schema(fields)
    tally = Tally()
    [last] = database.rows("SELECT ifnull(max(id), 0) AS id FROM image")
    with parquet.ParquetWriter(output, schema) as writer:
        for first in range(0, last["id"], AT_ONCE):
            rows = [_row(row) for row in database.rows(ROWS, first, first + AT_ONCE)]
            tally.cases.update(row["split"] for row in rows)
            writer.write_table(arrow.Table.from_pylist(rows, schema))
    return tally.exported()


def _names(database: Database) -> list[str]:
    rows = database.rows(f"SELECT * FROM (SELECT 1) LEFT JOIN ({ROWS} LIMIT 1)", 0, 1)
    return [name for name in rows[0].keys() if name != "1"]  # noqa: SIM118 - a Row is no mapping


def _row(row: Any) -> dict[str, Any]:
    values = dict(row)
    used = json.loads(values["rendering"]) if values["rendering"] else {}
    return values | {f"used_{name}": used.get(name) for name in RENDERING}
