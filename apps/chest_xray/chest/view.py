# SPDX-License-Identifier: Apache-2.0
"""Is it a frontal view of a chest?  What the instance says of it, and what it leaves open."""

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from imaging_data import NotARadiograph, Radiograph
from imaging_data.values import items_of, text_of

FRONTAL = ("AP", "PA")
# PS3.16 CID 4010: postero-anterior, antero-posterior, frontal; and as they were coded before SNOMED CT.
FRONTAL_CODES = {"272479007", "399348003", "399033003", "R-10214", "R-10206"}
# PS3.16 CID 4009: chest, thorax, lung.
CHEST_CODES = {"816094009", "51185008", "39607008", "T-D3000", "T-28000"}
SNOMED = ("SCT", "SRT", "SNM3", "99SDM")  # other schemes are a vendor's, and say nothing here
CHEST_WORDS = ("CHEST", "THORAX", "LUNG")


class NotAFrontalChest(NotARadiograph):
    """The radiograph is not a frontal view of the chest."""

    hint = "Send the PA or AP view of the chest; the model was trained on nothing else."


def check_frontal(radiograph: Radiograph) -> None:
    """Raise NotAFrontalChest when anything that is stated says otherwise.

    Looked at are BodyPartExamined, AnatomicRegionSequence, ViewPosition, ViewCodeSequence and
    PatientOrientation (PS3.3 sections C.8.11.2, C.8.11.5, C.7.6.1.1.1).  What is not stated is no reason to
    refuse: `remarks` then says so in every result.
    """
    dataset = radiograph.instance.dataset
    for keyword, stated, fits in (
        ("BodyPartExamined", _body_part(dataset), _is_chest(dataset)),
        ("AnatomicRegionSequence", *_coded(dataset, "AnatomicRegionSequence", CHEST_CODES)),
        ("ViewPosition", radiograph.view_position, radiograph.view_position.startswith(FRONTAL)),
        ("ViewCodeSequence", *_coded(dataset, "ViewCodeSequence", FRONTAL_CODES)),
        ("PatientOrientation", "\\".join(radiograph.patient_orientation), _is_coronal(radiograph)),
    ):
        if stated and not fits:
            raise NotAFrontalChest(f"{keyword} is {stated}.")


def remarks(radiograph: Radiograph) -> list[str]:
    """Sentences on what the instance does not state, for the reports; none when it says all."""
    dataset = radiograph.instance.dataset
    stated = radiograph.view_position or _coded(dataset, "ViewCodeSequence", FRONTAL_CODES)[0]
    found = []
    if not stated and not radiograph.patient_orientation:
        found.append("view not stated: it was taken for a frontal view")
    if not _body_part(dataset) and not _coded(dataset, "AnatomicRegionSequence", CHEST_CODES)[0]:
        found.append("body part not stated: it was taken for a chest")
    return found


def upright(radiograph: Radiograph) -> NDArray[np.float32]:
    """The image with the head up and the patient's right on the left, as far as PatientOrientation is stated."""
    orientation = [one[0] for one in radiograph.patient_orientation]
    array = radiograph.array
    if not orientation:
        return array
    if orientation[0] in "HF":
        array, orientation = array.T, orientation[::-1]
    return array[:: -1 if orientation[1] == "H" else 1, :: -1 if orientation[0] == "R" else 1]


def _body_part(dataset: Dataset) -> str:
    return text_of(dataset, "BodyPartExamined").strip().upper()


def _is_chest(dataset: Dataset) -> bool:
    return any(word in _body_part(dataset) for word in CHEST_WORDS)


def _coded(dataset: Dataset, keyword: str, accepted: set[str]) -> tuple[str, bool]:
    """The meaning of the code, "" where none of SNOMED's is stated, and whether it is an accepted one."""
    for item in items_of(dataset, keyword):
        if text_of(item, "CodingSchemeDesignator") in SNOMED:
            value = text_of(item, "CodeValue")
            return text_of(item, "CodeMeaning") or value, value in accepted
    return "", True


def _is_coronal(radiograph: Radiograph) -> bool:
    """Whether rows and columns run between left and right, head and feet."""
    first = {one[0] for one in radiograph.patient_orientation}
    return len(first) == 2 and bool(first & set("LR")) and bool(first & set("HF"))
