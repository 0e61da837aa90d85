# SPDX-License-Identifier: Apache-2.0
"""Training by iterations: what the seed and the number of iterations are, the network is."""

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.losses import DiceCELoss
from monai.networks.nets import UNet
from safetensors.torch import save_file

from imaging_data.phantom.torso import ORGANS

from .data import FIRST_HELD_OUT_SEED, FIRST_TRAINING_SEED, Phantom, augmented, phantoms, scaled

PEAK_RATE, WARM_UP = 4e-3, 0.05
CROP = 80  # voxels; smaller than the field of view, so that organs stand anywhere in it
THREADS = 2
Log = list[dict[str, Any]]


def train(
    network: Mapping[str, Any], count: int, iterations: int, held_out: int, seed: int
) -> tuple[UNet, Log]:
    """A UNet of the arguments `network`, trained on `count` phantoms, and its log with Dice on held-out ones."""
    torch.set_num_threads(THREADS)
    torch.manual_seed(seed)
    train_on = phantoms(range(FIRST_TRAINING_SEED, FIRST_TRAINING_SEED + count))
    measure_on = phantoms(range(FIRST_HELD_OUT_SEED, FIRST_HELD_OUT_SEED + held_out))
    net, log = UNet(**network), []
    for done, loss in enumerate(losses(net, train_on, iterations, seed), start=1):
        if done % 25 == 0:
            log.append({"iteration": done, "loss": round(loss, 4)})
        if done % 200 == 0 or done == iterations:
            log[-1]["dice"] = dice(net, measure_on)
        if done % 25 == 0:
            print(json.dumps(log[-1]), flush=True)
    return net, log


def losses(net: UNet, train_on: list[Phantom], iterations: int, seed: int) -> Iterator[float]:
    """Train `net`, and give the loss of each iteration."""
    draw = np.random.default_rng([seed, 5])
    loss_of = DiceCELoss(
        to_onehot_y=True, softmax=True, include_background=False, squared_pred=True, batch=True
    )
    optimizer = torch.optim.AdamW(net.parameters(), lr=PEAK_RATE, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda done: _rate(done / iterations))
    net.train()
    for done in range(iterations):
        if done % len(train_on) == 0:
            order = draw.permutation(len(train_on))
        image, labels = augmented(train_on[order[done % len(train_on)]], draw, CROP)
        loss = loss_of(net(_tensor(image)), _tensor(labels))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 5.0)
        optimizer.step()
        schedule.step()
        yield float(loss.detach())


def _tensor(array: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(array))[None, None]


def _rate(done: float) -> float:
    """Up over the first twentieth, then down along a cosine."""
    return min(1.0, (done + 1e-3) / WARM_UP) * 0.5 * (1 + math.cos(math.pi * done))


@torch.inference_mode()
def dice(net: UNet, measure_on: list[Phantom]) -> dict[str, float]:
    """The mean Dice of each organ over the phantoms that show it."""
    net.eval()
    each: dict[str, list[float]] = {organ: [] for organ in ORGANS}
    for hu, labels in measure_on:
        found = net(_tensor(scaled(hu.astype(np.float32)))).argmax(1)[0].numpy()
        for number, organ in enumerate(ORGANS, start=1):
            if (labels == number).sum() > 100:
                each[organ].append(dice_of(found == number, labels == number))
    net.train()
    return {organ: round(float(np.mean(values)), 4) for organ, values in each.items() if values}


def dice_of(found: np.ndarray, true: np.ndarray) -> float:
    """Twice what both share over what they hold together."""
    together = int(found.sum()) + int(true.sum())
    return 2 * float((found & true).sum()) / together if together else 1.0


def save(net: UNet, path: Path) -> None:
    """The weights in half precision, without pickled code."""
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: value.half().contiguous() for name, value in net.state_dict().items()}, path)
    path.chmod(0o644)
