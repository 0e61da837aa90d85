# SPDX-License-Identifier: Apache-2.0
"""What a de-identified instance says of itself (PS3.15 section E.1, PS3.3 sections C.7.1.1 and C.12.1)."""

from pydicom import Dataset

from .profile import BASIC, FULL_DATES, MODIFIED_DATES, OPTIONS, Option, Profile
from .table import EDITION


def stamp(dataset: Dataset, profile: Profile) -> None:
    """Say that the patient is gone, by what method with which options (CID 7050), and what became of dates."""
    dataset.PatientIdentityRemoved = "YES"
    dataset.DeidentificationMethod = [f"gantry deidentify, PS3.15 {EDITION}", f"profile {profile.name}"[:64]]
    dataset.DeidentificationMethodCodeSequence = [
        _coded(option) for option in (BASIC, *(OPTIONS[name] for name in sorted(profile.options)))
    ]
    dataset.LongitudinalTemporalInformationModified = (
        "MODIFIED" if profile.has(MODIFIED_DATES) else "UNMODIFIED" if profile.has(FULL_DATES) else "REMOVED"
    )


def _coded(option: Option) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = option.code, "DCM", option.meaning
    return item
