# SPDX-License-Identifier: Apache-2.0
"""A projection image as grey values."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .errors import (
    NotARadiograph,
    SeveralImages,
    naming,
)
from .grey_values import grey_values
from .instances import Series, SeriesInstance
from .pixels import PixelFormat, check_transfer_syntax, read_stored
from .values import numbers_of, text_of, values_of

MODALITIES = {"CR", "DX", "RF"}
SHOWN = 5
SPACINGS = ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing")


@dataclass(frozen=True, eq=False)
class Radiograph:
    """A projection image as a viewer shows it.

    array: float32 (rows, columns) from 0 to 1, 1 bright, which is where the body lets least through.
    series, instance: what it was read from.
    padding: bool (rows, columns), True where there is no image; `array` is 0 there.  None without padding.
    """

    array: NDArray[np.float32]
    series: Series
    instance: SeriesInstance
    padding: NDArray[np.bool_] | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns)."""
        rows, columns = self.array.shape
        return rows, columns

    @property
    def sources(self) -> tuple[tuple[SeriesInstance, int], ...]:
        """Its one instance, and frame 1 of it: as a Volume has them for each slice."""
        return ((self.instance, 1),)

    @property
    def view_position(self) -> str:
        """ViewPosition (PS3.3 section C.8.11.5.1.1), PA for one; empty where it is not stated."""
        return text_of(self.instance.dataset, "ViewPosition").strip().upper()

    @property
    def patient_orientation(self) -> tuple[str, ...]:
        """Where the rows run to and where the columns (PS3.3 section C.7.6.1.1.1), ("L", "F") for one."""
        return tuple(
            str(value).strip().upper() for value in values_of(self.instance.dataset, "PatientOrientation")
        )

    @property
    def spacing_mm(self) -> tuple[float, float] | None:
        """Distance of neighbouring pixels (row, column): in the patient, else in the detector; else None."""
        found = (numbers_of(self.instance.dataset, keyword, 2) for keyword in SPACINGS)
        usable = (pair for pair in found if pair and min(pair) > 0)
        return next(((row, column) for row, column in usable), None)


def read_radiograph(series: Series) -> Radiograph:
    """The one image of the series with the grey values that a viewer shows, or a named error.

    The modality LUT, the VOI LUT or window, and one inversion where PhotometricInterpretation is MONOCHROME1
    or PresentationLUTShape is INVERSE: see `grey_values`.  Raises SeveralImages for more than one instance,
    NotARadiograph for another modality, several frames or a raw detector image, UnsupportedPixels for colour,
    UnsupportedTransferSyntax, UnreadableInstance and ChangedInstance.
    """
    instance = _only_instance(series)
    with naming(instance.path.name):
        _check_projection(instance)
        form = PixelFormat.of(instance.dataset)
        if form.frames != 1:
            raise NotARadiograph(f"It has {form.frames} frames.", hint="Send a single image.")
        check_transfer_syntax(text_of(instance.dataset.file_meta, "TransferSyntaxUID"))
    stored, padding = read_stored(instance, form)
    with naming(instance.path.name):
        mask = None if padding is None else padding[0]
        return Radiograph(grey_values(stored[0], instance.dataset, mask), series, instance, mask)


def _only_instance(series: Series) -> SeriesInstance:
    if len(series.instances) != 1:
        named = ", ".join(instance.path.name for instance in series.instances[:SHOWN])
        raise SeveralImages(f"{len(series.instances)} instances: {named}.")
    return series.instances[0]


def _check_projection(instance: SeriesInstance) -> None:
    dataset = instance.dataset
    modality = text_of(dataset, "Modality")
    if modality not in MODALITIES:
        raise NotARadiograph(
            f"Modality is {modality or 'missing'}; it must be {', '.join(sorted(MODALITIES))}."
        )
    if "Rows" not in dataset:
        raise NotARadiograph("It is no image (it has no Rows).")
    if text_of(dataset, "PresentationIntentType") == "FOR PROCESSING":
        raise NotARadiograph("It is a raw detector image (PresentationIntentType FOR PROCESSING).")
