# SPDX-License-Identifier: Apache-2.0
"""A bundle's network with its transforms: images in, a labelmap or scores out."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from monai.data.meta_tensor import MetaTensor
from monai.transforms.compose import Compose
from monai.transforms.post.dictionary import AsDiscreted, Invertd
from numpy.typing import NDArray
from torch import nn

from imaging_data import Radiograph, Volume

from ..errors import InvalidResult
from .config import read_config
from .description import Description
from .errors import BadBundle
from .parts import FILE, Parts, build
from .tensors import array_of, flat_tensor_of, tensor_of
from .weights import load_network
from .windows import counted

NOT_FINITE = "Look at its weights, and whether preprocessing is what it was trained with."
KEYS = "of the image is 'image' and that of the output 'pred'"


@dataclass(frozen=True)
class Inference:
    """A loaded bundle, its network on the GPU where the app is given one."""

    description: Description
    parts: Parts
    network: nn.Module
    device: torch.device

    @classmethod
    def load(cls, folder: Path, description: Description, models: Path) -> "Inference":
        """Build and load everything.  Raises BadBundle."""
        parts = build(read_config(folder))
        network = load_network(models / description.weights, parts.network)
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        return cls(description, parts, network.to(device), device)

    def labelmap(self, volumes: Sequence[Volume]) -> NDArray[np.unsignedinteger]:
        """The labels (slices, rows, columns) on the grid of `volumes`, which are the channels.

        Raises BadBundle when the transforms do not lead back to that grid, InvalidResult for values that are
        no labels.
        """
        found = array_of(self._run(tensor_of(volumes)))
        if found.shape != (1, *volumes[0].shape):
            raise BadBundle(
                f"{FILE}: postprocessing leaves {found.shape} (channels, slices, rows, columns); the volume "
                f"is {(1, *volumes[0].shape)}.",
                "End with AsDiscreted(argmax) and Invertd; overlapping structures cannot be shown.",
            )
        if not np.isfinite(found).all() or found.min() < 0 or found.max() >= self.description.outputs:
            raise InvalidResult(
                f"The model gave labels from {found.min():g} to {found.max():g}; metadata.json has "
                f"{self.description.outputs} outputs."
            )
        labelmap: NDArray[np.unsignedinteger] = np.rint(found[0]).astype(_dtype(self.description.outputs))
        return labelmap

    def scores(self, images: Sequence[Volume | Radiograph]) -> list[float]:
        """One number for each output.  Raises BadBundle for another count."""
        volumes = [image for image in images if isinstance(image, Volume)]
        flat = self.description.dimensions == 2
        found = array_of(self._run(flat_tensor_of(images) if flat else tensor_of(volumes))).ravel()
        if len(found) != self.description.outputs:
            raise BadBundle(
                f"{FILE}: the model gives {len(found)} scores; metadata.json has {self.description.outputs} outputs."
            )
        return [float(value) for value in found]

    @torch.inference_mode()
    def _run(self, image: MetaTensor) -> Any:
        data = self._applied("preprocessing", self.parts.before, {"image": image})
        prepared = data["image"]
        network = counted(self.network, self.parts.inferer, prepared.shape[1:])
        batch = prepared.as_tensor()[None].float().to(self.device)
        output = self.parts.inferer(batch, network)[0].cpu()
        if not torch.isfinite(output).all():
            raise InvalidResult("The model's output holds NaN or infinity.", NOT_FINITE)
        data["pred"] = MetaTensor(output, meta=prepared.meta, applied_operations=prepared.applied_operations)
        after = self.parts.after or self._usual_end()
        return self._applied("postprocessing", after, data)["pred"]

    def _usual_end(self) -> Compose:
        """What a segmentation needs where the bundle states nothing; scores are taken as they are."""
        if self.description.task == "classification":
            return Compose([])
        back = Invertd("pred", transform=self.parts.before, orig_keys="image", nearest_interp=True)
        return Compose([AsDiscreted("pred", argmax=True), back])

    @staticmethod
    def _applied(key: str, transforms: Compose, data: dict[str, Any]) -> dict[str, Any]:
        try:
            done = transforms(data)
        except RuntimeError as error:  # Compose wraps what a transform raises
            if not isinstance(error.__cause__, KeyError):
                raise
            raise BadBundle(f"{FILE}: {key}: {error.__cause__} The key {KEYS}.") from error
        if not isinstance(done, dict) or not isinstance(next(reversed(done.values())), torch.Tensor):
            raise BadBundle(f"{FILE}: {key} must be transforms of dictionaries; the key {KEYS}.")
        return done


def _dtype(outputs: int) -> type[np.uint8] | type[np.uint16]:
    return np.uint8 if outputs <= 256 else np.uint16
