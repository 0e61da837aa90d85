# SPDX-License-Identifier: Apache-2.0
"""The last look before a mask leaves: what was written lies in the patient where the app put it.

Each object is read back from its bytes (written.py).  A frame must lie where the source slice that it names
says it lies itself, that slice must be the volume's, and the pixels must be those that the app returned for
it.  What is off is told by segment, in millimetres of its centroid.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from imaging_data.slices import Slice, frames_of

from ..errors import WrongGeometry
from .written import Frame, Written

if TYPE_CHECKING:
    from imaging_data import Volume

POSITION_MM = 0.01  # a frame's first pixel against its source's: both are the same decimals
CORNER_PIXELS = 0.5  # its last pixel: sources of one volume may differ by as much in direction and spacing
AFFINE_STEPS = 0.5  # index steps between a source slice and its place in the volume
Wanted = Callable[[int, int], NDArray[Any]]  # slice index and segment number to pixels (rows, columns)


@dataclass(frozen=True)
class Expected:
    """What an object has to show.

    pixels: for a slice (index) and a segment (number; 0 for all or none) what its frame must hold.
    marked: how many pixels that are not 0 all frames hold together.
    names: of the segments, by number.
    """

    pixels: Wanted
    marked: int
    names: Mapping[int, str]


def check_frames(content: bytes, volume: "Volume", expected: Expected) -> None:
    """Raises WrongGeometry when the frames written as `content` are not on `volume` as `expected`."""
    written = Written(content)
    places = _places(written, volume, expected.names)
    marked = 0
    for frame, index, found in zip(written.frames, places, written.pixels(), strict=True):
        wanted = expected.pixels(index, frame.segment)
        if not np.array_equal(found, wanted):
            raise WrongGeometry(_difference(written, places, expected, _segment_in(frame, found, wanted)))
        marked += int(np.count_nonzero(found))
    if marked != expected.marked:
        raise WrongGeometry(f"The frames show {marked} marked voxels, the app returned {expected.marked}.")


def _places(written: Written, volume: "Volume", names: Mapping[int, str]) -> list[int]:
    """The slice of the volume on which each frame lies, by what the frame and the source's headers say."""
    slices = source_slices(volume)
    known = {(one.instance.sop_instance_uid, one.frame): place for place, one in enumerate(slices)}
    far = [on_slice(one, volume.source_shape[1] - 1, volume.source_shape[2] - 1) for one in slices]
    seen: set[tuple[int, int]] = set()
    checked: set[tuple[Any, ...]] = set()
    places = []
    for frame in written.frames:
        index = known.get(frame.source)
        name = f"A frame of {name_of(frame.segment, names)}"
        if index is None:
            raise WrongGeometry(f"{name} names {frame.source[0]} as its source, which is none of the volume.")
        if (index, frame.segment) in seen:
            raise WrongGeometry(f"{name} is there twice.")
        seen.add((index, frame.segment))
        if (frame.source, frame.position) not in checked:  # else another segment's frame was on that slice
            _check_on(written, frame, slices[index], far[index], name)
            checked.add((frame.source, frame.position))
        places.append(index)
    if volume.resampling is None:
        _check_affine(slices, volume)
    return places


def source_slices(volume: "Volume") -> list[Slice]:
    """The volume's source slices in order, as their own headers have them."""
    instances = dict.fromkeys(instance for instance, _ in volume.sources)
    every = [one for instance in instances for one in frames_of(instance)]
    found = {(one.instance.sop_instance_uid, one.frame): one for one in every}
    return [found[instance.sop_instance_uid, number] for instance, number in volume.sources]


def _point(position: Any, orientation: Any, spacing: Any, row: Any, column: Any) -> NDArray[np.float64]:
    right, down = np.asarray(orientation)
    along = np.multiply.outer(row, down * spacing[0]) + np.multiply.outer(column, right * spacing[1])
    points: NDArray[np.float64] = np.asarray(position) + along
    return points


