# SPDX-License-Identifier: Apache-2.0
"""COCO detection files (https://cocodataset.org/#format-data): a box round each segment on each slice."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ImagingDataError
from .cases import Case, Exported, Tally, cases_of, numbers_for, pictures_of, put
from .database import Database
from .json_files import write_json
from .split import SPLITS


def write_coco(database: Database, output: Path) -> Exported:
    """`output`/annotations/SPLIT.json and the pictures of every series that was segmented.

    A segment has one box on each slice that shows it, however many pieces it has there: x, y, width, height in
    pixels, from the upper left corner; `area` counts its pixels.  Where segments overlap, pixels are the last one's.
    Series without a segmentation are left out: nobody looked for something there.
    """
    tally = Tally()
    numbers = numbers_for([name for case in cases_of(database) if case.grid for name in case.label_names])
    files = {split: _empty(numbers) for split in SPLITS}
    for case in cases_of(database):
        if not case.segmentations or not case.grid:
            tally.left_out["It has no labels." if not case.segmentations else "It is no volume."] += 1
            continue
        try:
            labels = case.labels(numbers)
        except ImagingDataError as error:
            tally.left_out[str(error)] += 1
            continue
        tally.cases[case.split] += 1
        _add(files[case.split], database, case, labels, output)
    for split, said in files.items():
        write_json(said, output / "annotations" / f"{split}.json")
    return tally.exported()


def _empty(numbers: dict[str, int]) -> dict[str, list[dict[str, Any]]]:
    categories = [{"id": number, "name": name} for name, number in numbers.items()]
    return {"images": [], "annotations": [], "categories": categories}


def _add(
    said: dict[str, list[dict[str, Any]]],
    database: Database,
    case: Case,
    labels: NDArray[Any],
    output: Path,
) -> None:
    for picture in pictures_of(database, case):
        image = len(said["images"]) + 1
        name = f"images/{picture['stem']}.png"
        put(case.folder / picture["path"], output / name)
        said["images"].append(
            {"id": image, "file_name": name, "width": picture["columns"], "height": picture["rows"]}
        )
        for number, box, area in boxes_of(labels[picture["place"]]):
            said["annotations"].append(
                {
                    "id": len(said["annotations"]) + 1,
                    "image_id": image,
                    "category_id": number,
                    "bbox": box,
                    "area": area,
                    "iscrowd": 0,
                    "segmentation": [],
                }
            )


def boxes_of(slice_labels: NDArray[Any]) -> list[tuple[int, list[int], int]]:
    """Number, box (x, y, width, height) and area in pixels of each label of a slice (rows, columns)."""
    found = []
    for number in np.unique(slice_labels[slice_labels > 0]).tolist():
        rows, columns = np.nonzero(slice_labels == number)
        box = [columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1]
        found.append((int(number), [int(value) for value in box], len(rows)))
    return found
