# SPDX-License-Identifier: Apache-2.0
"""Small DICOM series in a folder, for tests.  Every attribute can be overridden by its keyword.

CT and MR are valid (`dciodvfy`); Enhanced CT has what describes its pixels and their place, no acquisition.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, generate_uid

CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"
ENHANCED_CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2.1"
MR_IMAGE = "1.2.840.10008.5.1.4.1.1.4"
ENHANCED_MR_IMAGE = "1.2.840.10008.5.1.4.1.1.4.1"
AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)

Attribute = Any  # a value, or a function of the slice's index (from 0) that gives it; None takes it away


def ct_series(
    folder: Path,
    slices: int = 8,
    rows: int = 16,
    columns: int = 16,
    spacing: tuple[float, float, float] = (2.5, 1.0, 1.0),
    patient_id: str = "TEST-1",
    study: str | None = None,
    series: str | None = None,
    pixels: NDArray[Any] | None = None,
    **attributes: Attribute,
) -> list[Path]:
    """Write an axial CT series into `folder` and return its files, feet first, InstanceNumber 1 first.

    spacing: mm between neighbours (slice, row, column).  pixels: stored values (slices, rows, columns), whose
    HU are 1024 less.  attributes: by keyword, a value for all slices or a function of the slice's index; None
    takes the attribute away.  The same call with the same UIDs writes the same bytes.
    """
    about = {
        "SOPClassUID": CT_IMAGE,
        "Modality": "CT",
        "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"],
        "KVP": "120",
        "AcquisitionNumber": 1,
        "RescaleIntercept": "-1024",
        "RescaleSlope": "1",
        "RescaleType": "HU",
    }
    return image_series(
        folder, slices, rows, columns, spacing, patient_id, study, series, pixels, **{**about, **attributes}
    )


def mr_series(
    folder: Path,
    slices: int = 8,
    rows: int = 16,
    columns: int = 16,
    spacing: tuple[float, float, float] = (2.5, 1.0, 1.0),
    patient_id: str = "TEST-1",
    study: str | None = None,
    series: str | None = None,
    pixels: NDArray[Any] | None = None,
    **attributes: Attribute,
) -> list[Path]:
    """Write an MR series into `folder`: as `ct_series`, without rescale."""
    about = {
        "SOPClassUID": MR_IMAGE,
        "Modality": "MR",
        "ImageType": ["ORIGINAL", "PRIMARY", "OTHER"],
        "ScanningSequence": "GR",
        "SequenceVariant": "NONE",
        "ScanOptions": "",
        "MRAcquisitionType": "3D",
        "RepetitionTime": "10",
        "EchoTime": "3",
        "EchoTrainLength": "1",
    }
    return image_series(
        folder, slices, rows, columns, spacing, patient_id, study, series, pixels, **{**about, **attributes}
    )


def image_series(
    folder: Path,
    slices: int,
    rows: int,
    columns: int,
    spacing: tuple[float, float, float],
    patient_id: str,
    study: str | None,
    series: str | None,
    pixels: NDArray[Any] | None,
    **attributes: Attribute,
) -> list[Path]:
    """Write one single-frame instance per slice; what `ct_series` and `mr_series` share."""
    folder.mkdir(parents=True, exist_ok=True)
    stored = _ramp(slices, rows, columns) if pixels is None else pixels
    study, series = study or generate_uid(), series or generate_uid()
    paths = []
    for index in range(slices):
        dataset = _shared(patient_id, study, series, stored)
        dataset.SOPInstanceUID = generate_uid(entropy_srcs=[series, str(index)])
        dataset.InstanceNumber = index + 1
        dataset.ImagePositionPatient = [0.0, 0.0, index * spacing[0]]
        dataset.ImageOrientationPatient = list(AXIAL)
        dataset.PixelSpacing = list(spacing[1:])
        dataset.SliceThickness = spacing[0]
        dataset.PixelData = _encoded(stored[index])
        override(dataset, index, attributes)
        paths.append(write(dataset, folder / f"{series[-8:]}-{index + 1:04}.dcm"))
    return paths


def enhanced_ct(
    folder: Path,
    slices: int = 8,
    rows: int = 16,
    columns: int = 16,
    spacing: tuple[float, float, float] = (2.5, 1.0, 1.0),
    patient_id: str = "TEST-1",
    study: str | None = None,
    series: str | None = None,
    pixels: NDArray[Any] | None = None,
    frame: Callable[[int, Dataset], None] | None = None,
    **attributes: Attribute,
) -> Path:
    """Write one Enhanced CT instance with a frame per slice (PS3.3 A.38).

    frame: called with each frame's index and its functional groups, to change them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    stored = _ramp(slices, rows, columns) if pixels is None else pixels
    study, series = study or generate_uid(), series or generate_uid()
    dataset = _shared(patient_id, study, series, stored)
    dataset.SOPClassUID, dataset.Modality = ENHANCED_CT_IMAGE, "CT"
    dataset.SOPInstanceUID = generate_uid(entropy_srcs=[series])
    dataset.InstanceNumber = 1
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]
    dataset.NumberOfFrames = slices
    dataset.PixelData = _encoded(stored)
    dataset.SharedFunctionalGroupsSequence = [_shared_groups(spacing)]
    dataset.PerFrameFunctionalGroupsSequence = [_frame_groups(index, spacing[0]) for index in range(slices)]
    for index, groups in enumerate(dataset.PerFrameFunctionalGroupsSequence):
        if frame:
            frame(index, groups)
    override(dataset, 0, attributes)
    return write(dataset, folder / f"{series[-8:]}.dcm")


