# SPDX-License-Identifier: Apache-2.0
"""A phantom: materials, solids painted one over the other, and the true numbers that follow from them.

The image and the truth come from one pass over a grid `factor` times finer than the image along each axis,
one plane at a time: a voxel's HU is the mean of the materials in it (partial volume), the truth counts the
materials.  Nothing of the truth is read from HU.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from .grid import Grid
from .shapes import Bounds, Floats, Shape
from .truth import LungTruth, Material, lung_truths

Progress = Callable[[float], None]  # told the finished part, 0 to 1


@dataclass(frozen=True)
class Paint:
    """`shape` gets label `label`, where the label so far is one of `over` (None: everywhere).

    `layers`: rising y in mm at which the label counts on by one; a density that changes from front to back.
    """

    shape: Shape
    label: int
    over: frozenset[int] | None = None
    layers: tuple[float, ...] = ()


@dataclass
class Scene:
    """Materials and paints in the order in which they are laid on; label 0 is the air round the patient."""

    name: str
    materials: list[Material] = field(default_factory=lambda: [Material("air", -1000)])
    paints: list[Paint] = field(default_factory=list)
    organs: tuple[str, ...] = ()  # what the labelmap of `render` tells apart; the first has number 1

    def material(self, name: str, hu: float, lung: str = "", organ: str = "") -> int:
        """Add a material and return its label; what `lung` and `organ` are, see Material.

        Raises ValueError for an organ that is not one of `organs`.
        """
        if organ and organ not in self.organs:
            raise ValueError(f"{organ!r} is not one of the organs {', '.join(self.organs)}")
        self.materials.append(Material(name, hu, lung, organ))
        return len(self.materials) - 1

    def paint(
        self, shape: Shape, label: int, over: frozenset[int] | None = None, layers: tuple[float, ...] = ()
    ) -> None:
        """Lay `label` on where `shape` is; see Paint."""
        self.paints.append(Paint(shape, label, over, layers))

    def labels_of(self, lung: str) -> frozenset[int]:
        """The labels whose volume belongs to that lung."""
        return frozenset(k for k, material in enumerate(self.materials) if material.lung == lung)

    def render(
        self,
        grid: Grid,
        noise_hu: float = 20.0,
        seed: int = 0,
        factor: int = 3,
        progress: Progress | None = None,
    ) -> "Rendered":
        """Sample the phantom on `grid` with `factor`^3 points a voxel and Gaussian noise of `noise_hu`.

        Returns the image with its truth.  Memory: the image, and one plane of the finer grid.
        """
        fine = grid.finer(factor)
        hu = np.array([material.hu for material in self.materials], np.int16)
        numbers = self._organ_numbers()
        counts = np.zeros(len(self.materials), np.int64)
        image, labelmap = np.zeros(grid.shape, np.float32), np.zeros(grid.shape, np.uint8)
        middle = factor // 2  # the sample at the centre of a voxel
        for k, labels in enumerate(self.planes(fine)):
            image[k // factor] += _block_sums(hu.take(labels), factor)
            if k % factor == middle:
                labelmap[k // factor] = numbers.take(labels[middle::factor, middle::factor])
            counts += np.bincount(labels.ravel(), minlength=len(counts))
            if progress and k % factor == 0:
                progress(k / fine.shape[0])
        image /= factor**3
        volumes = np.asarray(counts * fine.voxel_ml, np.float64)
        _add_noise(image, noise_hu, seed)
        if progress:
            progress(1.0)
        truth = lung_truths(self.materials, volumes, noise_hu)
        return Rendered(self.name, image, grid, truth, labelmap, self.organ_numbers)

    @property
    def organ_numbers(self) -> dict[str, int]:
        """The number that stands for each of `organs` in the labelmap, from 1."""
        return {organ: number for number, organ in enumerate(self.organs, start=1)}

    def _organ_numbers(self) -> NDArray[np.uint8]:
        """For the label of each material the number of its organ, 0 where it is part of none."""
        return np.array([self.organ_numbers.get(each.organ, 0) for each in self.materials], np.uint8)

    def planes(self, grid: Grid) -> Iterator[NDArray[np.uint8]]:
        """The labels, one axial plane (rows, columns) of `grid` after the other; the array is used again."""
        _, y, x = grid.coordinates
        placed = [(paint, paint.shape.bounds) for paint in self.paints]
        boxes = [(paint, bounds[2], _crop(bounds, x, y)) for paint, bounds in placed]
        labels = np.empty(grid.shape[1:], np.uint8)
        for z in grid.coordinates[0]:
            labels.fill(0)
            for paint, (low, high), crop in boxes:
                if low <= z <= high:
                    _lay(paint, labels[crop], x[crop[1]][None, :], y[crop[0]][:, None], float(z))
            yield labels


@dataclass(frozen=True)
class Rendered:
    """A sampled phantom: `array` (slices, rows, columns) in HU, where it lies, and the truth.

    truth: by lung, "left", "right" and "total"; empty when there is no lung in the grid.
    labelmap: uint8 (slices, rows, columns), the number of the organ at the centre of each voxel, 0 for none.
    organs: the number of each organ by its name; empty for a phantom whose organs are not told apart.
    """

    name: str
    array: NDArray[np.float32]
    grid: Grid
    truth: dict[str, LungTruth]
    labelmap: NDArray[np.uint8]
    organs: dict[str, int]


def _crop(bounds: Bounds, x: Floats, y: Floats) -> tuple[slice, slice]:
    (x0, x1), (y0, y1), _ = bounds
    rows, columns = np.searchsorted(y, (y0, y1)), np.searchsorted(x, (x0, x1))
    return slice(int(rows[0]), int(rows[1])), slice(int(columns[0]), int(columns[1]))


def _lay(paint: Paint, labels: NDArray[np.uint8], x: Floats, y: Floats, z: float) -> None:
    if not labels.size:
        return
    where = paint.shape.inside(x, y, z)
    if paint.over is not None:
        allowed = np.zeros(256, bool)
        allowed[list(paint.over)] = True
        where = where & allowed.take(labels)
    layer = np.searchsorted(paint.layers, y) if paint.layers else 0
    np.copyto(labels, (paint.label + np.asarray(layer)).astype(np.uint8), where=where)


def _block_sums(plane: NDArray[np.int16], factor: int) -> NDArray[np.int32]:
    rows = plane[0::factor].astype(np.int32)
    for k in range(1, factor):
        rows += plane[k::factor]
    sums = rows[:, 0::factor].copy()
    for k in range(1, factor):
        sums += rows[:, k::factor]
    return sums


def _add_noise(image: NDArray[np.float32], sigma: float, seed: int) -> None:
    generator = np.random.default_rng([seed, 20])
    for plane in image:
        plane += sigma * generator.standard_normal(plane.shape, dtype=np.float32)
    np.clip(np.rint(image, out=image), -1024, 3071, out=image)
