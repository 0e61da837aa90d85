# SPDX-License-Identifier: Apache-2.0
"""Stacking parallel slices into a regular grid, or saying why they are none.

Tolerances: slices nearer than SAME_POSITION_MM lie at one position.  Along the normal a slice may lie off
its place in the regular stack by SPACING_TOLERANCE of the spacing, or by ROUNDING_MM (as positions written
with one decimal do), but never by more than LARGEST_SHIFT of the spacing; across the normal by LEAN_PIXELS.
The affine is right to within these everywhere.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .errors import GantryTilt, MissingSlices, MixedGeometry, NoThickness, OverlappingPhases, UnevenSpacing
from .resampling import Resampling
from .slices import SHOWN, Slice, named
from .values import frame_values

SAME_POSITION_MM = 0.01
SPACING_TOLERANCE = 0.05
ROUNDING_MM = 0.11
LARGEST_SHIFT = 0.25
LEAN_PIXELS = 0.5
WIDEST_GAP = 1.75  # times the narrowest: a wider one may be where a slice is missing, and is never resampled
WHOLE = 0.2  # gaps of 0.8 to 1.2, 1.8 to 2.2 ... spacings count as whole numbers of slices

APART = (  # what may tell slices at one position apart
    "AcquisitionNumber",
    "TemporalPositionIdentifier",
    "TemporalPositionIndex",
    "EchoNumbers",
    "EchoTime",
    "EffectiveEchoTime",
    "TriggerTime",
    "NominalCardiacTriggerDelayTime",
    "DiffusionBValue",
    "ConvolutionKernel",
    "KVP",
    "ImageType",
    "FrameType",
    "ImageComments",
    "AcquisitionTime",
    "ContentTime",
)


@dataclass(frozen=True)
class Stack:
    """Slices in order along the normal, and the grid they make.

    affine: float64 (4, 4), LPS mm of index (slice, row, column).  spacing_mm: (slice, row, column).
    resampling: what brings the slices onto that grid; None where they lie on it.
    """

    slices: tuple[Slice, ...]
    affine: NDArray[np.float64]
    spacing_mm: tuple[float, float, float]
    resampling: Resampling | None = None


def stack(slices: Sequence[Slice], resample: bool = False) -> Stack:
    """Sort slices that `check_shared` let pass along their normal (row direction x column direction).

    Raises OverlappingPhases, GantryTilt, MixedGeometry, MissingSlices, UnevenSpacing or NoThickness; with
    `resample` GantryTilt never, and UnevenSpacing only where a slice may be missing.
    """
    right, down = _directions(slices[0])
    normal = np.cross(right, down)
    positions = np.array([one.position for one in slices])
    order = np.argsort(positions @ normal, kind="stable")
    ordered = [slices[index] for index in order]
    positions = positions[order]
    heights = (positions - positions[0]) @ normal
    rows_mm, columns_mm = map(float, ordered[0].pixel_spacing)
    _check_apart(ordered, heights)
    tilted = _leans(ordered, positions, heights, normal, min(rows_mm, columns_mm))
    if tilted and not resample:
        raise GantryTilt(tilted)
    spacing = _spacing(ordered, heights, resample)
    spacing_mm = (spacing, rows_mm, columns_mm)
    steps = np.stack([normal * spacing, down * rows_mm, right * columns_mm], axis=1)
    resampling, first = None, positions[0]
    if tilted or not _even(heights, spacing):
        places = np.linalg.solve(steps, (positions - positions[0]).T).T
        lowest = np.array([0.0, *places[:, 1:].min(axis=0)])
        first = positions[0] + steps @ lowest
        resampling = Resampling(places - lowest, (len(ordered), *ordered[0].size))
    affine = np.eye(4)
    affine[:3] = np.column_stack([steps, first])
    return Stack(tuple(ordered), affine, spacing_mm, resampling)


def _directions(first: Slice) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Directions of growing column and row index: of unit length, at a right angle to the last bit."""
    right, down = first.orientation
    right = right / np.linalg.norm(right)
    down = down - right * (right @ down)
    return right, down / np.linalg.norm(down)


def _check_apart(ordered: Sequence[Slice], heights: NDArray[np.float64]) -> None:
    places = np.split(np.arange(len(ordered)), np.flatnonzero(np.diff(heights) >= SAME_POSITION_MM) + 1)
    shared = [[ordered[index] for index in place] for place in places if len(place) > 1]
    if shared:
        raise OverlappingPhases(
            f"{len(shared)} of {len(places)} positions hold {_counts(shared)} slices each, the first of them "
            f"{named(shared[0])}. {_told_apart(shared)}"
        )


def _counts(shared: Sequence[Sequence[Slice]]) -> str:
    low, high = min(map(len, shared)), max(map(len, shared))
    return str(low) if low == high else f"{low} to {high}"


