# SPDX-License-Identifier: Apache-2.0
"""A small classifier of the phantom's chest radiographs, in the layout of the converted DenseNet: 18 outputs."""

import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from torch import nn

from imaging_data.model_lock import FILE, describe_file, lock_text
from imaging_data.phantom.radiograph import FINDINGS, chest_radiograph

APP = Path(__file__).parents[2] / "apps" / "chest_xray"
SOURCES = (
    "apps/chest_xray/convert.py",
    "apps/chest_xray/chest/findings.py",
    "operators/src/imaging_data/phantom/radiograph.py",
)
SEEDS = range(10_000, 10_900)  # the tests look at others
EPOCHS, BATCH, RATE = 14, 30, 3e-3
ABOUT = {
    "model": "Gantry's test classifier",
    "training": "procedural phantoms only, no patient: it says nothing about people",
    "limits": f"For tests. It knows four findings of the phantom: {', '.join(FINDINGS)}.",
}


def make(folder: Path) -> None:
    """Train, write the ONNX file and the lock with its hash into `folder`."""
    sys.path.insert(0, str(APP))
    import convert
    from chest.findings import CODES

    torch.manual_seed(0)
    torch.set_num_threads(2)
    images, labels = _examples(convert.SIDE, convert.HIGHEST)
    features, classifier = _network(len(FINDINGS))
    _train(
        nn.Sequential(features, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), classifier), images, labels
    )
    findings = [name if name in FINDINGS else "" for name in CODES]
    wide, points = _widened(findings, features, classifier, images, labels)
    convert.write_onnx(convert.Scored(features, wide, points), folder / convert.FILE, ABOUT, findings)
    locked = [describe_file(folder, convert.FILE)]
    (folder / FILE).write_text(lock_text(locked, "Trained on phantoms by scripts/make-test-models."))


def _examples(side: int, highest: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Images as the model takes them, and which findings each has: every one in a third of them, by itself."""
    random = np.random.default_rng(1)
    has = random.random((len(SEEDS), len(FINDINGS))) < 1 / 3
    images = [
        chest_radiograph(seed, [name for name, one in zip(FINDINGS, row, strict=True) if one], side).array
        for seed, row in zip(SEEDS, has, strict=True)
    ]
    stacked = torch.from_numpy(np.stack(images))[:, None]
    return (stacked * 2 - 1) * highest, torch.from_numpy(has.astype(np.float32))


class _Scale(nn.Module):
    """Brings the input to about -1 to 1."""

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return image / 1024


def _network(findings: int) -> tuple[nn.Sequential, nn.Linear]:
    channels = (1, 12, 24, 48, 64)
    layers: list[nn.Module] = [_Scale(), nn.AvgPool2d(2)]
    for before, after in pairwise(channels):
        layers += [
            nn.Conv2d(before, after, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(after),
            nn.ReLU(),
        ]
    layers += [nn.Conv2d(channels[-1], channels[-1], 3, padding=1, bias=False), nn.BatchNorm2d(channels[-1])]
    return nn.Sequential(*layers), nn.Linear(channels[-1], findings)


def _train(model: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> None:
    steps = EPOCHS * (len(images) // BATCH)
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps)
    generator = torch.Generator().manual_seed(0)
    model.train()
    for _ in range(EPOCHS):
        for chosen in torch.randperm(len(images), generator=generator).split(BATCH)[: len(images) // BATCH]:
            loss = nn.functional.binary_cross_entropy_with_logits(model(images[chosen]), labels[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    model.eval()


def _widened(
    findings: list[str],
    features: nn.Module,
    classifier: nn.Linear,
    images: torch.Tensor,
    labels: torch.Tensor,
) -> tuple[nn.Linear, torch.Tensor]:
    """The classifier with the outputs that were not trained, and operating points; NaN for those.

    A point is halfway between the medians of the logits with and without the finding.
    """
    wide = nn.Linear(classifier.in_features, len(findings))
    points = torch.full((len(findings),), float("nan"))
    with torch.no_grad():
        logits = torch.cat(
            [classifier(torch.relu(features(part)).mean((2, 3))) for part in images.split(100)]
        )
        wide.weight.zero_()
        wide.bias.zero_()
        for index, name in enumerate(FINDINGS):
            output, has = findings.index(name), labels[:, index] > 0.5
            wide.weight[output], wide.bias[output] = classifier.weight[index], classifier.bias[index]
            points[output] = (logits[has, index].median() + logits[~has, index].median()).div(2).sigmoid()
    return wide, points
