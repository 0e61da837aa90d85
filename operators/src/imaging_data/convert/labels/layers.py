# SPDX-License-Identifier: Apache-2.0
"""Labels on a grid: label maps that segments share where they do not overlap, and what each segment is."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import AnotherGrid, NotLabels
from ..grids import Grid

Masks = Mapping[int, NDArray[np.bool_]]  # of one segment: (rows, columns) of each slice that shows it


@dataclass(frozen=True)
class Code:
    """A coded concept (PS3.3 section 8): value, designator of its scheme, meaning."""

    value: str
    scheme: str
    meaning: str


TISSUE = Code("85756007", "SCT", "Tissue")


@dataclass(frozen=True)
class LabelledSegment:
    """What one segment or region is (PS3.3 sections C.8.20.4 and C.8.8.5).

    number: the segment's or region's own.  label: as a viewer shows it.  kind: its property type, and category
    the property category; None where nothing says them.  modifier: of the type, such as its side.
    algorithm: MANUAL, SEMIAUTOMATIC or AUTOMATIC.
    """

    number: int
    label: str
    kind: Code | None = None
    category: Code | None = None
    modifier: Code | None = None
    algorithm: str = ""


@dataclass(frozen=True, eq=False)
class Labels:
    """Segments as voxels.

    layers: label maps (slices, rows, columns), uint8 or uint16, 0 for background, else the segment's number;
    more than one where segments overlap.  Of a FRACTIONAL segmentation float32 from 0 to 1, a layer a segment.
    segments: all of them, those without any voxel, too.  layer_of: the place in `layers` by segment number.
    """

    grid: Grid
    layers: tuple[NDArray[Any], ...]
    segments: tuple[LabelledSegment, ...]
    layer_of: Mapping[int, int]

    @property
    def fractional(self) -> bool:
        """Whether the layers hold fractions rather than numbers of segments."""
        return any(layer.dtype.kind == "f" for layer in self.layers)

    def mask(self, number: int) -> NDArray[np.bool_]:
        """Where segment `number` is (slices, rows, columns); of fractions, where it is more than half there.

        Raises KeyError for a number that no segment has.
        """
        layer = self.layers[self.layer_of[number]]
        return layer > 0.5 if layer.dtype.kind == "f" else layer == number

    def shown(self) -> tuple[LabelledSegment, ...]:
        """The segments that have voxels."""
        if self.fractional:
            return tuple(one for one in self.segments if self.layers[self.layer_of[one.number]].any())
        numbers = [numbers_in(layer) for layer in self.layers]
        return tuple(one for one in self.segments if one.number in numbers[self.layer_of[one.number]])

    def each(self) -> Iterator[tuple[LabelledSegment, NDArray[Any]]]:
        """Each segment alone, as 0 and 1 in uint8, or as fractions."""
        for segment in self.segments:
            layer = self.layers[self.layer_of[segment.number]]
            alone = layer if layer.dtype.kind == "f" else (layer == segment.number).astype(np.uint8)
            yield segment, alone


def layered(
    grid: Grid, segments: Iterable[LabelledSegment], masks_of: Callable[[LabelledSegment], Masks]
) -> Labels:
    """Labels of segments that may overlap: each goes into the first layer in which it overlaps nothing.

    masks_of: asked for one segment at a time, so that only one is in memory.
    """
    segments = tuple(segments)
    greatest = max((segment.number for segment in segments), default=1)
    dtype = np.uint8 if greatest < 256 else np.uint16
    layers = [np.zeros(grid.shape, dtype)]
    layer_of: dict[int, int] = {}
    for segment in segments:
        masks = masks_of(segment)
        place = next((at for at, layer in enumerate(layers) if _is_free(layer, masks)), len(layers))
        if place == len(layers):
            layers.append(np.zeros(grid.shape, dtype))
        for index, mask in masks.items():
            layers[place][index][mask] = segment.number
        layer_of[segment.number] = place
    return Labels(grid, tuple(layers), segments, layer_of)


def labels_of(array: NDArray[Any], grid: Grid, segments: Iterable[LabelledSegment] = ()) -> Labels:
    """The Labels of one label map on `grid`: 0 for background; a number that `segments` lacks is 'Segment N'.

    array: (slices, rows, columns).  Raises NotLabels unless it holds whole numbers from 0 to 65535, AnotherGrid
    when it does not have the grid's shape.
    """
    if array.shape != grid.shape:
        raise AnotherGrid(f"The label map has shape {array.shape}, the grid {grid.shape}.")
    if array.dtype.kind not in "fiub":
        raise NotLabels(f"They are of {array.dtype}.")
    with np.errstate(invalid="ignore"):
        layer = array.astype(np.uint16)
    if not np.array_equal(layer, array):
        raise NotLabels()
    found = sorted(numbers_in(layer))
    known = {segment.number: segment for segment in segments}
    named = [known.get(number) or LabelledSegment(number, f"Segment {number}") for number in found]
    if not found or found[-1] < 256:
        layer = layer.astype(np.uint8)
    return Labels(grid, (layer,), tuple(named), dict.fromkeys(found, 0))


def numbers_in(layer: NDArray[Any]) -> set[int]:
    """The numbers from 1 that a label map shows."""
    shown = np.zeros(1 << 16, np.bool_)
    for one in layer:
        shown[: int(one.max(initial=0)) + 1] |= np.bincount(one.reshape(-1), minlength=1) > 0
    return set(np.flatnonzero(shown).tolist()) - {0}


def _is_free(layer: NDArray[Any], masks: Masks) -> bool:
    return not any(layer[index][mask].any() for index, mask in masks.items())
