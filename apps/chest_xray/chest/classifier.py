# SPDX-License-Identifier: Apache-2.0
"""The model: an image in, a score and a map for each finding out, and what is to be said of the model."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .engines import Floats, load

OPERATING_POINT = 0.5  # of every finding, after the rescaling of the scores that the model ends with
DIGITS = 4  # of a score: what two engines agree on


@dataclass(frozen=True, eq=False)
class Scored:
    """What the model gave one finding.

    name: as torchxrayvision calls it.  value: the score, from 0 to 1, no probability.
    map: float32 (h, w), how much each part of the image added to the score or, below 0, took from it.
    """

    name: str
    value: float
    map: Floats

    @property
    def above(self) -> bool:
        """Whether the score is above the operating point."""
        return self.value > OPERATING_POINT


class Classifier:
    """An ONNX file as `convert.py` writes it.  `model`, `training`, `limits`: what reports must say of it.

    findings: the name of each output, "" for one that was not trained.  engine: what runs it.
    """

    def __init__(self, path: Path, cores: int) -> None:
        self._engine = load(path, cores)
        self.engine = self._engine.name
        self.model, self.training, self.limits = map(self._engine.about, ("model", "training", "limits"))
        self.findings: list[str] = json.loads(self._engine.about("findings"))

    def __call__(self, image: Floats) -> list[Scored]:
        """The scores of the findings that were trained, for `image`, float32 (224, 224), -1024 to 1024."""
        found = self._engine.run(np.ascontiguousarray(image[None, None]))
        return [
            Scored(name, round(float(value), DIGITS), map_)
            for name, value, map_ in zip(self.findings, found["scores"][0], found["maps"][0], strict=True)
            if name
        ]
