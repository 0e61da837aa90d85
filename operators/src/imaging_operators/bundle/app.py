# SPDX-License-Identifier: Apache-2.0
"""A MONAI bundle folder as an app."""

import hashlib
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imaging_data import Radiograph, Series, Volume, read_channels, read_radiograph, read_volume
from imaging_data.radiograph import MODALITIES as PROJECTIONS

from ..app import InferenceApp
from ..digest import app_digest
from .config import read_config
from .description import Description
from .errors import BadBundle, NotASingleSlice
from .tables import read_scores, read_segments

if TYPE_CHECKING:
    from ..results.base import Results
    from .inference import Inference

RUN_FILES = ("configs", "models")  # what a result depends on


class BundleApp(InferenceApp):
    """The app that a bundle's files describe.  Raises BadBundle, naming file and key.

    Everything that can be known without torch is checked here; the network is built by `setup`.
    """

    inference: "Inference"

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()
        self.description = Description.read(self._folder)
        self.info, self.series = self.description.info, self.description.series
        config = read_config(self._folder)
        if "network_def" not in config and not self.description.weights.endswith(".ts"):
            raise BadBundle(
                f"configs/inference.json: network_def is missing, which {self.description.weights} needs."
            )
        _ = self.rows

    @cached_property
    def rows(self) -> list[Any]:
        """What the outputs mean: rows of segments, or of scores."""
        if self.description.task == "segmentation":
            return list(read_segments(self._folder, self.description.outputs))
        return list(read_scores(self._folder, self.description.labels))

    @property
    def folder(self) -> Path:
        """The bundle's folder."""
        return self._folder

    @cached_property
    def digest(self) -> str:
        """SHA-256 of this framework and of every file that a result depends on, the weights too."""
        digest = hashlib.sha256(app_digest(self._folder).encode())
        for path in sorted(path for name in RUN_FILES for path in (self._folder / name).rglob("*")):
            if path.is_file():
                content = hashlib.sha256(path.read_bytes()).hexdigest()
                digest.update(f"{path.relative_to(self._folder).as_posix()}\0{content}\n".encode())
        return digest.hexdigest()

    def check_models(self, models: Path | None, names: Sequence[str] | None = None) -> dict[str, str]:
        """SHA-256 of the weights; without another folder, of those of the bundle."""
        return super().check_models(models or self._folder / "models", names)

    def setup(self, models: Path) -> None:
        """Build the network and load its weights."""
        import torch

        from .inference import Inference

        self.engine = f"PyTorch {torch.__version__}"
        self.inference = Inference.load(self._folder, self.description, models)

    def read(self, series: Series) -> Any:
        """A Radiograph, Channels or a Volume, by what metadata.json says goes in."""
        if self.description.modality in PROJECTIONS:
            return read_radiograph(series)
        if self.description.channels > 1:
            return read_channels(series, self.description.channel_keyword, self.description.channels)
        return read_volume(series)

    def predict(self, volume: Any) -> "Results":
        """The results by the kind of output."""
        images = getattr(volume, "channels", (volume,))
        if self.description.dimensions == 2:
            _check_single(images[0])
        if self.description.task == "segmentation":
            from .segmentation import segmentation_results

            return segmentation_results(self.description, self.rows, volume, self.inference.labelmap(images))
        from .classification import classification_results

        return classification_results(self.description, self.rows, self.inference.scores(images))


def _check_single(image: Volume | Radiograph) -> None:
    if isinstance(image, Volume) and len(image.array) != 1:
        raise NotASingleSlice(f"It has {len(image.array)}.")
