# SPDX-License-Identifier: Apache-2.0
"""Three small networks in TotalSegmentator's layout, trained on torso phantoms.

`total` at 3 mm, `body` at 6 mm, and `total_mr` at 3 mm, which begins with what `total` has learnt.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from imaging_data.phantom import Rendered, torso, torso_grid

from .mr_phantom import mr_torso
from .nnunet_folder import HIGH_HU, LOW_HU, MEAN_HU, STD_HU, Task, network, write, write_lock
from .training import Example, train

PHANTOM = "operators/src/imaging_data/phantom"
SOURCES = (
    "scripts/testmodels/mr_phantom.py",
    "scripts/testmodels/nnunet_folder.py",
    "scripts/testmodels/training.py",
    *(f"{PHANTOM}/{name}.py" for name in ("grid", "scene", "shapes", "torso", "vessels")),
)
SEEDS = range(1000, 1024)  # the tests look at seeds below these
TOTAL = Task(297, "total", "nnUNetTrainer_4000epochs_NoMirroring", 3.0, (112, 112, 128))
MR = Task(852, "total_mr", "nnUNetTrainer_2000epochs_NoMirroring", 3.0, (80, 112, 128), "MR", "ZScore")
MR_SEEDS = SEEDS[:10]
BODY = Task(300, "body", "nnUNetTrainer", 6.0, (64, 64, 64))
# The phantom has no lobes, and vertebrae without names: each is trained as one class of TotalSegmentator.
CLASS_OF = {
    "lung_left": "lung_lower_lobe_left",
    "lung_right": "lung_lower_lobe_right",
    "vertebrae": "vertebrae_L1",
}


def make(models: Path) -> None:
    """Train the networks and write them, with the lock of their hashes, into `models`."""
    torch.manual_seed(0)
    torch.set_num_threads(2)
    phantoms = [torso(seed).render(torso_grid(), seed=seed, factor=1) for seed in SEEDS]
    names = sorted(phantoms[0].organs, key=lambda name: phantoms[0].organs[name])
    total = network(len(names) + 1)
    train(total, list(_organs(phantoms, names)), TOTAL.patch, steps=280)
    labels = [0, *(TOTAL.classes[CLASS_OF.get(name, name)] for name in names)]
    body = network(2)
    train(body, list(_bodies(phantoms)), (48, 64, 64), steps=60)
    write(models, TOTAL, total, labels)
    train(total, list(_organs_of_mr(names)), MR.patch, steps=90)
    mr_classes = [0, *(MR.classes[name] for name in names)]
    write(models, MR, total, mr_classes)
    write(models, BODY, body, [0, BODY.classes["body_trunc"]])
    write_lock(models)


def _organs(phantoms: list[Rendered], names: list[str]) -> Iterator[Example]:
    for phantom in phantoms:
        yield Example(_normalised(_turned(phantom.array)), _labels(phantom, names))


def _organs_of_mr(names: list[str]) -> Iterator[Example]:
    for seed in MR_SEEDS:
        phantom = mr_torso(seed)
        signal = _turned(phantom.array)
        yield Example((signal - signal.mean()) / signal.std(), _labels(phantom, names))


def _labels(phantom: Rendered, names: list[str]) -> NDArray[np.uint8]:
    table = np.zeros(256, np.uint8)
    table[[phantom.organs[name] for name in names]] = range(1, len(names) + 1)
    return _turned(table[phantom.labelmap])


def _bodies(phantoms: list[Rendered]) -> Iterator[Example]:
    """At half the resolution: the largest piece of what is not air, with what it encloses in each slice."""
    for phantom in phantoms:
        hu = ndimage.zoom(phantom.array, 0.5, order=1)
        pieces, _ = ndimage.label(ndimage.binary_opening(hu > -300, iterations=2))
        body = pieces == np.bincount(pieces.ravel())[1:].argmax() + 1
        filled = np.stack([ndimage.binary_fill_holes(plane) for plane in body])
        yield Example(_normalised(_turned(hu)), _turned(filled.astype(np.uint8)))


def _turned(array: NDArray[Any]) -> NDArray[Any]:
    """From LPS to the RAS order in which nnU-Net reads NIfTI: rows and columns the other way round."""
    return np.ascontiguousarray(array[:, ::-1, ::-1])


def _normalised(hu: NDArray[np.float32]) -> NDArray[np.float32]:
    return ((np.clip(hu, LOW_HU, HIGH_HU) - MEAN_HU) / STD_HU).astype(np.float32)
