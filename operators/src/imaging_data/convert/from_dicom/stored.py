# SPDX-License-Identifier: Apache-2.0
"""A series laid out for another format: where each frame goes, as stored integers where those say it exactly."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...channels import ALIGNED_MM, rising
from ...checks import check_shared, check_voxels
from ...errors import NotAVolume, OverlappingPhases, UnalignedChannels
from ...instances import Series, SeriesInstance
from ...pixels import PixelFormat, stored_values
from ...slices import Slice, slices_of
from ...stacking import APART, Stack, stack, value_of
from ...threads import in_threads
from ...volume import read_volume, readable_format, rescales_of
from ..grids import Grid

TOLD_APART = (*((keyword,) for keyword in APART), ("DiffusionBValue", "DiffusionGradientOrientation"))
Put = Callable[[int, NDArray[Any]], None]  # takes a frame's place, from 0, and its values (rows, columns)


@dataclass(frozen=True, eq=False)
class Layout:
    """Where the frames of a series go, and what their numbers mean.

    slices: in order, those of the first volume before those of the second.  volumes: how many lie on the grid,
    one unless phases, echoes or the like share each position.  dtype: of the values that `read` gives.
    slope, intercept: what makes them real-world values (PS3.3 section C.11.1.1.2); 1 and 0 where `dtype` is
    float32, because slices differ in it.
    """

    series: Series
    grid: Grid
    slices: tuple[Slice, ...]
    volumes: int
    dtype: np.dtype[Any]
    slope: float
    intercept: float

    @property
    def shape(self) -> tuple[int, ...]:
        """(slices, rows, columns), with the volumes before them where there are several."""
        return (self.volumes, *self.grid.shape) if self.volumes > 1 else self.grid.shape

    def read(self, put: Put) -> None:
        """Give each frame to `put`, from several threads: its values in `dtype`, little endian, in one piece.

        Padding keeps the value that it is stored with.  Raises as `imaging_data.read_volume`.
        """
        places: dict[SeriesInstance, list[int]] = defaultdict(list)
        for place, one in enumerate(self.slices):
            places[one.instance].append(place)

        def read_one(item: tuple[SeriesInstance, list[int]]) -> None:
            instance, its_places = item
            stored, _ = stored_values(instance.read_unhashed(), readable_format(instance))
            for place in its_places:
                put(place, self._values(stored[self.slices[place].frame - 1], place))

        in_threads(read_one, places.items())

    def array(self) -> NDArray[Any]:
        """All of it, in `shape` and `dtype`.  Raises as `read`."""
        array = np.empty((len(self.slices), *self.grid.shape[1:]), self.dtype)
        self.read(lambda place, values: np.copyto(array[place], values))
        return array.reshape(self.shape)

    def values(self) -> NDArray[Any]:
        """Real-world values in `shape`: int16 where they are all whole numbers that fit, else float32."""
        array = self.array()
        if self.slope == 1 and self.intercept.is_integer() and array.dtype.kind in "iu":
            low, high = (int(end) + int(self.intercept) for end in (array.min(), array.max()))
            if np.iinfo(np.int16).min <= low and high <= np.iinfo(np.int16).max:
                # Wraps around and back where the stored numbers do not fit; the sums do.
                return array.astype(np.int16) + np.int64(self.intercept).astype(np.int16)
        real = np.empty(array.shape, np.float32)
        images = array.reshape(-1, *array.shape[-2:])
        for stored, image in zip(images, real.reshape(images.shape), strict=True):
            image[...] = stored * np.float64(self.slope) + self.intercept
        return real

    @cached_property
    def _rescales(self) -> list[tuple[float, float]]:
        return rescales_of(self.slices)

    def _values(self, frame: NDArray[Any], place: int) -> NDArray[Any]:
        if self.dtype.kind == "f":
            slope, intercept = self._rescales[place]
            frame = np.asarray(frame, np.float64) * slope + intercept
        return np.ascontiguousarray(frame, self.dtype)


def layout_of(series: Series) -> Layout:
    """How the series is laid out; no pixel is read.

    Raises NotAVolume as `imaging_data.read_volume`; slices that share positions are several volumes where an
    attribute tells them apart (time, echo, b-value), else OverlappingPhases.
    """
    slices = slices_of(series)
    check_shared(slices)
    stacks = _stacks(slices)
    first = stacks[0]
    check_voxels((len(slices), *first.slices[0].size))
    ordered = tuple(one for stacked in stacks for one in stacked.slices)
    formats = [readable_format(instance) for instance in series.instances]
    rescales = set(rescales_of(ordered))
    dtype = _integers(formats) if len(rescales) == 1 else np.dtype("<f4")
    slope, intercept = rescales.pop() if len(rescales) == 1 else (1.0, 0.0)
    rows, columns = first.slices[0].size
    grid = Grid((len(first.slices), rows, columns), first.affine)
    return Layout(series, grid, ordered, len(stacks), dtype, slope, intercept)


def resampled(series: Series) -> tuple[NDArray[np.float32], Grid]:
    """A series that makes no regular grid (a tilted gantry, uneven spacing) brought onto one, as float32."""
    volume = read_volume(series, resample=True)
    return volume.array, Grid(volume.shape, volume.affine)


def _integers(formats: Sequence[PixelFormat]) -> np.dtype[Any]:
    """The integers that hold all stored values: int16 where they do, as most readers like it best."""
    signed = any(form.signed for form in formats)
    bits = max(form.bits_stored + (signed and not form.signed) for form in formats)
    if not signed and bits <= 8:
        return np.dtype("<u1")
    if bits <= (16 if signed else 15):
        return np.dtype("<i2")
    if not signed and bits <= 16:
        return np.dtype("<u2")
    return np.dtype("<i4") if bits <= (32 if signed else 31) else np.dtype("<u4" if not signed else "<f8")


def _stacks(slices: Sequence[Slice]) -> list[Stack]:
    try:
        return [stack(slices)]
    except OverlappingPhases:
        stacks = next((found for keywords in TOLD_APART if (found := _stacked_by(slices, keywords))), None)
        if stacks is None:
            raise
        return stacks


def _stacked_by(slices: Sequence[Slice], keywords: Sequence[str]) -> list[Stack] | None:
    """One stack for each value of `keywords`, in its rising order; None unless all are on one grid."""
    groups: dict[tuple[tuple[float, str], ...], list[Slice]] = defaultdict(list)
    for one in slices:
        groups[tuple(rising(value_of(one, keyword)) for keyword in keywords)].append(one)
    if len({len(group) for group in groups.values()}) != 1 or len(groups) < 2:
        return None
    try:
        stacks = [stack(groups[values]) for values in sorted(groups)]
        _check_aligned(stacks)
    except NotAVolume:
        return None
    return stacks


def _check_aligned(stacks: Sequence[Stack]) -> None:
    for one in stacks[1:]:
        if np.abs(one.affine - stacks[0].affine).max() > ALIGNED_MM:
            raise UnalignedChannels("The volumes lie apart.")
