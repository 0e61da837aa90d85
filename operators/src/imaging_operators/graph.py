# SPDX-License-Identifier: Apache-2.0
"""The MONAI Deploy graph of an app: three thin operators, read -> predict -> write.

The only module that imports MONAI Deploy.  What must hold before holoscan is imported is done here first: its
core needs libcudart even on a CPU, a stack of 32 MB, and logs each step unless told not to.
"""

import os
import resource
import sys
from dataclasses import dataclass, field
from typing import Any

from cuda.pathfinder import load_nvidia_dynamic_lib

from .lean_monai import deploy_alone

STACK_BYTES = 32 * 2**20


def _prepare_holoscan() -> None:
    load_nvidia_dynamic_lib("cudart")
    soft, hard = resource.getrlimit(resource.RLIMIT_STACK)
    if soft != resource.RLIM_INFINITY and soft < STACK_BYTES:
        wanted = STACK_BYTES if hard == resource.RLIM_INFINITY else min(STACK_BYTES, hard)
        resource.setrlimit(resource.RLIMIT_STACK, (wanted, hard))
    os.environ.setdefault("HOLOSCAN_LOG_LEVEL", "OFF")


_prepare_holoscan()

with deploy_alone():
    from monai.deploy.conditions import CountCondition  # type: ignore[attr-defined]
    from monai.deploy.core import Application, Operator, OperatorSpec  # type: ignore[attr-defined]

from imaging_data.instances import find_instances  # noqa: E402
from imaging_data.volume import Volume  # noqa: E402

from .context import Run  # noqa: E402
from .loaded import LoadedApp  # noqa: E402
from .progress import report_progress  # noqa: E402
from .results.writer import Writer, write_results  # noqa: E402
from .timing import Stopwatch  # noqa: E402


@dataclass(frozen=True)
class Steps:
    """What the operators do, and how long it took.

    The operators hold this and never the graph: an object of holoscan that leads back to itself is never
    freed, nor is the volume it holds.
    """

    loaded: LoadedApp
    run: Run
    times: dict[str, float] = field(default_factory=dict)
    models: dict[str, str] = field(default_factory=dict)  # SHA-256 by name of what this run loads

    def read(self) -> Volume:
        """The volume of the series that the app's rule selects.  Raises NoMatchingSeries, NotAVolume."""
        report_progress("read", 0)
        with Stopwatch() as watch:
            found = find_instances(self.run.folders.input)
            volume = self.loaded.app.read(self.loaded.app.series.select(found.series))
        self.times["read_s"] = watch.seconds
        return volume

    def predict(self, volume: Volume) -> Any:
        """What the app's `predict` returns."""
        report_progress("predict", 0)
        parameters = self.loaded.app.info.profile(self.run.job.profile).parameters
        self.models.update(self.loaded.models_of(parameters))
        with Stopwatch() as watch:
            results = self.loaded.app.predict(volume, **parameters)
        self.times["predict_s"] = watch.seconds
        return results

    def write(self, volume: Volume, results: Any) -> None:
        """Write `results` and results.json.  Raises InvalidResult."""
        app, times = self.loaded.app, {"setup_s": self.loaded.setup_s} | self.times
        report_progress("write", 0)
        write_results(Writer(self.run, app.info, app.digest, self.models, times, app.engine), volume, results)
        report_progress("write", 1)


class _Step(Operator):  # type: ignore[misc]
    def __init__(self, graph: "InferenceGraph", *args: Any, **kwargs: Any) -> None:
        self.steps = graph.steps
        super().__init__(graph, *args, **kwargs)


class ReadSeries(_Step):
    """The input folder's one series that the app's rule takes, as a Volume on port "volume"."""

    def setup(self, spec: OperatorSpec) -> None:
        spec.output("volume")

    def compute(self, op_input: Any, op_output: Any, context: Any) -> None:
        op_output.emit(self.steps.read(), "volume")


class Predict(_Step):
    """The app's `predict`: a Volume in, what it returns on port "results"."""

    def setup(self, spec: OperatorSpec) -> None:
        spec.input("volume")
        spec.output("results")

    def compute(self, op_input: Any, op_output: Any, context: Any) -> None:
        op_output.emit(self.steps.predict(op_input.receive("volume")), "results")


class WriteResults(_Step):
    """The results as DICOM files in the output folder, results.json last."""

    def setup(self, spec: OperatorSpec) -> None:
        spec.input("volume")
        spec.input("results")

    def compute(self, op_input: Any, op_output: Any, context: Any) -> None:
        self.steps.write(op_input.receive("volume"), op_input.receive("results"))


class InferenceGraph(Application):  # type: ignore[misc]
    """The MONAI Deploy Application of one run; the app's `compose` draws it."""

    def __init__(self, loaded: LoadedApp, run: Run) -> None:
        self.steps = Steps(loaded, run)
        super().__init__([sys.executable, str(loaded.app.folder)])

    def compose(self) -> None:
        self.steps.loaded.app.compose(self)

    def read_series(self) -> ReadSeries:
        """An operator that emits the Volume once; without the count a holoscan graph runs for ever."""
        return ReadSeries(self, CountCondition(self, 1), name="read_series")

    def predict(self) -> Predict:
        """An operator that calls the app's `predict`."""
        return Predict(self, name="predict")

    def write_results(self) -> WriteResults:
        """An operator that writes what it receives and ends the graph."""
        return WriteResults(self, name="write_results")


def run_graph(loaded: LoadedApp, run: Run) -> None:
    """Run the app's graph once.  An operator's error comes through as it was raised."""
    InferenceGraph(loaded, run).run()
