# SPDX-License-Identifier: Apache-2.0
"""A phantom's radiograph as a Digital X-Ray Image for presentation (PS3.3 section A.26)."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian

from imaging_data.identifiers import derive_uid

from .files import DATE, TIME
from .radiograph import ChestRadiograph

BITS = 12
FIELD_MM = 350.0  # side of the detector
VIEWS = {"PA": ("272479007", "postero-anterior"), "AP": ("399348003", "antero-posterior")}


def write_radiograph(
    phantom: ChestRadiograph,
    path: Path,
    *,
    patient_id: str = "PHANTOM",
    view: str = "PA",
    monochrome1: bool = False,
    **attributes: Any,
) -> Path:
    """Write `phantom` as one instance to `path` and return it.

    view: ViewPosition, PA or AP.  monochrome1: stored inverted.  attributes: by keyword, what else it says or
    says otherwise; None takes one away.  The UIDs follow from the pixels and the arguments.
    """
    stored = np.rint(phantom.array * (2**BITS - 1)).astype("<u2")
    if monochrome1:
        stored = (2**BITS - 1 - stored).astype("<u2")
    dataset = _patient_and_study(patient_id)
    dataset.update(_view(view))
    dataset.update(_image(stored.shape[0], monochrome1))
    for keyword, value in attributes.items():
        if value is not None:
            setattr(dataset, keyword, value)
        elif keyword in dataset:
            delattr(dataset, keyword)
    digest = hashlib.sha256(stored.tobytes()).hexdigest()
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
        if keyword not in attributes:
            setattr(dataset, keyword, derive_uid("radiograph", keyword, digest, patient_id, view))
    dataset.PixelData = stored.tobytes()
    dataset["PixelData"].VR = "OW"
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(path, enforce_file_format=True)
    return path


def _patient_and_study(patient_id: str) -> Dataset:
    dataset = Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.SOPClassUID = DigitalXRayImageStorageForPresentation
    dataset.PatientName, dataset.PatientID = "PHANTOM^CHEST", patient_id
    dataset.PatientBirthDate, dataset.PatientSex = "19600101", "O"
    dataset.AccessionNumber, dataset.StudyID = f"A-{patient_id}"[:16], "1"
    dataset.ReferringPhysicianName = ""
    dataset.StudyDate = dataset.SeriesDate = dataset.AcquisitionDate = dataset.ContentDate = DATE
    dataset.StudyTime = dataset.SeriesTime = dataset.AcquisitionTime = dataset.ContentTime = TIME
    dataset.StudyDescription, dataset.SeriesDescription = "Chest phantom", "Synthetic chest radiograph"
    dataset.Modality, dataset.PresentationIntentType = "DX", "FOR PRESENTATION"
    dataset.SeriesNumber = dataset.InstanceNumber = 1
    dataset.Manufacturer, dataset.ManufacturerModelName = "Gantry", "Phantom"
    dataset.SoftwareVersions, dataset.DeviceSerialNumber = "1", "1"
    return dataset


def _view(view: str) -> Dataset:
    """Anatomy and projection (PS3.3 sections C.8.11.2 and C.8.11.5)."""
    dataset = Dataset()
    dataset.BodyPartExamined, dataset.ImageLaterality = "CHEST", "U"
    dataset.AnatomicRegionSequence = [_code("816094009", "Chest")]
    dataset.ViewPosition, dataset.PatientOrientation = view, ["L", "F"]
    dataset.ViewCodeSequence = [_code(*VIEWS[view])]
    dataset.ViewCodeSequence[0].ViewModifierCodeSequence = []
    dataset.PositionerType = ""
    return dataset


def _image(side: int, monochrome1: bool) -> Dataset:
    dataset = Dataset()
    dataset.ImageType = ["ORIGINAL", "PRIMARY", ""]
    dataset.AcquisitionContextSequence, dataset.BurnedInAnnotation = [], "NO"
    dataset.DetectorType, dataset.ImagerPixelSpacing = "DIRECT", [f"{FIELD_MM / side:.9g}"] * 2
    dataset.Rows = dataset.Columns = side
    dataset.SamplesPerPixel, dataset.PixelRepresentation = 1, 0
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, BITS, BITS - 1
    dataset.PhotometricInterpretation = "MONOCHROME1" if monochrome1 else "MONOCHROME2"
    dataset.PresentationLUTShape = "INVERSE" if monochrome1 else "IDENTITY"
    dataset.PixelIntensityRelationship, dataset.PixelIntensityRelationshipSign = "LOG", 1
    dataset.RescaleIntercept, dataset.RescaleSlope, dataset.RescaleType = "0", "1", "US"
    dataset.WindowCenter, dataset.WindowWidth = str(2 ** (BITS - 1)), str(2**BITS)
    dataset.LossyImageCompression = "00"
    return dataset


def _code(value: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "SCT", meaning
    return item
