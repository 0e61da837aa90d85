# SPDX-License-Identifier: Apache-2.0
"""CT slices to send: 512x512, 16 bits, 526 kB each, pixels that do not compress."""

from pathlib import Path

import numpy as np
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

SIZE = 512
TEXT = "a series of slices to measure with"


def make_slices(folder: Path, count: int) -> list[Path]:
    """Write one series of `count` slices; returns the files in order."""
    random = np.random.default_rng(1)
    study, series = generate_uid(), generate_uid()
    return [
        _write(
            folder / f"{number:05}.dcm",
            number,
            study,
            series,
            random.integers(0, 4096, (SIZE, SIZE), np.uint16).tobytes(),
        )
        for number in range(1, count + 1)
    ]


def _write(path: Path, number: int, study: str, series: str, pixels: bytes) -> Path:
    slice_ = Dataset()
    slice_.file_meta = FileMetaDataset()
    slice_.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    slice_.SOPClassUID, slice_.SOPInstanceUID = CTImageStorage, generate_uid()
    slice_.StudyInstanceUID, slice_.SeriesInstanceUID = study, series
    slice_.PatientID, slice_.PatientName, slice_.Modality = "BENCH", "Bench^Mark", "CT"
    slice_.StudyDescription = slice_.SeriesDescription = slice_.ProtocolName = TEXT
    slice_.InstanceNumber, slice_.ImagePositionPatient = number, [0, 0, number]
    slice_.ImageOrientationPatient, slice_.PixelSpacing = [1, 0, 0, 0, 1, 0], [0.7, 0.7]
    slice_.SamplesPerPixel, slice_.PhotometricInterpretation = 1, "MONOCHROME2"
    slice_.Rows = slice_.Columns = SIZE
    slice_.BitsAllocated, slice_.BitsStored, slice_.HighBit, slice_.PixelRepresentation = 16, 12, 11, 0
    slice_.RescaleSlope, slice_.RescaleIntercept = 1, -1024
    slice_.PixelData = pixels
    slice_.save_as(path, enforce_file_format=True)
    return path
