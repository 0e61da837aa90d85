# SPDX-License-Identifier: Apache-2.0
"""Torso phantoms on the network's grid: (x, y, z) towards left, back and head (LPS), 4 mm."""

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context

import numpy as np
from numpy.typing import NDArray

from imaging_data.phantom import Grid, torso

SIDE = 96  # of the network's field of view, in voxels
SPACING_MM = 4.0
FIRST_TRAINING_SEED, FIRST_HELD_OUT_SEED = 1000, 5000  # so far apart that no phantom is in both
AIR_HU, LIMIT_HU = -1024, 1024
Phantom = tuple[NDArray[np.int16], NDArray[np.uint8]]  # HU and labels


def phantoms(seeds: Sequence[int], workers: int = 2) -> list[Phantom]:
    """One phantom for each seed, each another patient in another field of view."""
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        return list(pool.map(phantom, seeds, chunksize=4))


def phantom(seed: int) -> Phantom:
    """A torso as a scanner would cut it: a moved field of view of another size, two in five of them shorter."""
    draw = np.random.default_rng([seed, 4])
    spacing_mm = SPACING_MM * draw.uniform(0.9, 1.15)
    x, y, z = draw.uniform(-50, 50), draw.uniform(-40, 40), draw.uniform(-60, 45)
    half = SIDE * spacing_mm / 2
    grid = Grid.over((SIDE,) * 3, (z - half, z + half), 2 * half, (x, y))
    sampled = torso(seed).render(grid, noise_hu=float(draw.uniform(4, 25)), seed=seed, factor=1)
    hu, labels = sampled.array.astype(np.int16), sampled.labelmap
    if draw.random() < 0.4:
        for part in (slice(0, int(draw.integers(8, 40))), slice(SIDE - int(draw.integers(1, 25)), SIDE)):
            hu[part], labels[part] = AIR_HU, 0
    to_xyz = partial(np.transpose, axes=(2, 1, 0))
    return np.ascontiguousarray(to_xyz(hu)), np.ascontiguousarray(to_xyz(labels))


def augmented(
    one: Phantom, draw: np.random.Generator, side: int
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """A random cube of `side` voxels, other in brightness, sharpness and noise; HU scaled as for the network."""
    low = draw.integers(0, SIDE - side + 1, 3)
    cube = tuple(slice(int(start), int(start) + side) for start in low)
    hu = one[0][cube].astype(np.float32)
    hu = hu * np.float32(draw.uniform(0.95, 1.05)) + np.float32(draw.normal(0, 12))
    if draw.random() < 0.5:
        hu = blurred(hu)
    hu += np.float32(draw.uniform(0, 15)) * draw.standard_normal(hu.shape, dtype=np.float32)
    return scaled(hu), one[1][cube]


def blurred(hu: NDArray[np.float32]) -> NDArray[np.float32]:
    """Each voxel half of itself, a quarter of each neighbour, along every axis: what partial volume does."""
    for axis in range(3):
        around = np.take(hu, [0, *range(hu.shape[axis] - 1)], axis) + np.take(
            hu, [*range(1, hu.shape[axis]), hu.shape[axis] - 1], axis
        )
        hu = hu / 2 + around / 4
    return hu


def scaled(hu: NDArray[np.float32]) -> NDArray[np.float32]:
    """HU from -1024 to 1024 as -1 to 1: what the bundle's ScaleIntensityRanged does."""
    return np.clip(hu / LIMIT_HU, -1, 1).astype(np.float32)
