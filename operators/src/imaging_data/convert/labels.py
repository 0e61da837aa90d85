# SPDX-License-Identifier: Apache-2.0
"""Labels on a grid: label maps that segments share where they do not overlap, and what each segment is."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .grids import Grid

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

    array: whole numbers of 0 or more (slices, rows, columns).  Raises ValueError for others.
    """
    if array.shape != grid.shape:
        raise ValueError(f"the label map has shape {array.shape}, its grid {grid.shape}")
    if not np.array_equal(array, np.rint(array)) or array.min(initial=0) < 0 or array.max(initial=0) > 65535:
        raise ValueError("a label map holds whole numbers from 0 to 65535")
    found = [int(number) for number in np.unique(array) if number]
    known = {segment.number: segment for segment in segments}
    named = [known.get(number) or LabelledSegment(number, f"Segment {number}") for number in found]
    layer = array.astype(np.uint8 if not found or found[-1] < 256 else np.uint16)
    return Labels(grid, (layer,), tuple(named), dict.fromkeys(found, 0))


def _is_free(layer: NDArray[Any], masks: Masks) -> bool:
    return not any(layer[index][mask].any() for index, mask in masks.items())
