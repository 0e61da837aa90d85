# SPDX-License-Identifier: Apache-2.0
"""A sampled phantom as a series of CT Image Storage instances (PS3.3 §A.3)."""

import hashlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

from imaging_data.identifiers import derive_uid

from .scene import Rendered

PADDING = -2000  # stored value outside the circle of reconstruction, as GE scanners write it
INTERCEPT = -1024
BODY_PARTS = {"thorax": "CHEST", "torso": "CHESTABDOMEN"}  # PS3.16 Annex L; the others are called as they are
WINDOWS = {"torso": ("40", "400")}  # centre and width; the others are shown as lungs are
POSITIONS = ("HFS", "HFP", "FFS", "FFP")
DATE, TIME = "20260105", "093000"


def write_series(
    rendered: Rendered,
    folder: Path,
    *,
    patient_id: str = "PHANTOM",
    patient_position: str = "HFS",
    padded: bool = False,
) -> list[Path]:
    """Write one instance a slice to `folder` and return their paths in the order of InstanceNumber.

    `patient_position` is PatientPosition (PS3.3 §C.7.3.1.1.2): the images of a prone patient (HFP, FFP) are
    turned by half a turn, as scanners do; those of one who lies feet first are numbered from the head down.
    In patient coordinates the anatomy stays as it is.  `padded`: PixelPaddingValue outside the circle of
    reconstruction.  The UIDs follow from the voxels and the arguments: the same phantom, the same UIDs.
    Raises ValueError for an unknown position and FileExistsError when the folder is not empty.
    """
    if patient_position not in POSITIONS:
        raise ValueError(f"patient_position is {patient_position!r}; it can be {', '.join(POSITIONS)}")
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise FileExistsError(f"{folder} is not empty: give an empty or a new folder")
    prone = patient_position.endswith("P")
    stored = _stored_values(rendered.array, prone, padded)
    common = _common(rendered, patient_id, patient_position, padded, stored)
    order = range(len(stored)) if patient_position.startswith("H") else range(len(stored))[::-1]
    return [
        _write(common, stored[index], _position(rendered, index, prone), number, folder)
        for number, index in enumerate(order, start=1)
    ]


def _stored_values(array: NDArray[np.float32], prone: bool, padded: bool) -> NDArray[np.int16]:
    stored = array.astype(np.int16)
    stored -= INTERCEPT
    if padded:
        rows, columns = np.ogrid[-1 : 1 : stored.shape[1] * 1j, -1 : 1 : stored.shape[2] * 1j]
        stored[:, rows**2 + columns**2 > 1] = PADDING
    return stored[:, ::-1, ::-1] if prone else stored


def _position(rendered: Rendered, index: int, prone: bool) -> list[str]:
    """ImagePositionPatient: the centre of the voxel stored first."""
    _, rows, columns = rendered.grid.shape
    corner = (index, rows - 1, columns - 1, 1) if prone else (index, 0, 0, 1)
    return [_ds(value) for value in (rendered.grid.affine @ corner)[:3]]


def _common(
    rendered: Rendered, patient_id: str, patient_position: str, padded: bool, stored: NDArray[np.int16]
) -> Dataset:
    """What all instances of the series share."""
    digest = hashlib.sha256(stored.tobytes()).hexdigest()
    identity = (rendered.name, digest, str(rendered.grid), patient_id, patient_position)
    common = Dataset()
    common.update(_patient_and_study(rendered.name, patient_id))
    common.StudyInstanceUID = derive_uid("phantom study", *identity)
    common.SeriesInstanceUID = derive_uid("phantom series", *identity)
    common.FrameOfReferenceUID = derive_uid("phantom frame of reference", *identity)
    common.PatientPosition = patient_position
    common.update(_image(rendered, patient_position.endswith("P")))
    if padded:
        common.add_new("PixelPaddingValue", "SS", PADDING)
    return common


def _patient_and_study(name: str, patient_id: str) -> Dataset:
    dataset = Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.PatientName, dataset.PatientID = f"PHANTOM^{name.upper()}", patient_id
    dataset.PatientBirthDate, dataset.PatientSex = "19600101", "O"
    dataset.AccessionNumber, dataset.StudyID = f"A-{patient_id}"[:16], "1"
    dataset.ReferringPhysicianName, dataset.PositionReferenceIndicator = "", ""
    dataset.StudyDate = dataset.SeriesDate = dataset.AcquisitionDate = dataset.ContentDate = DATE
    dataset.StudyTime = dataset.SeriesTime = dataset.AcquisitionTime = dataset.ContentTime = TIME
    dataset.StudyDescription, dataset.SeriesDescription = f"CT {name} phantom", "Synthetic axial CT"
    dataset.Modality, dataset.SeriesNumber, dataset.AcquisitionNumber = "CT", 2, 1
    dataset.BodyPartExamined = BODY_PARTS.get(name, name.upper())
    dataset.Manufacturer, dataset.ManufacturerModelName = "Gantry", "Phantom"
    dataset.SoftwareVersions, dataset.DeviceSerialNumber = "1", "1"
    return dataset


def _image(rendered: Rendered, prone: bool) -> Dataset:
    dataset, grid = Dataset(), rendered.grid
    dataset.SOPClassUID, dataset.ImageType = CTImageStorage, ["ORIGINAL", "PRIMARY", "AXIAL"]
    dataset.KVP, dataset.ExposureTime, dataset.XRayTubeCurrent = "120", 500, 200
    dataset.ConvolutionKernel, dataset.ScanOptions = "STANDARD", "HELICAL MODE"
    dataset.GantryDetectorTilt = "0"
    dataset.SliceThickness = dataset.SpacingBetweenSlices = _ds(grid.spacing_mm[0])
    dataset.ReconstructionDiameter = _ds(grid.spacing_mm[2] * grid.shape[2])
    dataset.PixelSpacing = [_ds(value) for value in grid.spacing_mm[1:]]
    dataset.ImageOrientationPatient = [-1, 0, 0, 0, -1, 0] if prone else [1, 0, 0, 0, 1, 0]
    dataset.Rows, dataset.Columns, dataset.SamplesPerPixel = grid.shape[1], grid.shape[2], 1
    dataset.PhotometricInterpretation, dataset.PixelRepresentation = "MONOCHROME2", 1
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 16, 15
    dataset.RescaleIntercept, dataset.RescaleSlope, dataset.RescaleType = str(INTERCEPT), "1", "HU"
    dataset.WindowCenter, dataset.WindowWidth = WINDOWS.get(rendered.name, ("-600", "1500"))
    return dataset


def _write(
    common: Dataset, pixels: NDArray[np.int16], position: list[str], number: int, folder: Path
) -> Path:
    dataset = Dataset(common)
    dataset.SOPInstanceUID = derive_uid(common.SeriesInstanceUID, str(number))
    dataset.InstanceNumber, dataset.ImagePositionPatient = number, position
    dataset.SliceLocation = position[2]
    dataset.PixelData = np.ascontiguousarray(pixels, "<i2").tobytes()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    path = folder / f"{number:04d}.dcm"
    dataset.save_as(path, enforce_file_format=True)
    return path


def _ds(value: float) -> str:
    """A decimal string (PS3.5 §6.2), at most 16 characters."""
    return f"{float(value):.9g}"
