# SPDX-License-Identifier: Apache-2.0
"""What the slices of a volume must have and share before they can be stacked.

Told from the attributes alone: no pixel is read of a series that cannot be a volume.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from .errors import (
    DuplicateInstances,
    LocalizerInSeries,
    MixedGeometry,
    MixedOrientation,
    NoPosition,
    NotAVolume,
    TooFewSlices,
    TooLarge,
)
from .instances import SeriesInstance
from .slices import SHOWN, Slice, named
from .values import values_of

# Direction cosines of parallel slices differ by no more than this: a quarter of a millimetre at the edge of a
# field of 500 mm.  Row and column are unit vectors at a right angle within twice as much.
SAME_DIRECTION = 1e-3
SAME_SPACING = 1e-3  # relative difference of PixelSpacing: half a pixel over 512


LARGEST_VOXELS = 1 << 30  # 4 GiB of float32; 4096 slices of 512 x 512


def check_count(slices: Sequence[Slice], at_least: int) -> None:
    """Raise TooFewSlices for fewer than `at_least`, TooLarge for more voxels than LARGEST_VOXELS."""
    if len(slices) < at_least:
        raise TooFewSlices(f"It has {len(slices)} where at least {at_least} are needed.")
    check_voxels((len(slices), *slices[0].size))


def check_voxels(shape: tuple[int, ...]) -> None:
    """Raise TooLarge for a volume of this shape (slices, rows, columns) with more than LARGEST_VOXELS."""
    if math.prod(shape) > LARGEST_VOXELS:
        gib, most = (4 * count / 2**30 for count in (math.prod(shape), LARGEST_VOXELS))
        raise TooLarge(
            f"{' x '.join(map(str, shape))} voxels take {gib:.1f} GiB, at most {most:.0f} are read."
        )


def check_shared(slices: Sequence[Slice]) -> None:
    """Raise the named error when slices are none, copies, localizers, not placed, or on several grids."""
    if not slices:
        raise NotAVolume("The series is empty.")
    _check_unique(slices)
    _check_localizers(slices)
    _check_placed(slices)
    _check_parallel(slices)
    _check_grid(slices)


def _check_unique(slices: Sequence[Slice]) -> None:
    instances: dict[str, list[SeriesInstance]] = defaultdict(list)
    for instance in dict.fromkeys(one.instance for one in slices):
        instances[instance.sop_instance_uid].append(instance)
    for uid, several in instances.items():
        if len(several) > 1:
            content = "the same" if len({one.sha256 for one in several}) == 1 else "different"
            names = ", ".join(one.path.name for one in several)
            raise DuplicateInstances(f"SOPInstanceUID {uid} is in {names}, with {content} content.")


def _check_localizers(slices: Sequence[Slice]) -> None:
    """LOCALIZER among the values of ImageType (PS3.3 sections C.8.2.1.1.1 and C.8.16.1)."""
    localizers = [one for one in slices if "LOCALIZER" in values_of(one.dataset, "ImageType")]
    if localizers:
        raise LocalizerInSeries(f"{len(localizers)} of {len(slices)} slices: {named(localizers)}.")


def _check_placed(slices: Sequence[Slice]) -> None:
    _refuse(slices, "ImagePositionPatient is missing or unusable", lambda one: one.position)
    _refuse(slices, "ImageOrientationPatient is missing or unusable", lambda one: one.orientation)
    _refuse(slices, "PixelSpacing is missing or unusable", lambda one: one.pixel_spacing)
    skewed = "ImageOrientationPatient is not two unit vectors at a right angle"
    _refuse(slices, skewed, lambda one: np.where(_at_right_angle(one.orientation), 0.0, np.nan))


def _refuse(slices: Sequence[Slice], why: str, value: Callable[[Slice], NDArray[np.float64]]) -> None:
    without = [one for one in slices if np.isnan(value(one)).any()]
    if without:
        raise NoPosition(f"{why} in {len(without)} of {len(slices)} slices: {named(without)}.")


def _at_right_angle(orientation: NDArray[np.float64]) -> bool:
    return bool(np.abs(orientation @ orientation.T - np.eye(2)).max() <= 2 * SAME_DIRECTION)


def _check_parallel(slices: Sequence[Slice]) -> None:
    kinds: list[list[Slice]] = []
    for one in slices:
        kind = next((kind for kind in kinds if _parallel(kind[0], one)), None)
        if kind is None:
            kinds.append(kind := [])
        kind.append(one)
    if len(kinds) > 1:
        kinds.sort(key=len, reverse=True)
        found = "; ".join(f"{len(kind)} {_plane(kind[0])}: {named(kind)}" for kind in kinds[:SHOWN])
        raise MixedOrientation(f"{len(kinds)} orientations: {found}.")


def _parallel(first: Slice, second: Slice) -> bool:
    return bool(np.abs(first.orientation - second.orientation).max() <= SAME_DIRECTION)


def _plane(one: Slice) -> str:
    normal = np.abs(np.cross(one.orientation[0], one.orientation[1]))
    return ("sagittal", "coronal", "axial")[int(normal.argmax())]


def _check_grid(slices: Sequence[Slice]) -> None:
    for keyword in ("Rows", "Columns", "FrameOfReferenceUID"):
        _check_same(slices, keyword, partial(_own, keyword))
    first = slices[0].pixel_spacing
    _check_same(slices, "PixelSpacing", lambda one: _spacing_like(first, one.pixel_spacing))


def _own(keyword: str, one: Slice) -> tuple[Hashable, ...]:
    return tuple(values_of(one.dataset, keyword))


def _spacing_like(first: NDArray[np.float64], own: NDArray[np.float64]) -> tuple[float, ...]:
    """PixelSpacing, told from the first slice's only where it differs by more than SAME_SPACING."""
    spacing = first if (np.abs(own - first) <= SAME_SPACING * first).all() else own
    return tuple(spacing.tolist())


def _check_same(
    slices: Sequence[Slice], keyword: str, value: Callable[[Slice], tuple[Hashable, ...]]
) -> None:
    counts = Counter(value(one) for one in slices)
    if len(counts) > 1:
        usual = counts.most_common(1)[0][0]
        shown = "; ".join(f"{_text(found)} in {count}" for found, count in counts.most_common(SHOWN))
        others = [one for one in slices if value(one) != usual]
        raise MixedGeometry(f"{keyword} is {shown} slices. Unlike most are {named(others)}.")


def _text(values: tuple[Hashable, ...]) -> str:
    return " x ".join(map(str, values)) or "missing"
