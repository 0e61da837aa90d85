# SPDX-License-Identifier: Apache-2.0
"""One run of TotalSegmentator on a Volume: to its grid, through the package, and back."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from numpy.typing import NDArray

from imaging_operators import Volume
from imaging_operators.models import verify_models

from .cropping import body_box
from .errors import UnknownTask, UnsuitableSeries
from .geometry import from_canonical, to_canonical
from .package import home, licence_number, package, prepare
from .predictor import predicting
from .resampling import linear, nearest, shape_for
from .tasks import LICENSED, Job

FEWEST_SLICES, SHORTEST_MM = 10, 30.0


@dataclass(frozen=True)
class Weights:
    """The models folder of an app's folder.  Nothing in it is loaded before its hash was compared."""

    app: Path
    models: Path

    def patch_mm(self, checkpoint: str) -> list[float]:
        """The size (x, y, z) of what the network of `checkpoint` sees at once, of its plans.json."""
        folder = (self.models / checkpoint).parents[1]
        plans = json.loads((folder / "plans.json").read_bytes())
        configuration = plans["configurations"][folder.name.rpartition("__")[2]]
        return list(np.multiply(configuration["patch_size"], configuration["spacing"])[::-1])

    def verify(self, names: tuple[str, ...]) -> dict[str, str]:
        """SHA-256 by name.  Raises MissingModel or WrongModel."""
        return verify_models(self.app, self.models, names)


@dataclass(frozen=True, eq=False)
class Found:
    """What TotalSegmentator found.

    labelmap: uint8 (slices, rows, columns), 1 to N without gaps for `names`, the package's names of classes in
    the order of its labels.  weights: SHA-256 of each checkpoint by name.
    """

    labelmap: NDArray[np.uint8]
    names: tuple[str, ...]
    weights: dict[str, str]


def set_up(app: Path, models: Path) -> Weights:
    """Import the package, without network or telemetry, with `models` as its weights."""
    prepare(models)
    package()
    return Weights(app, models)


def segment(volume: Volume, job: Job, weights: Weights) -> Found:
    """Run the job's task.  Raises UnsuitableSeries, UnknownTask, NoLicence, MissingModel and WrongModel."""
    _check(volume, job)
    classes = _classes(job)
    sha256s = weights.verify(job.checkpoints)
    with home(licence_number() if job.task in LICENSED else ""):
        labels = _predicted(volume, job, weights)
    return _numbered(labels, classes, sha256s)


def _check(volume: Volume, job: Job) -> None:
    modality = str(volume.source_of(0).dataset.Modality)
    if modality != job.modality:
        raise UnsuitableSeries(f"It is {modality}; the task {job.task} was trained on {job.modality}.")
    slices, length_mm = volume.shape[0], volume.shape[0] * volume.spacing_mm[0]
    if slices < FEWEST_SLICES or length_mm < SHORTEST_MM:
        raise UnsuitableSeries(f"It has {slices} slices over {length_mm:.0f} mm.")


def _classes(job: Job) -> dict[int, str]:
    """The names that are wanted, by the package's label."""
    known: dict[int, str] = package().class_map[job.task]
    if unknown := set(job.classes) - set(known.values()):
        raise UnknownTask(f"The task {job.task} has no class {', '.join(sorted(unknown))}.")
    return {label: name for label, name in known.items() if not job.classes or name in job.classes}


def _predicted(volume: Volume, job: Job, weights: Weights) -> NDArray[np.uint8]:
    """The package's labels as (slices, rows, columns)."""
    image = to_canonical(volume)
    wanted_mm = _single_spacing(job) if "in_memory" in job.speed else None
    if wanted_mm is None:
        return from_canonical(_run(image, job), volume)
    voxels = np.asanyarray(image.dataobj)
    shape = shape_for(voxels.shape, image.header.get_zooms(), wanted_mm)
    box = tuple(slice(0, size) for size in shape)
    if "crop" in job.speed and job.modality == "CT":
        box = body_box(nearest(voxels, shape), wanted_mm, weights.patch_mm(job.checkpoints[0]))
    small = linear(voxels, shape, box).astype(np.int32)
    labels = np.zeros(shape, np.uint8)
    labels[box] = _run(nibabel.Nifti1Image(small, np.diag([*wanted_mm, 1.0])), job)
    return from_canonical(nearest(labels, voxels.shape), volume)


def _single_spacing(job: Job) -> list[float] | None:
    """The spacing at which the package would work throughout; None when it also looks at the full grid."""
    config = package().get_task_config(job.task, fast=job.fast, quiet=True)
    spacing = config["resample"]
    if spacing is None or config["crop"] is not None or config["cascade"]:
        return None
    return [spacing] * 3 if isinstance(spacing, float) else list(spacing)


def _run(image: Any, job: Job) -> NDArray[np.uint8]:
    """Labels on the grid of `image`, a canonical NIfTI image in memory."""
    import torch

    device = "gpu" if torch.cuda.is_available() else "cpu"
    with predicting("warm" in job.speed, "bf16" in job.speed and device == "cpu"):
        found = package().totalsegmentator(
            image, None, ml=True, task=job.task, fast=job.fast, device=device, quiet=True
        )
    return np.asanyarray(found.dataobj).astype(np.uint8)


def _numbered(labels: NDArray[np.uint8], classes: dict[int, str], sha256s: dict[str, str]) -> Found:
    """Wanted classes that are there, renumbered from 1 in the package's order."""
    counts = sum(np.bincount(plane.ravel(), minlength=256) for plane in labels)  # a plane fits in the cache
    present = [label for label in sorted(classes) if counts[label]]
    table = np.zeros(256, np.uint8)
    table[present] = range(1, len(present) + 1)
    return Found(table[labels], tuple(classes[label] for label in present), sha256s)
