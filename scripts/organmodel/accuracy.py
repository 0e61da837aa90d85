# SPDX-License-Identifier: Apache-2.0
"""How well the app does, the whole way: a held-out phantom as a DICOM series in, its labelmap out."""

import statistics
import tempfile
from pathlib import Path

import torch

from imaging_data import find_instances, read_volume
from imaging_data.phantom import torso, torso_grid, write_series
from imaging_data.phantom.torso import ORGANS
from imaging_operators.bundle.app import BundleApp

from .data import FIRST_HELD_OUT_SEED
from .training import THREADS, dice_of


def measure(bundle: Path, count: int) -> dict[str, list[float]]:
    """Dice of each organ on each of `count` held-out phantoms, with partial volume, on their own grid of 3 mm."""
    torch.set_num_threads(THREADS)
    app = BundleApp(bundle)
    app.setup(bundle / "models")
    scores: dict[str, list[float]] = {organ: [] for organ in ORGANS}
    for seed in range(FIRST_HELD_OUT_SEED, FIRST_HELD_OUT_SEED + count):
        for organ, score in _dice_of(app, seed).items():
            scores[organ].append(score)
    return scores


def _dice_of(app: BundleApp, seed: int) -> dict[str, float]:
    rendered = torso(seed).render(torso_grid(), seed=seed, factor=2)
    with tempfile.TemporaryDirectory() as folder:
        write_series(rendered, Path(folder))
        [series] = find_instances(Path(folder)).series
        labelmap = app.inference.labelmap((read_volume(series),))
    return {
        organ: dice_of(labelmap == number, rendered.labelmap == number)
        for organ, number in rendered.organs.items()
    }


def table(scores: dict[str, list[float]]) -> str:
    """Mean, lowest and highest of each organ, as the README has them."""
    lines = ["| organ | mean Dice | lowest | highest |", "|---|--:|--:|--:|"]
    for organ, values in scores.items():
        name = organ.replace("_", " ")
        lines.append(f"| {name} | {statistics.mean(values):.2f} | {min(values):.2f} | {max(values):.2f} |")
    mean = statistics.mean(value for values in scores.values() for value in values)
    return "\n".join([*lines, f"| all | {mean:.2f} | | |"])