def _check_on(written: Written, frame: Frame, own: Slice, far: NDArray[np.float64], name: str) -> None:
    off = float(np.linalg.norm(np.array(frame.position) - own.position))
    if not off <= POSITION_MM:
        raise WrongGeometry(f"{name} lies {off:.4g} mm from {own.name}, which it names as its source.")
    last = _point(
        frame.position, written.orientation, written.pixel_spacing, written.rows - 1, written.columns - 1
    )
    off = float(np.linalg.norm(last - far))
    if not off <= CORNER_PIXELS * float(own.pixel_spacing.min()) + POSITION_MM:
        raise WrongGeometry(
            f"{name} is turned or scaled against {own.name}, its source: its last pixel is {off:.4g} mm off."
        )


def _check_affine(slices: Sequence[Slice], volume: "Volume") -> None:
    """The volume itself has its slices where their headers say: else the app saw another patient space."""
    positions = np.array([[*one.position, 1.0] for one in slices])
    steps = positions @ np.linalg.inv(volume.affine).T
    steps[:, 0] -= np.arange(len(slices))
    if not np.abs(steps[:, :3]).max() <= AFFINE_STEPS + POSITION_MM:
        worst = int(np.abs(steps[:, :3]).max(axis=1).argmax())
        raise WrongGeometry(f"The volume's affine does not lead to {slices[worst].name}.")


def on_slice(one: Slice, rows: Any, columns: Any) -> NDArray[np.float64]:
    """Where pixels lie in the patient (pixels, 3), mm, by the slice's own header."""
    return _point(one.position, one.orientation, one.pixel_spacing, rows, columns)


def _segment_in(frame: Frame, found: NDArray[Any], wanted: NDArray[Any]) -> int:
    """The segment that differs: the frame's own, or the largest number where a labelmap differs."""
    if frame.segment or found.dtype.kind == "f" or found.shape != wanted.shape:
        return frame.segment
    different = found != wanted
    return int(max(found[different].max(), wanted[different].max()))


def _difference(written: Written, places: Sequence[int], expected: Expected, segment: int) -> str:
    """How far the centroid of the segment is off, and how its volume differs."""
    labelmap = written.dataset.get("SegmentationType") == "LABELMAP"
    sums = np.zeros((2, 4))
    for frame, index, found in zip(written.frames, places, written.pixels(), strict=True):
        wanted = expected.pixels(index, frame.segment)
        for kind, pixels in enumerate((found, wanted)):
            mask = pixels == segment if labelmap else pixels
            if frame.segment in (0, segment):
                sums[kind] += _moments(written, frame, mask)
    name = f"{name_of(segment, expected.names)}"
    if not sums[:, 0].all():
        return f"{name} has {sums[0, 0]:.6g} voxels and should have {sums[1, 0]:.6g}."
    centroids = sums[:, 1:] / sums[:, :1]
    off = float(np.linalg.norm(centroids[0] - centroids[1]))
    return (
        f"{name} is off by {off:.4g} mm at its centroid and has {sums[0, 0]:.6g} voxels "
        f"where the app returned {sums[1, 0]:.6g}: it is moved, mirrored or turned."
    )


def _moments(written: Written, frame: Frame, mask: NDArray[Any]) -> NDArray[np.float64]:
    """Sum of the weights, and of the patient coordinates by weight."""
    weights = np.nan_to_num(mask.astype(np.float64))
    rows, columns = np.nonzero(weights)
    here = weights[rows, columns]
    points = _point(frame.position, written.orientation, written.pixel_spacing, rows, columns)
    return np.array([here.sum(), *(here @ points if len(here) else np.zeros(3))])


def name_of(segment: int, names: Mapping[int, str]) -> str:
    """How a sentence speaks of a segment; 0 is a map without segments."""
    return f"segment {segment} ({names.get(segment, 'which is none')})" if segment else "the map"
