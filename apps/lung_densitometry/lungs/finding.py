# SPDX-License-Identifier: Apache-2.0
"""Lungs on CT by threshold: body, airways, left and right, and the vessels within.

What must be decided is decided on a grid of about 3 mm; the edge of the lungs is that of the full grid.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from .airways import find_airways
from .body import TISSUE_HU, Body, find_body
from .levels import Level, Triple, block_any, box_of
from .morphology import Bools, close_planes, dilate, grow_labels
from .orientation import Orientation
from .regions import lung_regions
from .sides import LEFT, PLEURA_HU, RIGHT, ridges, split_contacts

OUTSIDE = 4
AIRWAY_MM, COARSE_MM = 1.5, 2.8
VESSEL_RADIUS_MM = 7.0  # holes of vessels up to twice this wide are closed
PLEURA_MM = 40.0  # how far from the midline the lungs may touch
CUT_MM2 = 100.0  # more lung than this on a face of the volume: the scan cuts it off
FACES = {
    "below": (0, 0),
    "above": (0, -1),
    "in front": (1, 0),
    "behind": (1, -1),
    "on the right": (2, 0),
    "on the left": (2, -1),
}


@dataclass(frozen=True)
class Lungs:
    """`labelmap`: uint8 (slices, rows, columns), RIGHT or LEFT or 0; `cut`: where the scan cuts them off."""

    labelmap: NDArray[np.uint8]
    cut: tuple[str, ...] = ()

    @property
    def found(self) -> bool:
        """Whether there is any lung."""
        return bool(self.labelmap.any())


def find_lungs(hu: NDArray[np.float32], affine: NDArray[np.float64], padding: Bools | None = None) -> Lungs:
    """The lungs in `hu` (slices, rows, columns); `affine` maps (slice, row, column) to LPS mm.

    `padding`: voxels without image.  Vessels and nodules within the lungs belong to them, trachea and main
    bronchi do not.  Any order and direction of slices, rows and columns will do.
    """
    if not hu.size:
        return Lungs(np.zeros(hu.shape, np.uint8))
    orientation = Orientation.of(affine)
    gaps = None if padding is None else orientation.turn(padding)
    grids = _Grids.of(Level(orientation.turn(hu), gaps, orientation.spacing_mm))
    regions = _regions(grids)
    labels = _labels(grids, regions)
    cut = _cut(labels, orientation.spacing_mm)
    at_side = bool((grids.body.cut & _is_lung(regions)).any())
    return Lungs(orientation.turn_back(labels), (*cut, "at the side") if at_side else cut)


@dataclass(frozen=True)
class _Grids:
    """The volume, on the grid for airways and on the coarse one, with what both show."""

    full: Level
    middle: Level
    coarse: Level
    body: Body
    airways: Bools  # on the middle grid

    @classmethod
    def of(cls, full: Level) -> "_Grids":
        middle = full.coarser(AIRWAY_MM)
        coarse = middle.coarser(COARSE_MM)
        body = find_body(coarse)
        hollow = np.zeros(middle.hu.shape, bool)
        enlarged = coarse.enlarge(body.hollow)
        hollow[tuple(slice(0, count) for count in enlarged.shape)] = enlarged
        airways = find_airways(middle, hollow, (body.middle + 0.5) * coarse.spacing_mm[2])
        return cls(full, middle, coarse, body, airways)


def _regions(grids: _Grids) -> NDArray[np.uint8]:
    airways = block_any(grids.airways, grids.coarse.factors)
    return lung_regions(grids.coarse, grids.body, airways, _pleura(grids))


def _pleura(grids: _Grids) -> Bools:
    """Ridges near the midline that may be pleura between the lungs, on the coarse grid."""
    middle, coarse, column = grids.middle, grids.coarse, round(grids.body.middle)
    found = np.zeros(coarse.hu.shape, bool)
    reach = round(PLEURA_MM / coarse.spacing_mm[2])
    near = slice(max(0, column - reach), min(coarse.hu.shape[-1], column + reach))
    fine = slice(near.start * coarse.factors[2], near.stop * coarse.factors[2])
    high = ridges(middle.hu[..., fine], middle.spacing_mm[2]) > PLEURA_HU
    found[..., near] = block_any(high, coarse.factors)
    return found


def _is_lung(labels: NDArray[np.uint8]) -> Bools:
    return np.asarray((labels == RIGHT) | (labels == LEFT))


def _labels(grids: _Grids, regions: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """RIGHT and LEFT on the full grid."""
    full, middle, coarse, body = grids.full, grids.middle, grids.coarse, grids.body
    labels = np.zeros(full.hu.shape, np.uint8)
    box = box_of(_is_lung(regions), margin=2)
    if box is None:
        return labels
    near = np.where(body.hollow | body.tissue, regions, OUTSIDE)[box].astype(np.uint8)
    near = grow_labels(near, np.ones(near.shape, bool), 1)  # lung at the edge may lie in blocks that are not
    within = middle.finer_box(coarse.finer_box(box))
    walls = middle.enlarge(grids.airways[coarse.finer_box(box)])
    labels[within] = _fill(full.part(within), middle.enlarge(coarse.enlarge(near)), walls)
    return labels


def _fill(full: Level, regions: NDArray[np.uint8], walls: Bools) -> NDArray[np.uint8]:
    """The lungs on the full grid: threshold, the line between them, then vessels and nodules filled in."""
    barred = walls | (regions == OUTSIDE)
    lung = (full.hu < TISSUE_HU) & ~barred & _is_lung(regions)
    labels = np.where(lung, regions, 0).astype(np.uint8)
    split_contacts(full.hu, labels, full.spacing_mm)
    free = (labels == 0) & ~barred
    filled = {side: _closed(labels == side, full.spacing_mm) & free for side in (RIGHT, LEFT)}
    for side, other in ((RIGHT, LEFT), (LEFT, RIGHT)):
        labels[filled[side] & ~filled[other]] = side
    return labels


def _closed(lung: Bools, spacing_mm: Triple) -> Bools:
    """One lung with its vessels: notches and holes closed plane by plane, then what is enclosed all round."""
    closed = np.zeros(lung.shape, bool)
    box = box_of(lung, margin=0)
    if box is not None:
        radius = VESSEL_RADIUS_MM / spacing_mm[1], VESSEL_RADIUS_MM / spacing_mm[2]
        closed[box] = close_planes(lung[box], radius)
        closed |= _enclosed(closed, spacing_mm)
    return closed


def _enclosed(lung: Bools, spacing_mm: Triple) -> Bools:
    """What the lung encloses all round, like a large nodule; found in blocks of about COARSE_MM."""
    z, y, x = (max(1, round(COARSE_MM / step)) for step in spacing_mm)
    blocks = Level(np.empty(0, np.float32), None, spacing_mm, (z, y, x))
    solid = block_any(lung, blocks.factors)
    holes = blocks.enlarge(dilate(ndimage.binary_fill_holes(solid) & ~solid))
    enclosed = np.zeros(lung.shape, bool)
    enclosed[tuple(slice(0, count) for count in holes.shape)] = holes
    return enclosed


def _cut(labels: NDArray[np.uint8], spacing_mm: Triple) -> tuple[str, ...]:
    """The faces of the volume on which more than CUT_MM2 of lung lies."""
    voxel_mm3 = float(np.prod(spacing_mm))
    lung = _is_lung(labels)
    areas_mm2 = {
        where: lung.take(index, axis).sum() * voxel_mm3 / spacing_mm[axis]
        for where, (axis, index) in FACES.items()
    }
    return tuple(where for where, area_mm2 in areas_mm2.items() if area_mm2 > CUT_MM2)
