# SPDX-License-Identifier: Apache-2.0
"""Training a small 3-D network on labelled volumes, by iterations: the same result on any load."""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional


@dataclass(frozen=True)
class Example:
    """One normalised image, float32 (z, y, x), and its labels, uint8: 0 for background, then 1, 2 and so on."""

    image: NDArray[np.float32]
    labels: NDArray[np.uint8]


def train(
    network: nn.Module, examples: Sequence[Example], crop: int, iterations: int, noise: float, rate: float
) -> None:
    """Train on random cubes of `crop` voxels, with noise added; the learning rate falls from `rate` to 0."""
    optimiser = torch.optim.AdamW(network.parameters(), lr=rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=iterations, pct_start=0.1)
    chance = random.Random(0)
    for _ in range(iterations):
        image, labels = _cube(chance.choice(examples), crop, chance)
        image = image + noise * chance.random() * torch.randn_like(image)
        with torch.autocast("cpu", torch.bfloat16):
            logits = network(image)
        loss = _loss(logits.float(), labels)
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimiser.step()
        schedule.step()
        if not math.isfinite(loss.item()):
            raise FloatingPointError("the training diverged")
    network.eval()


def _cube(example: Example, crop: int, chance: random.Random) -> tuple[torch.Tensor, torch.Tensor]:
    starts = [chance.randint(0, max(0, size - crop)) for size in example.image.shape]
    where = tuple(slice(start, start + crop) for start in starts)
    image, labels = torch.from_numpy(example.image[where]), torch.from_numpy(example.labels[where])
    return image[None, None], labels.long()[None]


def _loss(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Cross-entropy and soft Dice of the classes that are there; shapes (1, classes, z, y, x), (1, z, y, x)."""
    probabilities = logits.softmax(1)
    truth = functional.one_hot(labels, logits.shape[1]).movedim(-1, 1).to(probabilities.dtype)
    both = (probabilities * truth).sum((0, 2, 3, 4))[1:]
    sizes = probabilities.sum((0, 2, 3, 4))[1:] + truth.sum((0, 2, 3, 4))[1:]
    dice = (2 * both + 1) / (sizes + 1)
    return functional.cross_entropy(logits, labels) + 1 - dice.mean()
