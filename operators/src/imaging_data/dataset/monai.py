# SPDX-License-Identifier: Apache-2.0
"""A MONAI data list: the JSON of the Medical Segmentation Decathlon, with a list for each split."""

from pathlib import Path
from typing import Any

from ..convert.from_dicom.nifti import write_array
from ..errors import ImagingDataError
from .cases import BACKGROUND, Case, Exported, Tally, cases_of, numbers_for, pictures_of, put
from .database import Database
from .json_files import write_json

LISTS = {"train": "training", "validation": "validation", "test": "test"}


def write_monai(database: Database, output: Path) -> Exported:
    """`output`/dataset.json, which `monai.data.load_decathlon_datalist` reads, and the files it names.

    Items are volumes where the data set has them, with their labels where it has any; else its pictures.
    """
    tally = Tally()
    lists: dict[str, list[dict[str, str]]] = {name: [] for name in LISTS.values()}
    numbers = numbers_for([name for case in cases_of(database) if case.volume for name in case.label_names])
    volumes = database.tally("volumes") > 0
    modalities = set()
    for case in cases_of(database):
        try:
            items = _volume(case, numbers, output) if volumes else _pictures(database, case, output)
        except ImagingDataError as error:
            tally.left_out[str(error)] += 1
            continue
        if isinstance(items, str):
            tally.left_out[items] += 1
            continue
        lists[LISTS[case.split]] += items
        tally.cases[case.split] += len(items)
        modalities.add(case.modality)
    said: dict[str, Any] = {
        "name": "data set",
        "modality": {str(number): modality for number, modality in enumerate(sorted(modalities))},
        "labels": {"0": BACKGROUND} | {str(number): name for name, number in numbers.items()},
        "numTraining": len(lists["training"]),
        "numTest": len(lists["test"]),
    }
    write_json(said | lists, output / "dataset.json")
    return tally.exported()


def _volume(case: Case, numbers: dict[str, int], output: Path) -> list[dict[str, str]] | str:
    """The item of a volume, or why it is left out: where some have labels, all must."""
    if not case.volume:
        return "It is no volume."
    image = f"images/{case.series_instance_uid}.nii.gz"
    item = {"image": image}
    if numbers:
        if case.unlabelled:
            return case.unlabelled
        item["label"] = f"labels/{case.series_instance_uid}.nii.gz"
        (output / "labels").mkdir(exist_ok=True)
        write_array(case.labels(numbers), case.space.affine, output / item["label"])
    put(case.folder / case.volume, output / image)
    return [item]


def _pictures(database: Database, case: Case, output: Path) -> list[dict[str, str]] | str:
    items = []
    for picture in pictures_of(database, case):
        items.append({"image": f"images/{picture['stem']}.png"})
        put(case.folder / picture["path"], output / items[-1]["image"])
    return items or "It has no picture."
