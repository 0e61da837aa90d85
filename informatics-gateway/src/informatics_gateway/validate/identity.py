# SPDX-License-Identifier: Apache-2.0
"""Whose result it is, and what it says of itself: patient, study, stage, maker."""

import unicodedata

from pydicom import Dataset

from imaging_data.values import items_of

from ..errors import InvalidResult
from ..model import RESEARCH_ONLY, Identity

MAKER = "gantry"


def check_identity(dataset: Dataset, identity: Identity) -> None:
    """The result carries the PatientID, IssuerOfPatientID, PatientName and StudyInstanceUID that came in.

    Texts are compared after their character sets are decoded.  Raises InvalidResult naming the attribute,
    never its value.
    """
    for keyword, came_in, significant in (
        ("PatientID", identity.patient_id, text),
        ("IssuerOfPatientID", identity.issuer_of_patient_id, text),
        ("PatientName", identity.patient_name, person_name),
        ("StudyInstanceUID", identity.study_instance_uid, text),
    ):
        if significant(str(dataset.get(keyword) or "")) != significant(came_in):
            raise InvalidResult(f"its {keyword} is not the one that came in.")


def text(value: str) -> str:
    """What distinguishes a text: outer spaces (PS3.5 section 6.2) and how accents are composed do not."""
    return unicodedata.normalize("NFC", value).strip(" ")


def person_name(value: str) -> str:
    """As `text`; nor do a name's delimiters after the last component of a group, or after the last group."""
    return "=".join(text(group).rstrip("^ ") for group in value.split("=")).rstrip("=")


def check_stage(dataset: Dataset, stage: str) -> None:
    """An app that is not promoted says so in SeriesDescription, which viewers list."""
    if stage in ("draft", "shadow") and RESEARCH_ONLY not in str(dataset.get("SeriesDescription", "")):
        raise InvalidResult(f"its SeriesDescription lacks {RESEARCH_ONLY!r}, and the app is not promoted.")


def check_maker(dataset: Dataset) -> None:
    """ContributingEquipmentSequence (PS3.3 C.12.1.1.5) names Gantry, by which its results start no job.

    This holds for every app, a foreign MAP too: what wraps it must add the item.
    """
    items = items_of(dataset, "ContributingEquipmentSequence")
    if not any(str(item.get("ManufacturerModelName", "")).lower() == MAKER for item in items):
        raise InvalidResult("its ContributingEquipmentSequence does not name Gantry.")
