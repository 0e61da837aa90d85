# SPDX-License-Identifier: Apache-2.0
"""A series as voxels with geometry."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .checks import check_count, check_shared, check_voxels
from .errors import NoRescale, UnsupportedPixels, naming
from .instances import Series, SeriesInstance
from .pixels import PixelFormat, check_transfer_syntax, read_stored, rescale
from .resampling import Resampling
from .slices import Slice, named, slices_of
from .stacking import stack
from .threads import in_threads
from .values import text_of, values_of

Masks = dict[int, NDArray[np.bool_]]  # of the slices that have padding, by their place in the volume


@dataclass(frozen=True, eq=False)
class Volume:
    """Real-world values on a regular grid in the patient.

    array: float32 (slices, rows, columns); HU for CT.  Slices run along the normal of the images (the cross
    product of row and column direction), which is towards the head for ordinary axial images.
    affine: float64 (4, 4), from index (slice, row, column, 1) to LPS millimetres (PS3.3 section C.7.6.2.1.1).
    spacing_mm: distances of neighbouring voxels (slice, row, column).
    series: what the volume was read from.
    sources: for each slice its instance and its frame number, from 1.
    padding: bool (slices, rows, columns), True where there is no image (PixelPaddingValue); `array` holds the
    smallest real value there.  None when there is no padding.
    resampling: None for a volume whose slices are the source's own.  Otherwise the source's slices were brought
    onto this grid, `sources` are in their order and not this grid's, and labels go back by `labels_on_source`.
    """

    array: NDArray[np.float32]
    affine: NDArray[np.float64]
    spacing_mm: tuple[float, float, float]
    series: Series
    frame_of_reference_uid: str | None
    sources: tuple[tuple[SeriesInstance, int], ...]
    padding: NDArray[np.bool_] | None = None
    resampling: Resampling | None = None

    @property
    def source_shape(self) -> tuple[int, int, int]:
        """(slices, rows, columns) of the source's slices: `shape`, unless the volume was resampled."""
        return self.shape if self.resampling is None else self.resampling.shape

    def labels_on_source(self, labelmap: NDArray[Any]) -> NDArray[Any]:
        """Values (slices, rows, columns) of this volume on its source's slices, by the nearest voxel."""
        return labelmap if self.resampling is None else self.resampling.labels_on_source(labelmap)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(slices, rows, columns)."""
        slices, rows, columns = self.array.shape
        return slices, rows, columns

    def source_of(self, slice_index: int) -> SeriesInstance:
        """The instance that slice came from."""
        return self.sources[slice_index][0]

    def frame_number_of(self, slice_index: int) -> int:
        """The frame of `source_of(slice_index)` that slice came from, from 1."""
        return self.sources[slice_index][1]

    def with_array(self, array: NDArray[Any]) -> "Volume":
        """The same grid with other values.  Raises ValueError when the shape differs."""
        if array.shape != self.array.shape:
            raise ValueError(f"the array has shape {array.shape}, the volume {self.array.shape}")
        return replace(self, array=np.asarray(array, np.float32))

    def to_highdicom(self) -> Any:
        """The same as a `highdicom.Volume`, sharing the array."""
        from highdicom import Volume as HighdicomVolume  # takes a third of a second, and few callers need it

        return HighdicomVolume(
            self.array, self.affine, "PATIENT", frame_of_reference_uid=self.frame_of_reference_uid
        )


def read_volume(series: Series, resample: bool = False, at_least: int = 1) -> Volume:
    """The series as one volume: every slice of it, or a named error (NotAVolume) that says which and why.

    A single slice is a volume as thick as its SliceThickness.  Values are stored values with each slice's own
    RescaleSlope and RescaleIntercept.  Raises also UnreadableInstance and ChangedInstance.

    resample: bring slices of a tilted gantry, or with uneven spacing, onto a regular grid (`resampling`) rather
    than raise GantryTilt or UnevenSpacing.  A missing slice is never filled in: MissingSlices comes anyhow.
    at_least: slices that the app needs.
    """
    slices = slices_of(series)
    check_shared(slices)
    check_count(slices, at_least)
    stacked = stack(slices, resample)
    if stacked.resampling is not None:
        check_voxels(stacked.resampling.grid_shape)
    rescales = rescales_of(stacked.slices)
    formats = {instance: readable_format(instance) for instance in series.instances}
    array, padding = _read_pixels(stacked.slices, rescales, formats)
    if stacked.resampling is not None:
        array, padding = stacked.resampling.onto_grid(array, padding)
    return Volume(
        array=array,
        affine=stacked.affine,
        spacing_mm=stacked.spacing_mm,
        series=series,
        frame_of_reference_uid=text_of(stacked.slices[0].dataset, "FrameOfReferenceUID") or None,
        sources=tuple((one.instance, one.frame) for one in stacked.slices),
        padding=padding,
        resampling=stacked.resampling,
    )


def readable_format(instance: SeriesInstance) -> PixelFormat:
    """How its values are stored.  Raises UnsupportedPixels, UnsupportedTransferSyntax for those not read here."""
    with naming(instance.path.name):
        form = PixelFormat.of(instance.dataset)
        if "ModalityLUTSequence" in instance.dataset:
            raise UnsupportedPixels("Its values are mapped by a table (ModalityLUTSequence).")
        check_transfer_syntax(text_of(instance.dataset.file_meta, "TransferSyntaxUID"))
        return form


def rescales_of(slices: Sequence[Slice]) -> list[tuple[float, float]]:
    """Slope and intercept of each slice; 1 and 0 where there are none.

    Raises NoRescale for an original CT without, and for a slope of 0.
    """
    pairs = [(one.numbers("RescaleSlope", 1), one.numbers("RescaleIntercept", 1)) for one in slices]
    without = [
        one
        for one, (slope, intercept) in zip(slices, pairs, strict=True)
        if (slope is None) != (intercept is None) or (slope is None and _is_ct(one)) or slope == (0.0,)
    ]
    if without:
        raise NoRescale(f"RescaleSlope or RescaleIntercept is missing, unusable or 0: {named(without)}.")
    return [(slope[0], intercept[0]) if slope and intercept else (1.0, 0.0) for slope, intercept in pairs]


def _is_ct(one: Slice) -> bool:
    """An original CT: without rescale its stored values are no HU (PS3.3 sections C.8.2.1, C.8.15.3.10)."""
    original = {"ORIGINAL", "MIXED"} & set(values_of(one.dataset, "ImageType")[:1])
    return values_of(one.dataset, "Modality") == ["CT"] and (bool(original) or not one.groups)


def _read_pixels(
    slices: Sequence[Slice],
    rescales: Sequence[tuple[float, float]],
    formats: Mapping[SeriesInstance, PixelFormat],
) -> tuple[NDArray[np.float32], NDArray[np.bool_] | None]:
    """Decode each instance once, straight into its places in the volume, on several cores.

    Reading, hashing, rescaling and some decoders leave the other threads alone.  Of several errors the one of
    the first instance is raised.
    """
    (first, its_places), *others = _places(slices).items()
    stored, padding = read_stored(first, formats[first])
    # Not before: what an instance declares is believed when its pixel data are there.
    array = np.empty((len(slices), *stored.shape[1:]), np.float32)
    masks: Masks = {}

    def put(stored: NDArray[Any], padding: NDArray[np.bool_] | None, places: Sequence[int]) -> None:
        for place in places:
            frame = slices[place].frame - 1
            rescale(stored[frame], *rescales[place], out=array[place])
            if padding is not None and padding[frame].any():
                masks[place] = padding[frame]

    put(stored, padding, its_places)
    in_threads(lambda item: put(*read_stored(item[0], formats[item[0]]), item[1]), others)
    return array, _fill_padding(array, masks)


def _places(slices: Sequence[Slice]) -> dict[SeriesInstance, list[int]]:
    places: dict[SeriesInstance, list[int]] = {}
    for place, one in enumerate(slices):
        places.setdefault(one.instance, []).append(place)
    return places


def _fill_padding(array: NDArray[np.float32], masks: Masks) -> NDArray[np.bool_] | None:
    """Set padding voxels to the smallest real value and return where they are."""
    if not masks:
        return None
    padding = np.zeros(array.shape, np.bool_)
    lows = []
    for place, image in enumerate(array):
        padding[place] = masks.get(place, False)
        lows.append(image.min(where=~padding[place], initial=np.inf))
    low = min(lows)
    if np.isfinite(low):
        np.copyto(array, low, where=padding)
    return padding
