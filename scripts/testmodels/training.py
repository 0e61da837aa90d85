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

RATE, NOISE = 6e-3, 0.1  # of learning, falling to 0; of the images, at most, where their spread is about 1
LEVEL = 1.5  # standard deviations of the image, up to which the first stage clips
TINY = 1e-5  # what the last stage scales logits by, and back
MEANS_OF = 8  # images
FEW = 20  # voxels: a class with fewer counts no more


@dataclass(frozen=True)
class Example:
    """One normalised image, float32 (z, y, x), and its labels, uint8: 0 for background, then 1, 2 and so on."""

    image: NDArray[np.float32]
    labels: NDArray[np.uint8]


def train(network: nn.Module, examples: Sequence[Example], crop: tuple[int, int, int], steps: int) -> None:
    """Train a `PlainConvUNet` on random boxes of `crop` voxels; the same numbers for the same examples.

    What has all the voxels would take most of the time and is not trained: the first stage is set to clip the
    image, and the last one, after the training on labels of half the resolution, to enlarge what was learnt.
    """
    clip(network)
    optimiser = torch.optim.AdamW(network.parameters(), lr=RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=steps, pct_start=0.1)
    chance = random.Random(0)
    for _ in range(steps):
        image, labels = _box(chance.choice(examples), crop, chance)
        with torch.autocast("cpu", torch.bfloat16):
            logits = _half(network, image + NOISE * chance.random() * torch.randn_like(image))
        loss = _loss(logits.float(), labels[:, ::2, ::2, ::2])
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimiser.step()
        schedule.step()
        if not math.isfinite(loss.item()):
            raise FloatingPointError("the training diverged")
    network.eval()
    enlarge(network, [_box(example, crop, chance)[0] for example in examples[:MEANS_OF]])


@torch.no_grad()
def clip(network: nn.Module) -> None:
    """Let the first stage give the normalised image, rising and falling, clipped below at several levels."""
    first = network.encoder.stages[0][0].convs[0]
    first.conv.weight[0::2], first.conv.weight[1::2], first.conv.bias[:] = 1, -1, 0
    first.norm.bias[:] = torch.linspace(-LEVEL, LEVEL, first.norm.num_features)
    network.encoder.stages[0].requires_grad_(False)


@torch.no_grad()
def enlarge(network: nn.Module, images: Sequence[torch.Tensor]) -> None:
    """Let the last stage hand the logits of the one before it to the eight voxels under each of its own.

    Its instance norm takes the mean from each logit, so their usual mean, that of `images`, is put back; it does
    not scale what is small beside its epsilon.  Its leaky ReLU keeps their order.
    """
    decoder = network.decoder
    learnt, up, stage, head = (
        decoder.seg_layers[-2], decoder.transpconvs[-1], decoder.stages[-1].convs[0], decoder.seg_layers[-1]
    )  # fmt: skip
    classes, width = learnt.out_channels, up.out_channels
    up.weight[:, :classes] = learnt.weight[..., 0, 0, 0].T[..., None, None, None]
    up.bias[:classes] = learnt.bias
    stage.conv.weight[:classes] = 0
    stage.conv.weight[range(classes), range(classes)] = TINY
    stage.conv.bias[:classes] = 0
    stage.norm.weight[:classes] = math.sqrt(stage.norm.eps) / TINY
    stage.norm.bias[:classes] = torch.stack(
        [_half(network, image).mean((0, 2, 3, 4)) for image in images]
    ).mean(0)
    head.weight[:] = torch.eye(classes, width)[..., None, None, None]
    head.bias[:] = 0


def _half(network: nn.Module, image: torch.Tensor) -> torch.Tensor:
    """Logits at half the resolution, of the decoder's last stage but one."""
    skips, decoder = network.encoder(image), network.decoder
    features = skips[-1]
    for number in range(len(decoder.stages) - 1):
        joined = torch.cat((decoder.transpconvs[number](features), skips[-(number + 2)]), 1)
        features = decoder.stages[number](joined)
    return decoder.seg_layers[-2](features)


def _box(
    example: Example, crop: tuple[int, int, int], chance: random.Random
) -> tuple[torch.Tensor, torch.Tensor]:
    sizes = zip(example.image.shape, crop, strict=True)
    starts = [chance.randint(0, max(0, size - wanted)) for size, wanted in sizes]
    where = tuple(slice(start, start + wanted) for start, wanted in zip(starts, crop, strict=True))
    image, labels = torch.from_numpy(example.image[where]), torch.from_numpy(example.labels[where])
    return image[None, None], labels.long()[None]


def _loss(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Cross-entropy and soft Dice of the classes that are there; shapes (1, classes, z, y, x), (1, z, y, x).

    Each class counts by the root of its size, so that small ones are soon learnt as well.
    """
    probabilities = logits.softmax(1)
    truth = functional.one_hot(labels, logits.shape[1]).movedim(-1, 1).to(probabilities.dtype)
    both, sizes = (probabilities * truth).sum((0, 2, 3, 4)), truth.sum((0, 2, 3, 4))
    dice = (2 * both + 1) / (probabilities.sum((0, 2, 3, 4)) + sizes + 1)
    weights = sizes.clamp_min(FEW).rsqrt()
    return functional.cross_entropy(logits, labels, weights) + 1 - dice[1:].mean()
