# SPDX-License-Identifier: Apache-2.0
"""A volume as single-frame CT, MR or PET instances (PS3.3 sections A.3, A.4, A.21), one for each slice."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from pydicom import Dataset
from pydicom.uid import CTImageStorage, MRImageStorage, PositronEmissionTomographyImageStorage

from ...errors import ImagingDataError
from ...values import text_of
from ..attributes import Attributes
from .rescaling import Rescale, decimal, rescale_of
from .voxels import Voxels, lies_on, turned

CT_WINDOW = ("40", "400")
SHOWN = (0.5, 99.5)  # per cent of the values: the window of MR and PET
LEAST_CT = 100  # HU: what spans less is no CT in HU, and gets a window of its own
SAMPLED = 1 << 18  # values that the window is taken from
SOP_CLASSES = {
    "CT": CTImageStorage,
    "MR": MRImageStorage,
    "PT": PositronEmissionTomographyImageStorage,
}


class UnsupportedModality(ImagingDataError):
    """This cannot be an image of that modality."""

    hint = "Volumes become `--modality CT`, `MR` or `PT`; labels become `--modality SEG`; pictures any other."


@dataclass(frozen=True, eq=False)
class CrossSections:
    """The slices of `voxels`, turned as they are shown, volume after volume: a series.

    store: from its array to stored values.  rescale: from stored to real values.
    date_time: YYYYMMDD and HHMMSS of the source file, for what PET must say and nobody did.
    """

    voxels: Voxels
    modality: str
    attributes: Attributes
    date_time: tuple[str, str]
    store: Rescale
    rescale: Rescale

    @classmethod
    def of(cls, voxels: Voxels, modality: str, attributes: Attributes, date_time: tuple[str, str]) -> Self:
        """Raises UnsupportedModality, ShearedGrid, NotNumbers and UnsupportedValues."""
        if modality not in SOP_CLASSES:
            raise UnsupportedModality(f"It is a volume, and {modality!r} was asked for.")
        voxels = turned(voxels)
        if modality == "PT" and voxels.rescale is not None and voxels.rescale[1]:  # the intercept must be 0
            voxels = replace(voxels, array=voxels.real(), rescale=None)
        store = rescale_of(voxels.array, through_zero=modality == "PT")
        rescale = store if voxels.rescale is None else store.after(*voxels.rescale)
        return cls(voxels, modality, attributes, date_time, store, rescale)

    def __len__(self) -> int:
        volumes, slices = self.voxels.array.shape[:2]
        return int(volumes * slices)

    def __iter__(self) -> Iterator[Dataset]:
        volumes, slices, *_ = self.voxels.array.shape
        shared = self._shared()
        for number, (volume, index) in enumerate(np.ndindex(volumes, slices), start=1):
            dataset = Dataset(shared)
            position = (self.voxels.affine @ (index, 0, 0, 1))[:3]
            dataset.ImagePositionPatient = [decimal(value) for value in position]
            if volumes > 1:
                dataset.TemporalPositionIdentifier = volume + 1
            if self.modality == "PT":
                dataset.ImageIndex = number
                dataset.FrameReferenceTime = decimal(1000 * volume * (self.voxels.volume_s or 0))
            stored = self.store.stored(self.voxels.array[volume, index])
            dataset.PixelData = np.ascontiguousarray(stored).tobytes()
            dataset["PixelData"].VR = "OW"
            yield dataset

    def _shared(self) -> Dataset:
        """What all slices say alike: image plane, pixels, rescale, and what their IOD demands."""
        dataset = Dataset()
        dataset.SOPClassUID = SOP_CLASSES[self.modality]
        dataset.ImageType = ["DERIVED", "SECONDARY"]
        self._add_plane(dataset)
        self._add_pixels(dataset)
        self._add_window(dataset)
        {"CT": _add_ct, "MR": _add_mr, "PT": self._add_pet}[self.modality](dataset)
        volumes, *_ = self.voxels.array.shape
        if volumes > 1:
            dataset.NumberOfTemporalPositions = volumes
            dataset.ContentDate = dataset.ContentTime = None
            if self.voxels.volume_s:
                dataset.TemporalResolution = decimal(1000 * self.voxels.volume_s)
        return dataset

    def _add_plane(self, dataset: Dataset) -> None:
        """Image Plane and Frame of Reference (PS3.3 sections C.7.6.2, C.7.4.1)."""
        between, rows_mm, columns_mm = self.voxels.spacing_mm
        right, down = self.voxels.affine[:3, 2] / columns_mm, self.voxels.affine[:3, 1] / rows_mm
        dataset.ImageOrientationPatient = [decimal(cosine) for cosine in (*right, *down)]
        dataset.PixelSpacing = [decimal(rows_mm), decimal(columns_mm)]
        dataset.SliceThickness = dataset.SpacingBetweenSlices = decimal(between)
        if self.modality == "CT":
            del dataset.SpacingBetweenSlices  # not of its IOD
        given = self.attributes.template
        template = given if given is not None and lies_on(given, self.voxels) else Dataset()
        if template:
            dataset.FrameOfReferenceUID = text_of(template, "FrameOfReferenceUID")
        if self.modality != "PT":  # which says it by codes
            dataset.PatientPosition = text_of(template, "PatientPosition") or None

    def _add_pixels(self, dataset: Dataset) -> None:
        """Image Pixel, and the rescale, which MR has only where it changes something."""
        *_, dataset.Rows, dataset.Columns = self.voxels.array.shape
        dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
        dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 16, 15
        dataset.PixelRepresentation = int(self.rescale.dtype.kind == "i")
        if self.modality != "MR" or (self.rescale.slope, self.rescale.intercept) != (1, 0):
            dataset.RescaleIntercept = decimal(self.rescale.intercept)
            dataset.RescaleSlope = decimal(self.rescale.slope)
            if self.modality != "PT":
                dataset.RescaleType = "HU" if self.modality == "CT" else "US"

    def _add_window(self, dataset: Dataset) -> None:
        """One window for all slices, so that they look alike (PS3.3 section C.11.2)."""
        flat = self.voxels.array.reshape(-1)
        some = flat[:: max(1, flat.size // SAMPLED)].astype(np.float64)
        low, high = np.percentile(some, SHOWN) if some.size else (0, 0)
        if self.voxels.rescale is not None:
            slope, intercept = self.voxels.rescale
            low, high = sorted((low * slope + intercept, high * slope + intercept))
        if self.modality == "CT" and high - low > LEAST_CT:
            dataset.WindowCenter, dataset.WindowWidth = CT_WINDOW
        elif high > low:
            width = max(high - low, 1.0) if high - low < 1 and self.rescale.slope == 1 else high - low
            dataset.WindowCenter, dataset.WindowWidth = decimal((low + high) / 2), decimal(width)
            if width < 1:
                dataset.VOILUTFunction = "LINEAR_EXACT"

    def _add_pet(self, dataset: Dataset) -> None:
        """PET Series, Isotope and Image (PS3.3 sections C.8.9.1, C.8.9.2, C.8.9.4)."""
        volumes, slices, *_ = self.voxels.array.shape
        date, time = self.date_time
        said = self.attributes.dataset
        dataset.ImageType = ["DERIVED", "PRIMARY"]
        dataset.SeriesDate = text_of(said, "StudyDate") or date
        dataset.SeriesTime = text_of(said, "StudyTime") or time
        dataset.Units, dataset.CountsSource, dataset.DecayCorrection = "NONE", "EMISSION", "NONE"
        dataset.SeriesType = ["DYNAMIC" if volumes > 1 else "STATIC", "IMAGE"]
        dataset.NumberOfSlices = slices
        if volumes > 1:
            dataset.NumberOfTimeSlices = volumes
        dataset.CorrectedImage = dataset.CollimatorType = None
        dataset.AcquisitionDate = dataset.AcquisitionTime = dataset.ActualFrameDuration = None
        dataset.RadiopharmaceuticalInformationSequence = []
        dataset.PatientOrientationCodeSequence = dataset.PatientGantryRelationshipCodeSequence = []


def _add_ct(dataset: Dataset) -> None:
    """CT Image (PS3.3 section C.8.2.1)."""
    dataset.ImageType = ["DERIVED", "SECONDARY", "AXIAL"]
    dataset.KVP = dataset.AcquisitionNumber = None


def _add_mr(dataset: Dataset) -> None:
    """MR Image (PS3.3 section C.8.3.1); how it was acquired is not known."""
    dataset.ImageType = ["DERIVED", "SECONDARY", "OTHER"]
    dataset.ScanningSequence, dataset.SequenceVariant = "RM", "NONE"
    for keyword in ("ScanOptions", "MRAcquisitionType", "RepetitionTime", "EchoTime", "EchoTrainLength"):
        setattr(dataset, keyword, None)
    dataset.AcquisitionNumber = None
