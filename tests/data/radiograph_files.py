# SPDX-License-Identifier: Apache-2.0
"""One picture as a radiograph in many encodings."""

from pathlib import Path
from typing import Any

import numpy as np
from builders import override, write
from pydicom import Dataset
from pydicom.uid import UID, DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian

from imaging_data import Radiograph, find_instances, read_radiograph

ROWS, COLUMNS = 48, 40


def picture() -> np.ndarray:
    """Grey from 0 to 1 without any symmetry: what a viewer must show."""
    y, x = np.mgrid[0:ROWS, 0:COLUMNS]
    grey = np.exp(-(((x - 17) / 14) ** 2) - ((y - 20) / 19) ** 2) + 0.2 * x / COLUMNS
    grey = (grey - grey.min()) / np.ptp(grey)
    grey[0, 0], grey[-1, -1] = 0, 1
    return grey


def dx(
    folder: Path, stored: np.ndarray, transfer_syntax: UID = ExplicitVRLittleEndian, **attributes: Any
) -> Path:
    """Write `stored` (rows, columns) as a DX instance; attributes by keyword, None takes one away."""
    folder.mkdir(parents=True, exist_ok=True)
    dataset = Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = DigitalXRayImageStorageForPresentation, "1.2.3.4"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = "1.2.3.1", "1.2.3.2"
    dataset.PatientID, dataset.PatientName, dataset.Modality = "TEST-1", "Test^Radiograph", "DX"
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.Rows, dataset.Columns = stored.shape[-2:]
    dataset.BitsAllocated = dataset.BitsStored = 8 * stored.dtype.itemsize
    dataset.PixelRepresentation = int(stored.dtype.kind == "i")
    override(dataset, 0, attributes)
    dataset.HighBit = attributes.get("HighBit", dataset.BitsStored - 1)
    dataset.PixelData = stored.astype(stored.dtype.newbyteorder("<")).tobytes()
    dataset["PixelData"].VR = "OW"
    return write(dataset, folder / "image.dcm", transfer_syntax)


def lookup_table(data: np.ndarray, first: int, bits: int, vr: str = "US") -> Dataset:
    """An item of a modality or VOI LUT sequence."""
    item = Dataset()
    item.add_new("LUTDescriptor", "SS" if first < 0 else vr, [len(data) % 65536, first, bits])
    item.ModalityLUTType = "US"
    item.add_new("LUTData", "OW", data.astype("<u2").tobytes())
    return item


def read(folder: Path) -> Radiograph:
    """The radiograph of the one series in `folder`."""
    [series] = find_instances(folder).series
    return read_radiograph(series)