def override(dataset: Dataset, index: int, attributes: dict[str, Attribute]) -> None:
    """Set each keyword to its value or to what its function of `index` gives; None takes it away."""
    for keyword, given in attributes.items():
        value = given(index) if callable(given) else given
        if value is not None:
            setattr(dataset, keyword, value)
        elif keyword in dataset:
            delattr(dataset, keyword)


def write(dataset: Dataset, path: Path, transfer_syntax: UID = ExplicitVRLittleEndian) -> Path:
    """Write `dataset` as a DICOM file (PS3.10), group 2 made to fit it."""
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = transfer_syntax
    dataset.save_as(path, enforce_file_format=True)
    return path


def _shared(patient_id: str, study: str, series: str, stored: NDArray[Any]) -> Dataset:
    dataset = Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.PatientName, dataset.PatientID = "Test^Phantom", patient_id
    dataset.PatientBirthDate, dataset.PatientSex = "19600101", "O"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = study, series
    dataset.FrameOfReferenceUID = generate_uid(entropy_srcs=[series, "frame of reference"])
    dataset.StudyDate = dataset.SeriesDate = dataset.AcquisitionDate = dataset.ContentDate = "20260101"
    dataset.StudyTime = dataset.SeriesTime = dataset.AcquisitionTime = dataset.ContentTime = "120000"
    dataset.StudyID, dataset.SeriesNumber, dataset.AccessionNumber = "1", 2, "A1"
    dataset.SeriesDescription, dataset.StudyDescription = "Test series", "Test study"
    dataset.BodyPartExamined = "CHEST"
    dataset.Manufacturer, dataset.ReferringPhysicianName = "Gantry tests", ""
    dataset.PositionReferenceIndicator, dataset.PatientPosition = "", "HFS"
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.Rows, dataset.Columns = stored.shape[-2:]
    dataset.BitsAllocated = dataset.BitsStored = 8 * stored.dtype.itemsize
    dataset.HighBit = dataset.BitsStored - 1
    dataset.PixelRepresentation = int(stored.dtype.kind == "i")
    return dataset


def _shared_groups(spacing: tuple[float, float, float]) -> Dataset:
    measures = Dataset()
    measures.PixelSpacing, measures.SliceThickness = list(spacing[1:]), spacing[0]
    orientation = Dataset()
    orientation.ImageOrientationPatient = list(AXIAL)
    rescale = Dataset()
    rescale.RescaleIntercept, rescale.RescaleSlope, rescale.RescaleType = "-1024", "1", "HU"
    groups = Dataset()
    groups.PixelMeasuresSequence = [measures]
    groups.PlaneOrientationSequence = [orientation]
    groups.PixelValueTransformationSequence = [rescale]
    return groups


def _frame_groups(index: int, spacing_mm: float) -> Dataset:
    position = Dataset()
    position.ImagePositionPatient = [0.0, 0.0, index * spacing_mm]
    content = Dataset()
    content.StackID, content.InStackPositionNumber = "1", index + 1
    groups = Dataset()
    groups.PlanePositionSequence = [position]
    groups.FrameContentSequence = [content]
    return groups


def _ramp(slices: int, rows: int, columns: int) -> NDArray[np.uint16]:
    """Stored values that differ in every voxel of a small volume and are all between -1024 and 2000 HU."""
    count = slices * rows * columns
    return (np.arange(count) % 3000).astype(np.uint16).reshape(slices, rows, columns)


def _encoded(stored: NDArray[Any]) -> bytes:
    little = stored.astype(stored.dtype.newbyteorder("<")).tobytes()
    return little + b"\0" * (len(little) % 2)
