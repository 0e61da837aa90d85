# SPDX-License-Identifier: Apache-2.0
"""What results copy from their source, with what the source got wrong left out.

Patient and study attributes must be the source's own (PS3.3 C.7.1.1, C.7.2.1), but a value that breaks its VR
would make our object invalid: an optional one is left out, a required one is left empty.  Only PatientID,
PatientName and StudyInstanceUID are copied as they are, because by them the result is found again.
"""

import warnings
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from pydicom import DataElement, Dataset, config
from pydicom.datadict import dictionary_VR
from pydicom.multival import MultiValue
from pydicom.tag import Tag
from pydicom.valuerep import DSfloat, validate_value

if TYPE_CHECKING:
    from imaging_data import Volume

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


def decimal_strings(values: Iterable[float]) -> list[DSfloat]:
    """Numbers as DS of at most 16 characters (PS3.5 section 6.2), whatever the source wrote."""
    return [DSfloat(float(value), auto_format=True) for value in values]


def clean_sources(volume: "Volume") -> list[Dataset]:
    """The source instances with only what results may copy: identity, references and geometry.

    One Dataset per instance, in the order of the volume's slices.
    """
    instances = list(dict.fromkeys(instance for instance, _ in volume.sources))
    identity = identity_attributes(instances[0].dataset)
    return [_clean_source(instance.dataset, identity, volume) for instance in instances]


def _clean_source(header: Dataset, identity: Dataset, volume: "Volume") -> Dataset:
    clean = Dataset()
    clean.update(identity)
    for keyword in ("SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "Modality", "Rows", "Columns"):
        setattr(clean, keyword, header[keyword].value)
    clean.FrameOfReferenceUID = volume.frame_of_reference_uid
    clean.PositionReferenceIndicator = None
    if "NumberOfFrames" in header:
        _add_frames(clean, header, volume)
    else:
        clean.update(_pixel_measures(header, volume))
        clean.ImageOrientationPatient = _orientation(volume)
        clean.ImagePositionPatient = decimal_strings(header.ImagePositionPatient)
    return clean


def _add_frames(clean: Dataset, header: Dataset, volume: "Volume") -> None:
    """The functional groups of an Enhanced instance (PS3.3 C.7.6.16) that say where its frames lie."""
    clean.NumberOfFrames = header.NumberOfFrames
    orientation = Dataset()
    orientation.ImageOrientationPatient = _orientation(volume)
    shared = Dataset()
    shared.PixelMeasuresSequence = [_pixel_measures(header, volume)]
    shared.PlaneOrientationSequence = [orientation]
    clean.SharedFunctionalGroupsSequence = [shared]
    frames = []
    for group in header.PerFrameFunctionalGroupsSequence:
        position, frame = Dataset(), Dataset()
        position.ImagePositionPatient = decimal_strings(group.PlanePositionSequence[0].ImagePositionPatient)
        frame.PlanePositionSequence = [position]
        frames.append(frame)
    clean.PerFrameFunctionalGroupsSequence = frames


def _orientation(volume: "Volume") -> list[DSfloat]:
    """Six direction cosines: along a row (the column index grows), then down a column."""
    _, rows_mm, columns_mm = volume.spacing_mm
    return decimal_strings([*(volume.affine[:3, 2] / columns_mm), *(volume.affine[:3, 1] / rows_mm)])


def _pixel_measures(header: Dataset, volume: "Volume") -> Dataset:
    between_mm, rows_mm, columns_mm = volume.spacing_mm
    measures = Dataset()
    measures.PixelSpacing = decimal_strings([rows_mm, columns_mm])
    thickness = _valid_element(header, "SliceThickness")
    measures.SliceThickness = decimal_strings([float(thickness.value) if thickness else between_mm])[0]
    measures.SpacingBetweenSlices = decimal_strings([between_mm])[0]
    return measures
