# SPDX-License-Identifier: Apache-2.0
"""What a de-identified instance says of itself (PS3.15 section E.1, PS3.3 sections C.7.1.1 and C.12.1)."""

from functools import cache

from pydicom import Dataset
from pydicom.charset import default_encoding
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_sequence
from pydicom.sequence import Sequence
from pydicom.tag import BaseTag

from .profile import BASIC, FULL_DATES, MODIFIED_DATES, OPTIONS, Option, Profile
from .table import EDITION

METHOD_CODES = BaseTag(0x00120064)


def stamp(dataset: Dataset, profile: Profile) -> None:
    """Say that the patient is gone, by what method with which options (CID 7050), and what became of dates."""
    dataset.PatientIdentityRemoved = "YES"
    dataset.DeidentificationMethod = [f"gantry deidentify, PS3.15 {EDITION}", f"profile {profile.name}"[:64]]
    dataset[METHOD_CODES] = _method_codes(profile.options, *dataset.original_encoding)
    dataset.LongitudinalTemporalInformationModified = (
        "MODIFIED" if profile.has(MODIFIED_DATES) else "UNMODIFIED" if profile.has(FULL_DATES) else "REMOVED"
    )


@cache
def _method_codes(
    options: frozenset[str], implicit: bool | None, little: bool | None
) -> DataElement | RawDataElement:
    """DeidentificationMethodCodeSequence, encoded once for all instances that are encoded in one way."""
    items = [_coded(option) for option in (BASIC, *(OPTIONS[name] for name in sorted(options)))]
    element = DataElement(METHOD_CODES, "SQ", Sequence(items))
    if implicit is None or little is None:  # a data set that was not read from a file
        return element
    buffer = DicomBytesIO()
    buffer.is_implicit_VR, buffer.is_little_endian = implicit, little
    write_sequence(buffer, element, [default_encoding])
    value = buffer.getvalue()
    return RawDataElement(METHOD_CODES, "SQ", len(value), value, 0, implicit, little)


def _coded(option: Option) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = option.code, "DCM", option.meaning
    return item