def _told_apart(shared: Sequence[Sequence[Slice]]) -> str:
    for keyword in APART:
        values = [[value_of(one, keyword) for one in place] for place in shared]
        if all(len(set(place)) == len(place) for place in values):
            kinds = sorted({value for place in values for value in place})
            more = f" and {len(kinds) - SHOWN} more" if len(kinds) > SHOWN else ""
            return f"{keyword} tells them apart: {', '.join(kinds[:SHOWN])}{more}."
    return "No common attribute tells them apart."


def value_of(one: Slice, keyword: str) -> str:
    """An attribute of one slice as text: its frame's, or its instance's; empty without."""
    found = frame_values(one.dataset, keyword)
    values = found[one.frame - 1] if len(found) > 1 else (found or [[]])[0]
    return "\\".join(map(str, values))


def _leans(
    ordered: Sequence[Slice],
    positions: NDArray[np.float64],
    heights: NDArray[np.float64],
    normal: NDArray[np.float64],
    pixel_mm: float,
) -> str:
    """How the stack leans; "" where each slice lies over the first, within LEAN_PIXELS."""
    beside = positions - positions[0] - np.outer(heights, normal)
    allowed = LEAN_PIXELS * pixel_mm
    shifts = np.linalg.norm(beside, axis=1)
    if shifts.max() <= allowed:
        return ""
    lean = beside[-1] / heights[-1]
    if np.linalg.norm(beside - np.outer(heights, lean), axis=1).max() <= max(allowed, SAME_POSITION_MM):
        angle = math.degrees(math.atan(float(np.linalg.norm(lean))))
        return f"The stack leans by {angle:.1f} degrees, {shifts[-1]:.1f} mm from first to last slice."
    moved = [one for one, shift in zip(ordered, shifts, strict=True) if shift > allowed]
    raise MixedGeometry(f"{len(moved)} slices are shifted within their plane: {named(moved)}.")


def _spacing(ordered: Sequence[Slice], heights: NDArray[np.float64], resample: bool) -> float:
    """Distance of neighbouring slices in mm; of a grid as fine as the narrowest where they are resampled."""
    if len(ordered) == 1:
        return _thickness(ordered[0])
    spacing = float(heights[-1]) / (len(ordered) - 1)
    if _even(heights, spacing):
        return spacing
    gaps = np.diff(heights)
    _check_missing(ordered, gaps)
    if not resample or gaps.max() > WIDEST_GAP * gaps.min():
        _raise_uneven(ordered, gaps)
    return float(heights[-1]) / round(float(heights[-1] / gaps.min()))


def _even(heights: NDArray[np.float64], spacing: float) -> bool:
    """Whether each slice lies at its place in a regular stack, within the tolerances."""
    allowed = min(max(SPACING_TOLERANCE * spacing, ROUNDING_MM), LARGEST_SHIFT * spacing)
    off = np.abs(heights - spacing * np.arange(len(heights)))
    return bool(off.max() <= allowed)


def _thickness(one: Slice) -> float:
    for keyword in ("SliceThickness", "SpacingBetweenSlices"):
        numbers = one.numbers(keyword, 1)
        if numbers and numbers[0] > 0:
            return numbers[0]
    raise NoThickness(f"{one.name} has neither SliceThickness nor SpacingBetweenSlices.")


def _check_missing(ordered: Sequence[Slice], gaps: NDArray[np.float64]) -> None:
    for usual in (float(np.sort(gaps)[(len(gaps) - 1) // 2]), float(gaps.min())):
        steps = np.rint(gaps / usual)
        if np.abs(gaps / usual - steps).max() <= WHOLE and steps.min() == 1 < steps.max():
            raise MissingSlices(_missing(ordered, gaps, steps, usual))


def _raise_uneven(ordered: Sequence[Slice], gaps: NDArray[np.float64]) -> None:
    low, high = int(gaps.argmin()), int(gaps.argmax())
    raise UnevenSpacing(
        f"The distance is {gaps[low]:.4g} mm between {ordered[low].name} and {ordered[low + 1].name}, "
        f"but {gaps[high]:.4g} mm between {ordered[high].name} and {ordered[high + 1].name}."
    )


def _missing(
    ordered: Sequence[Slice], gaps: NDArray[np.float64], steps: NDArray[np.float64], usual: float
) -> str:
    holes = np.flatnonzero(steps > 1)
    sentences = [
        f"{int(steps[at]) - 1} between {ordered[at].name} and {ordered[at + 1].name}, which are "
        f"{gaps[at]:.4g} mm apart instead of {usual:.4g}"
        for at in holes[:SHOWN]
    ]
    more = f"; and {len(holes) - SHOWN} more gaps" if len(holes) > SHOWN else ""
    return f"At least {int((steps[holes] - 1).sum())} missing: {'; '.join(sentences)}{more}."
