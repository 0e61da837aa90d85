# SPDX-License-Identifier: Apache-2.0
"""The folder of an nnU-Net v2 data set: imagesTr, labelsTr, imagesTs, labelsTs, dataset.json, splits_final.json."""

from collections import Counter
from pathlib import Path

from ..convert.from_dicom.nifti import write_array
from ..errors import ImagingDataError
from .cases import BACKGROUND, Case, Exported, Tally, cases_of, numbers_for, put
from .database import Database
from .json_files import write_json

ENDING = ".nii.gz"
OF_SPLIT = {"train": "Tr", "validation": "Tr", "test": "Ts"}


def write_nnunet(database: Database, output: Path) -> Exported:
    """Every volume with labels as a case named by its row; test cases are in imagesTs and labelsTs.

    All cases have one modality, the most frequent.  splits_final.json is nnU-Net's one fold with train and
    validation as here: copy it to nnUNet_preprocessed.
    """
    tally = Tally()
    labelled = [case for case in cases_of(database) if case.volume and case.segmentations]
    modality = Counter(case.modality for case in labelled).most_common(1)
    numbers = numbers_for([name for case in labelled for name in case.label_names])
    fold: dict[str, list[str]] = {"train": [], "validation": [], "test": []}
    for case in cases_of(database):
        reason = _left_out(case, modality[0][0] if modality else "")
        name = f"case_{case.number:05d}"
        try:
            if not reason:
                _write(case, name, numbers, output)
        except ImagingDataError as error:
            reason = str(error)
        if reason:
            tally.left_out[reason] += 1
        else:
            tally.cases[case.split] += 1
            fold[case.split].append(name)
    said = {
        "channel_names": {"0": modality[0][0] if modality else ""},
        "labels": {BACKGROUND: 0} | numbers,
        "numTraining": len(fold["train"]) + len(fold["validation"]),
        "file_ending": ENDING,
    }
    write_json(said, output / "dataset.json")
    write_json([{"train": fold["train"], "val": fold["validation"]}], output / "splits_final.json")
    return tally.exported()


def _left_out(case: Case, modality: str) -> str:
    if not case.volume:
        return "It is no volume."
    if case.unlabelled:
        return case.unlabelled
    return "" if case.modality == modality else "It has another modality than most."


def _write(case: Case, name: str, numbers: dict[str, int], output: Path) -> None:
    where = OF_SPLIT[case.split]
    (output / f"labels{where}").mkdir(exist_ok=True)
    write_array(case.labels(numbers), case.space.affine, output / f"labels{where}" / f"{name}{ENDING}")
    put(case.folder / case.volume, output / f"images{where}" / f"{name}_0000{ENDING}")
