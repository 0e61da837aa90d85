# SPDX-License-Identifier: Apache-2.0
"""Patient and study attributes as results copy them, with what the source got wrong left out.

Patient and study attributes must be the source's own (PS3.3 C.7.1.1, C.7.2.1), but a value that breaks its VR
would make our object invalid: an optional one is left out, a required one is left empty.  Only PatientID,
PatientName and StudyInstanceUID are copied as they are, because by them the result is found again.
"""

import warnings
from collections.abc import Iterable
from typing import Any

from pydicom import DataElement, Dataset, config
from pydicom.datadict import dictionary_VR
from pydicom.multival import MultiValue
from pydicom.tag import Tag
from pydicom.valuerep import DSfloat, validate_value

CHARACTER_SET = "ISO_IR 192"

IDENTITY = ("PatientName", "PatientID", "StudyInstanceUID")
REQUIRED = (  # type 2 of the Patient and General Study modules
    "PatientBirthDate",
    "PatientSex",
    "StudyDate",
    "StudyTime",
    "ReferringPhysicianName",
    "StudyID",
    "AccessionNumber",
)
OPTIONAL = (
    "IssuerOfPatientID",
    "IssuerOfPatientIDQualifiersSequence",
    "TypeOfPatientID",
    "OtherPatientIDsSequence",
    "PatientBirthTime",
    "PatientSpeciesDescription",
    "PatientSpeciesCodeSequence",
    "ClinicalTrialSponsorName",
    "ClinicalTrialProtocolID",
    "ClinicalTrialSubjectID",
    "ClinicalTrialSubjectReadingID",
    "StudyDescription",
    "IssuerOfAccessionNumberSequence",
    "ProcedureCodeSequence",
    "PatientAge",
    "PatientSize",
    "PatientWeight",
    "TimezoneOffsetFromUTC",
)
DEIDENTIFICATION = ("PatientIdentityRemoved", "DeidentificationMethod", "DeidentificationMethodCodeSequence")
SEXES = ("M", "F", "O")


def identity_attributes(header: Dataset) -> Dataset:
    """Patient and study attributes of `header`, as every result carries them, for character set UTF-8."""
    clean = Dataset()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom warns of the very values that are sorted out here
        for keyword in IDENTITY:
            clean.add(_as_text(header, keyword))
        for keyword in REQUIRED:
            clean.add(
                _valid_element(header, keyword) or DataElement(Tag(keyword), dictionary_VR(keyword), None)
            )
        for keyword in OPTIONAL + _deidentification(header):
            element = _valid_element(header, keyword)
            if element is not None:
                clean.add(element)
    if clean.PatientSex not in SEXES:
        clean.PatientSex = None
    clean.SpecificCharacterSet = CHARACTER_SET
    return clean


def _deidentification(header: Dataset) -> tuple[str, ...]:
    """PatientIdentityRemoved needs one of the other two (type 1C): they are copied together or not at all."""
    method = any(_valid_element(header, keyword) for keyword in DEIDENTIFICATION[1:])
    return DEIDENTIFICATION if method else ()


def _as_text(header: Dataset, keyword: str) -> DataElement:
    value = header.get(keyword)
    return _element(keyword, str(value) if value else None)


def _element(keyword: str, value: Any) -> DataElement:
    return DataElement(Tag(keyword), dictionary_VR(keyword), value)


def _valid_element(header: Dataset, keyword: str) -> DataElement | None:
    """A copy of the element, None when it is absent, empty or breaks its VR."""
    if keyword not in header:
        return None
    element = header[keyword]
    if dictionary_VR(keyword) != element.VR or element.is_empty:
        return None
    if element.VR == "SQ":
        items = [_valid_item(item) for item in element.value]
        whole = [item for item in items if item is not None]
        return DataElement(element.tag, "SQ", whole) if len(whole) == len(items) else None
    values = [_plain(value) for value in _values(element)]
    valid = all(is_valid(element.VR, value) for value in values)
    return DataElement(element.tag, element.VR, values if len(values) > 1 else values[0]) if valid else None


def _valid_item(item: Dataset) -> Dataset | None:
    clean = Dataset()
    for element in item:
        if element.keyword and not element.is_empty:
            copied = _valid_element(item, element.keyword)
            if copied is None:
                return None
            clean.add(copied)
    return clean


def _values(element: DataElement) -> Iterable[Any]:
    return element.value if isinstance(element.value, MultiValue) else [element.value]


def _plain(value: Any) -> Any:
    """Text of what pydicom read: a PersonName or DS must not bring the source's encoding along."""
    return (
        value
        if isinstance(value, int | float | bytes) and not isinstance(value, str | DSfloat)
        else str(value)
    )


def is_valid(vr: str, value: Any) -> bool:
    """Whether `value` keeps the rules of its value representation (PS3.5 section 6.2)."""
    try:
        validate_value(vr, value, config.RAISE)
    except ValueError:
        return False
    return True
