# SPDX-License-Identifier: Apache-2.0
"""An app with its models loaded, and what a run needs of an app."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from imaging_data.rule import SeriesRule

from .info import AppInfo
from .progress import report_progress
from .timing import Stopwatch

if TYPE_CHECKING:
    from imaging_data import Series, Volume

    from .results.base import Results


class App(Protocol):
    """What a run needs of an app; every `app.InferenceApp` has it."""

    info: AppInfo
    series: SeriesRule
    engine: str

    @property
    def folder(self) -> Path:
        """The folder of the file that defines it."""

    @property
    def digest(self) -> str:
        """SHA-256 of its code."""

    def models_of(self, **parameters: Any) -> tuple[str, ...]:
        """The model files that a job with these parameters loads."""

    def check_models(self, models: Path | None, names: Sequence[str] | None = None) -> dict[str, str]:
        """SHA-256 by name of these model files, else of all it declares.  Raises MissingModel, WrongModel."""

    def setup(self, models: Path) -> None:
        """Load the models."""

    def read(self, series: "Series") -> "Volume":
        """What `predict` is given of a series."""

    def predict(self, volume: "Volume", *_: Any, **parameters: Any) -> "Results":
        """What it finds."""

    def compose(self, graph: Any) -> None:
        """Draw the graph of MONAI Deploy operators."""


class LoadedApp:
    """An app with its models loaded: `setup` was called, once for one models folder."""

    def __init__(self, app: App) -> None:
        self.app = app
        self.setup_s = 0.0
        self._models: Path | None = None
        self._is_set_up = False

    def load(self, models: Path | None) -> None:
        """Call the app's `setup`, unless it was called for this folder.  Raises MissingModel, WrongModel."""
        self.setup_s = 0.0
        if self._is_set_up and models == self._models:
            return
        self.app.check_models(models)  # before anything is unpickled
        report_progress("load", 0)
        with Stopwatch() as watch:
            self.app.setup(models or self.app.folder / "models")
        self.setup_s = watch.seconds
        self._models, self._is_set_up = models, True

    def models_of(self, parameters: Mapping[str, Any]) -> dict[str, str]:
        """SHA-256 by name of what a job with these parameters loads.  Raises MissingModel, WrongModel."""
        return self.app.check_models(self._models, self.app.models_of(**parameters))
