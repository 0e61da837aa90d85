# SPDX-License-Identifier: Apache-2.0
"""COCO detection files (https://cocodataset.org/#format-data): a box round each segment on each slice."""

from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ImagingDataError
from .cases import Case, Exported, Tally, cases_of, numbers_for, pictures_of, put
from .database import Database
from .json_files import write_json
from .split import SPLITS

Boxes = dict[int, list[tuple[int, list[int], int]]]  # by slice: category, box and pixels of each segment


def write_coco(database: Database, output: Path) -> Exported:
    """`output`/annotations/SPLIT.json and the pictures of every series that was segmented.

    A segment has one box on each slice that shows it, however many pieces it has there, and whatever overlaps it: x,
    y, width, height in pixels, from the upper left corner; `area` counts its pixels.
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
            boxes = _boxes(case, numbers)
        except ImagingDataError as error:
            tally.left_out[str(error)] += 1
            continue
        tally.cases[case.split] += 1
        _add(files[case.split], database, case, boxes, output)
    for split, said in files.items():
        write_json(said, output / "annotations" / f"{split}.json")
    return tally.exported()


def _boxes(case: Case, numbers: dict[str, int]) -> Boxes:
    found: Boxes = defaultdict(list)
    for name, mask in case.masks():
        for place in np.flatnonzero(mask.any(axis=(1, 2))).tolist():
            rows, columns = np.nonzero(mask[place])
            box = [columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1]
            found[place].append((numbers[name], [int(value) for value in box], len(rows)))
    return found


def _empty(numbers: dict[str, int]) -> dict[str, list[dict[str, Any]]]:
    categories = [{"id": number, "name": name} for name, number in numbers.items()]
    return {"images": [], "annotations": [], "categories": categories}


def _add(
    said: dict[str, list[dict[str, Any]]],
    database: Database,
    case: Case,
    boxes: Boxes,
    output: Path,
) -> None:
    for picture in pictures_of(database, case):
        image = len(said["images"]) + 1
        name = f"images/{picture['stem']}.png"
        put(case.folder / picture["path"], output / name)
        said["images"].append(
            {"id": image, "file_name": name, "width": picture["columns"], "height": picture["rows"]}
        )
        for number, box, area in boxes[picture["place"]]:
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
