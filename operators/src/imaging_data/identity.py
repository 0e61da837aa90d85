# SPDX-License-Identifier: Apache-2.0
"""Patient and study attributes as results copy them, with what the source got wrong left out.

Patient and study attributes must be the source's own (PS3.3 C.7.1.1, C.7.2.1), but a value that breaks its VR
would make our object invalid: an optional one is left out, a required one is left empty.  Only PatientID,
PatientName and StudyInstanceUID are copied as they are, because by them the result is found again.
"""

import re
import warnings
from typing import Any

from pydicom import DataElement, Dataset, config
from pydicom.charset import convert_encodings
from pydicom.datadict import dictionary_VR
from pydicom.tag import Tag
from pydicom.valuerep import PersonName, validate_value

from .characters import UTF_8
from .values import items_of, text_of, values_of

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
TIME_ZONE = re.compile(r"[+-](0\d|1[0-4])[0-5]\d")  # PS3.3 C.12.1.1.8


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
    if not TIME_ZONE.fullmatch(clean.get("TimezoneOffsetFromUTC", "+0000")):
        del clean.TimezoneOffsetFromUTC
    clean.SpecificCharacterSet = UTF_8
    return clean


def left_out(header: Dataset, clean: Dataset) -> tuple[str, ...]:
    """One sentence for each attribute of `header` whose value was not copied, without the value."""
    return tuple(
        f"{keyword} of the source breaks the rules of its value ({dictionary_VR(keyword)}): "
        f"{'empty' if keyword in REQUIRED else 'absent'} in the results."
        for keyword in (*REQUIRED, *OPTIONAL)
        if not _is_empty(header, keyword) and (keyword not in clean or clean[keyword].is_empty)
    )


def _is_empty(header: Dataset, keyword: str) -> bool:
    if dictionary_VR(keyword) == "SQ":
        return not items_of(header, keyword)
    item = header.get_item(keyword)
    value = None if item is None else item.value
    return not (value.strip(b" \0") if isinstance(value, bytes) else value)


def _deidentification(header: Dataset) -> tuple[str, ...]:
    """PatientIdentityRemoved needs one of the other two (type 1C): they are copied together or not at all."""
    method = any(_valid_element(header, keyword) for keyword in DEIDENTIFICATION[1:])
    return DEIDENTIFICATION if method else ()


def _as_text(header: Dataset, keyword: str) -> DataElement:
    return _element(keyword, text_of(header, keyword) or None)


def _element(keyword: str, value: Any) -> DataElement:
    if dictionary_VR(keyword) == "PN":  # without encodings one keeps the bytes of the first result it is in
        names = value if isinstance(value, list) else [value or ""]
        value = [PersonName(name, convert_encodings(UTF_8)) for name in names]
    return DataElement(Tag(keyword), dictionary_VR(keyword), value)


def _valid_element(header: Dataset, keyword: str) -> DataElement | None:
    """A copy of the element, None when it is absent, empty or breaks its VR."""
    vr = dictionary_VR(keyword)
    if vr == "SQ":
        items = [_valid_item(item) for item in items_of(header, keyword)]
        whole = [item for item in items if item is not None]
        return _element(keyword, whole) if whole and len(whole) == len(items) else None
    texts = [str(value) for value in values_of(header, keyword)]
    if not texts or not all(is_valid(vr, text) for text in texts):
        return None
    return _element(keyword, texts if len(texts) > 1 else texts[0])


def _valid_item(item: Dataset) -> Dataset | None:
    """A copy of the item without what is empty or private; None when anything in it breaks its VR."""
    clean = Dataset()
    for keyword in item.dir():
        if item[keyword].is_empty:
            continue
        copied = _valid_element(item, keyword)
        if copied is None:
            return None
        clean.add(copied)
    return clean


def is_valid(vr: str, value: Any) -> bool:
    """Whether `value` keeps the rules of its value representation (PS3.5 section 6.2)."""
    try:
        validate_value(vr, value, config.RAISE)
    except ValueError:
        return False
    return True
