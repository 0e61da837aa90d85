# SPDX-License-Identifier: Apache-2.0
"""The base class of an app: which series it takes, how it loads, and voxels in, results out."""

import inspect
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imaging_data.rule import SeriesRule

from .digest import app_digest
from .info import AppInfo
from .models import verify_models

if TYPE_CHECKING:
    from imaging_data import Series, Volume

    from .graph import InferenceGraph
    from .results.base import Results

USAGE = "usage: python app.py [manifest | worker]"


class InferenceApp:
    """An imaging AI app: a subclass states `info` and `series`, and writes `predict` and, to load, `setup`.

    `run()` is the process entry (docs/map-contract.md): the app runs as a graph of MONAI Deploy operators,
    read -> predict -> write.
    """

    info: AppInfo
    series: SeriesRule
    engine: str = ""  # what runs the model, "OpenVINO 2026.4" for one; `setup` may say it, each result does

    def setup(self, models: Path) -> None:
        """Load what `predict` needs from the folder `models`.  Called once per process, before any volume."""

    def read(self, series: "Series") -> "Volume":
        """What `predict` is given of the series that the rule selected; a regular volume unless overridden.

        Raises NotAVolume, by name, for what cannot be one.
        """
        from imaging_data.volume import read_volume

        return read_volume(series)

    def predict(self, volume: "Volume", *_: Any, **parameters: Any) -> "Results":
        """One result, or a list of them, for `volume`.  `parameters` are those of the job's profile.

        The app must keep nothing of a volume on itself: the next one may be another patient's.
        """
        raise NotImplementedError

    def models_of(self, **parameters: Any) -> tuple[str, ...]:
        """The files in the models folder that a job with these parameters loads: `info.models` unless overridden.

        They are verified before `predict` is called, and every result names their hashes.
        """
        return self.info.models

    def compose(self, graph: "InferenceGraph") -> None:
        """Draw the graph.  Override it to put other MONAI Deploy operators in between.

        `graph` is a `monai.deploy.core.Application`; port "volume" carries a Volume, "results" what
        `predict` returns.  An operator must not keep `graph`: holoscan would then never free the run.
        """
        read, predict, write = graph.read_series(), graph.predict(), graph.write_results()
        graph.add_flow(read, predict, {("volume", "volume")})
        graph.add_flow(read, write, {("volume", "volume")})
        graph.add_flow(predict, write, {("results", "results")})

    def run(self, arguments: Sequence[str] | None = None) -> None:
        """Do what the command line says and end the process with the contract's exit status."""
        match list(sys.argv[1:] if arguments is None else arguments):
            case []:
                from .execution import run_once

                sys.exit(run_once(self, os.environ))
            case ["manifest"]:
                print(json.dumps(self.manifest(), indent=2))
            case ["worker"]:
                from .worker import serve

                serve(self)
            case _:
                sys.exit(USAGE)

    def manifest(self) -> dict[str, Any]:
        """What the gateway and the packager must know of the app before it runs.

        Raises ValueError for a profile that `predict` cannot be called with.
        """
        info = self.info
        self._check_profiles()
        return {
            "name": info.name,
            "version": info.version,
            "creator": info.creator,
            "digest": self.digest,
            "series": self.series.to_config(),
            "needs": asdict(info.needs),
            "models": list(info.models),
            "cheaper": dict(info.cheaper),
            "profiles": {name: dict(parameters) for name, parameters in info.profiles.items()},
        }

    def _check_profiles(self) -> None:
        signature = inspect.signature(self.predict)
        for name in self.info.profiles or ("",):
            try:
                signature.bind(None, **self.info.profile(name).parameters)
            except TypeError as error:
                raise ValueError(f"predict() cannot be called with profile {name!r}: {error}") from None

    @property
    def folder(self) -> Path:
        """The folder of the file that defines the app."""
        file = sys.modules[type(self).__module__].__file__
        return Path(file).resolve().parent if file else Path.cwd()

    @property
    def digest(self) -> str:
        """SHA-256 of the app's code and of this framework (`digest.app_digest`)."""
        return app_digest(self.folder)

    def check_models(self, models: Path | None, names: Sequence[str] | None = None) -> dict[str, str]:
        """SHA-256 by name of the models `names`, else of those that the app declares, after they were verified.

        Raises MissingModel, WrongModel (`models.verify_models`).
        """
        return verify_models(self.folder, models, self.info.models if names is None else names)
