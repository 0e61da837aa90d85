# SPDX-License-Identifier: Apache-2.0
"""Instances with a patient all over them, for the tests of de-identification."""

from io import BytesIO
from typing import Any

import numpy as np
from pydicom import Dataset, FileMetaDataset, dcmwrite
from pydicom.datadict import dictionary_VR
from pydicom.tag import Tag
from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian

from imaging_data.deidentify import Key
from imaging_data.deidentify.table import rows

KEY = Key(bytes(range(32)))
NAME, ID, DATE, UID_ROOT, NUMBER = "Zzyzxmark", "Qqxmark77", "19630215", "1.2.999.424242", "666777888"
MARKS = [text.encode() for text in (NAME, ID, DATE, UID_ROOT, NUMBER)]
TEXTS = {"AE", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"}
VALUES: dict[str, Any] = {
    **dict.fromkeys(TEXTS, NAME), "CS": NAME.upper(), "DA": DATE, "DT": f"{DATE}101112", "TM": "101112", "AS": "033Y",
    "UI": f"{UID_ROOT}.7", "DS": NUMBER, "IS": NUMBER, "FD": 1.5, "FL": 1.5, "AT": 0x00100010,
    **dict.fromkeys(("SL", "SS", "SV", "UL", "US", "UV"), 7),
}  # fmt: skip
NOT_IN_AN_IMAGE = {
    0x0040A730,
    0x00420011,
}  # what holds an instance back: ContentSequence, EncapsulatedDocument


def ct(**attributes: Any) -> Dataset:
    """A small CT instance of the marked patient, with any attribute by its keyword; None takes it away."""
    dataset = Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.SOPClassUID, dataset.Modality = CTImageStorage, "CT"
    dataset.SOPInstanceUID, dataset.StudyInstanceUID = f"{UID_ROOT}.1", f"{UID_ROOT}.2"
    dataset.SeriesInstanceUID, dataset.FrameOfReferenceUID = f"{UID_ROOT}.3", f"{UID_ROOT}.4"
    dataset.ImageType, dataset.ImagePositionPatient = ["ORIGINAL", "PRIMARY", "AXIAL"], [0, 0, 0]
    dataset.PatientName, dataset.PatientID, dataset.StudyDate = f"{NAME}^Anna", ID, DATE
    dataset.PatientBirthDate, dataset.PatientSex, dataset.PatientAge = "19300101", "F", "093Y"
    dataset.Rows = dataset.Columns = 8
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 12, 11, 0
    dataset.PixelData = np.arange(64, dtype=np.uint16).tobytes()
    for keyword, value in attributes.items():
        if value is None:
            delattr(dataset, keyword)
        else:
            setattr(dataset, keyword, value)
    return dataset


def encoded(dataset: Dataset, syntax: UID = ExplicitVRLittleEndian) -> bytes:
    """The file that a scanner would have written."""
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.file_meta.SourceApplicationEntityTitle = NAME.upper()
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    buffer = BytesIO()
    dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()


def marked() -> Dataset:
    """An instance with a mark in every attribute of Table E.1-1, at the top and in a sequence, and beyond it."""
    dataset = ct()
    _mark(dataset)
    item = Dataset()
    _mark(item)
    dataset.SharedFunctionalGroupsSequence = [item]
    dataset.add_new(0x50000010, "US", 1)
    dataset.add_new(0x50003000, "OW", NAME.encode() + b" ")
    dataset.add_new(0x60003000, "OW", NAME.encode() + b" ")
    dataset.add_new(0x60004000, "LT", NAME)
    dataset.add_new(0x00180002, "LO", NAME)  # an attribute that PS3.6 does not know
    dataset.add_new(0x00089214, "DA", DATE)
    return dataset


def _mark(dataset: Dataset) -> None:
    for row in rows():
        if set(row.tag) & set("xge") - set("e") or not row.tag.isalnum() or "g" in row.tag:
            continue
        tag = Tag(int(row.tag, 16))
        if tag.group >= 0x0008 and tag not in NOT_IN_AN_IMAGE and tag not in dataset:
            dataset.add_new(tag, *_value(tag))
    block = dataset.private_block(0x0019, NAME.upper(), create=True)
    block.add_new(0x0C, "LO", NAME)
    block.add_new(0x0D, "UN", NAME.encode() + b" ")


def _value(tag: int) -> tuple[str, Any]:
    try:
        vr = dictionary_VR(tag)
    except KeyError:
        return "LO", NAME
    if vr == "SQ":
        item = Dataset()
        item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = "1", "99HOSPITAL", NAME
        item.PersonName, item.InstitutionName = NAME, NAME
        return vr, [item]
    return vr, VALUES.get(vr, NAME.encode() + b" ")
