# SPDX-License-Identifier: Apache-2.0
"""DICOM Segmentations as label maps: BINARY, LABELMAP and FRACTIONAL (PS3.3 sections A.51, A.101, C.8.20)."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from ...checks import check_voxels
from ...errors import NotAVolume, UnevenSpacing, UnreadableInstance, UnsupportedPixels, naming
from ...instances import SeriesInstance, read_instance
from ...parts import Parts
from ...pixels import NATIVE, PixelFormat, stored_values
from ...slices import Slice, frames_of
from ...stacking import SAME_POSITION_MM
from ...values import items_of, numbers_of, text_of
from ..grids import Grid
from .codes import code_in
from .layers import LabelledSegment, Labels, Masks, layered, numbers_in

SEGMENTATIONS = ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7")
KINDS = ("BINARY", "LABELMAP", "FRACTIONAL")
ON_PLANE = 0.1  # of the spacing: how far a frame may lie off the plane of its slice


def read_segmentation(source: SeriesInstance | Path, reference: Grid | None = None) -> Labels:
    """The segments of an instance or a file, on the grid that `reference` is or on the smallest that holds them.

    reference: the grid of the series that they were drawn on; used where every frame lies on one of its slices.
    Raises UnreadableInstance, UnsupportedPixels and NotAVolume with what is wrong with the object.
    """
    instance = read_instance(source) if isinstance(source, Path) else source
    with naming(instance.path.name):
        kind = text_of(instance.dataset, "SegmentationType")
        if text_of(instance.dataset, "SOPClassUID") not in SEGMENTATIONS or kind not in KINDS:
            raise UnsupportedPixels(
                f"It is no segmentation that is read here (SegmentationType {kind or 'missing'}).",
                hint="Give a BINARY, LABELMAP or FRACTIONAL Segmentation.",
            )
        frames = frames_of(instance)
        grid, places = _placed(frames, reference)
        pixels = _Pixels.of(instance.read_unhashed(), kind, len(frames))
        segments = tuple(_segments(instance.dataset))
        if kind == "LABELMAP":
            return _labelmap(grid, segments, pixels, places)
        return _each(instance, kind, segments, _Frames(grid, places, pixels, frames))


@dataclass(frozen=True, eq=False)
class _Pixels:
    """The frames' pixels, of which those with one bit are unpacked when they are asked for."""

    shape: tuple[int, int, int]
    packed: memoryview | None
    stored: NDArray[Any] | None

    @classmethod
    def of(cls, parts: Parts, kind: str, frames: int) -> "_Pixels":
        header = parts.dataset
        rows, columns = (int((numbers_of(header, name, 1) or (0,))[0]) for name in ("Rows", "Columns"))
        check_voxels((frames, rows, columns))
        if kind != "BINARY":
            form = PixelFormat.of(_grey(header))
            return cls((frames, rows, columns), None, stored_values(parts, form)[0])
        if parts.transfer_syntax not in NATIVE:
            raise UnsupportedPixels("Its single bits are compressed.")
        needed = -(-frames * rows * columns // 8)
        if len(parts.pixel_bytes) < needed:
            raise UnreadableInstance(
                f"Its pixel data have {len(parts.pixel_bytes)} bytes where {needed} are needed."
            )
        return cls((frames, rows, columns), parts.pixel_bytes, None)

    def frame(self, index: int) -> NDArray[Any]:
        """One frame (rows, columns); of single bits as booleans (PS3.5 section 8.1.1)."""
        if self.stored is not None:
            return np.asarray(self.stored[index])
        assert self.packed is not None
        size = self.shape[1] * self.shape[2]
        first, last = index * size, (index + 1) * size
        bits = np.unpackbits(
            np.frombuffer(self.packed[first // 8 : -(-last // 8)], np.uint8), bitorder="little"
        )
        return bits[first % 8 :][:size].reshape(self.shape[1:]).astype(np.bool_)


@dataclass(frozen=True, eq=False)
class _Frames:
    grid: Grid
    places: list[int]
    pixels: _Pixels
    slices: list[Slice]


def _grey(header: Dataset) -> Dataset:
    """A label map may be shown in colours of a palette; its numbers are what counts."""
    plain = Dataset()
    plain.update({element.tag: element for element in header if element.tag.group == 0x0028})
    plain.pop("PhotometricInterpretation", None)
    plain.PhotometricInterpretation = "MONOCHROME2"
    return plain


def _labelmap(
    grid: Grid, segments: tuple[LabelledSegment, ...], pixels: _Pixels, places: list[int]
) -> Labels:
    numbers = {segment.number for segment in segments}
    layer = np.zeros(grid.shape, np.uint8 if max(numbers, default=0) < 256 else np.uint16)
    for frame, place in enumerate(places):
        values = pixels.frame(frame)
        unknown = numbers_in(values[np.newaxis]) - numbers
        if unknown:
            raise UnreadableInstance(f"Its pixels hold {min(unknown)}, which no segment of it has.")
        layer[place] = values
    return Labels(grid, (layer,), segments, dict.fromkeys(numbers, 0))


def _each(
    instance: SeriesInstance, kind: str, segments: tuple[LabelledSegment, ...], frames: _Frames
) -> Labels:
    """Of frames that show one segment each."""
    shown: dict[int, list[int]] = defaultdict(list)
    for index, one in enumerate(frames.slices):
        shown[_segment_of(one)].append(index)
    strange = set(shown) - {segment.number for segment in segments}
    if strange:
        raise UnreadableInstance(f"A frame is of segment {min(strange)}, which it does not describe.")
    if kind == "BINARY":

        def masks_of(segment: LabelledSegment) -> Masks:
            masks: dict[int, NDArray[np.bool_]] = {}
            for index in shown[segment.number]:
                place = frames.places[index]
                masks[place] = masks.get(place, False) | frames.pixels.frame(index)
            return masks

        return layered(frames.grid, segments, masks_of)
    greatest = numbers_of(instance.dataset, "MaximumFractionalValue", 1)
    if not greatest or greatest[0] <= 0:
        raise UnreadableInstance("It is FRACTIONAL and has no MaximumFractionalValue.")
    check_voxels((len(segments) * frames.grid.shape[0], *frames.grid.shape[1:]))
    layers = [_fractions(frames, shown[segment.number], greatest[0]) for segment in segments]
    return Labels(
        frames.grid, tuple(layers), segments, {one.number: place for place, one in enumerate(segments)}
    )


def _fractions(frames: _Frames, shown: Iterable[int], greatest: float) -> NDArray[np.float32]:
    layer = np.zeros(frames.grid.shape, np.float32)
    for index in shown:
        layer[frames.places[index]] = frames.pixels.frame(index) / np.float32(greatest)
    return layer


def _segment_of(one: Slice) -> int:
    items = [item for groups in one.groups for item in items_of(groups, "SegmentIdentificationSequence")]
    number = numbers_of(items[0], "ReferencedSegmentNumber", 1) if items else None
    if number is None:
        raise UnreadableInstance(f"{one.name} does not say of which segment it is.")
    return int(number[0])


def _segments(header: Dataset) -> Iterable[LabelledSegment]:
    """Those described (PS3.3 section C.8.20.4), without the background of a LABELMAP."""
    seen = set()
    for item in items_of(header, "SegmentSequence"):
        number = numbers_of(item, "SegmentNumber", 1)
        if number is None or number[0] < 0 or number in seen:
            raise UnreadableInstance("A segment has no SegmentNumber of its own.")
        seen.add(number)
        if number[0] > 0:
            types = items_of(item, "SegmentedPropertyTypeCodeSequence")[:1]
            yield LabelledSegment(
                number=int(number[0]),
                label=text_of(item, "SegmentLabel"),
                kind=code_in(item, "SegmentedPropertyTypeCodeSequence"),
                category=code_in(item, "SegmentedPropertyCategoryCodeSequence"),
                modifier=code_in(types[0], "SegmentedPropertyTypeModifierCodeSequence") if types else None,
                algorithm=text_of(item, "SegmentAlgorithmType"),
            )


def _placed(frames: list[Slice], reference: Grid | None) -> tuple[Grid, list[int]]:
    """The grid and, for each frame, its slice there."""
    first = frames[0]
    if any(np.isnan([*one.position, *one.orientation.ravel(), *one.pixel_spacing]).any() for one in frames):
        raise NotAVolume(
            "A frame does not say where it lies in the patient.", hint="Slides and projections are not read."
        )
    if any(not np.allclose(one.orientation, first.orientation, atol=1e-4) for one in frames):
        raise NotAVolume("Its frames are not parallel.")
    if reference is not None:
        places = _on_reference(frames, reference)
        if places is not None:
            return reference, places
    return _own(frames)


def _on_reference(frames: list[Slice], reference: Grid) -> list[int] | None:
    """The slices of the series' grid; None where a frame lies on none of them, or has another raster."""
    first = frames[0]
    if first.size != reference.shape[1:]:
        return None
    right, down = first.orientation
    steps = np.column_stack([down * first.pixel_spacing[0], right * first.pixel_spacing[1]])
    extent = np.array(first.size) - 1
    if np.abs((steps - reference.affine[:3, 1:3]) * extent).max() > ON_PLANE * min(first.pixel_spacing):
        return None
    inverse = np.linalg.inv(reference.affine)
    indices = np.array([inverse @ [*one.position, 1.0] for one in frames])[:, :3]
    places = np.rint(indices[:, 0])
    on_plane = np.abs(indices - np.column_stack([places, 0 * places, 0 * places])).max() <= ON_PLANE
    inside = (places >= 0).all() and (places < reference.shape[0]).all()
    return [int(place) for place in places] if on_plane and inside else None


def _own(frames: list[Slice]) -> tuple[Grid, list[int]]:
    """The smallest grid that holds all frames; slices that show nothing are between them, not around."""
    first = frames[0]
    right, down = first.orientation
    normal = np.cross(right, down)
    heights = np.array([one.position @ normal for one in frames])
    lowest = frames[int(heights.argmin())]
    heights -= heights.min()
    spacing = _spacing(first, heights)
    places = np.rint(heights / spacing)
    if np.abs(heights / spacing - places).max() > ON_PLANE:
        raise UnevenSpacing("Its frames do not lie on evenly spaced slices.")
    shape = int(places.max()) + 1, *first.size
    check_voxels(shape)
    affine = np.eye(4)
    rows_mm, columns_mm = first.pixel_spacing
    affine[:3] = np.column_stack([normal * spacing, down * rows_mm, right * columns_mm, lowest.position])
    return Grid(shape, affine), [int(place) for place in places]


def _spacing(first: Slice, heights: NDArray[np.float64]) -> float:
    """SpacingBetweenSlices, where the frames lie on its multiples; else the narrowest gap, or the thickness."""
    gaps = np.diff(np.unique(heights))
    gaps = gaps[gaps > SAME_POSITION_MM]
    for keyword in ("SpacingBetweenSlices", "SliceThickness"):
        declared = first.numbers(keyword, 1)
        if declared and declared[0] > SAME_POSITION_MM:
            steps = heights / declared[0]
            if np.abs(steps - np.rint(steps)).max() <= ON_PLANE:
                return declared[0]
    return float(gaps.min()) if gaps.size else 1.0
