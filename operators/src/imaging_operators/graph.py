# SPDX-License-Identifier: Apache-2.0
"""The MONAI Deploy graph of an app: three thin operators, read -> predict -> write.

The only module that imports MONAI Deploy.  What must hold before holoscan is imported is done here first: its
core needs libcudart even on a CPU, a stack of 32 MB, and logs each step unless told not to.
"""

import os
import resource
import sys
from typing import Any

from cuda.pathfinder import load_nvidia_dynamic_lib

STACK_BYTES = 32 * 2**20


def _prepare_holoscan() -> None:
    load_nvidia_dynamic_lib("cudart")
    soft, hard = resource.getrlimit(resource.RLIMIT_STACK)
    if soft != resource.RLIM_INFINITY and soft < STACK_BYTES:
        wanted = STACK_BYTES if hard == resource.RLIM_INFINITY else min(STACK_BYTES, hard)
        resource.setrlimit(resource.RLIMIT_STACK, (wanted, hard))
    os.environ.setdefault("HOLOSCAN_LOG_LEVEL", "OFF")


_prepare_holoscan()

from monai.deploy.conditions import CountCondition  # type: ignore[attr-defined]  # noqa: E402
from monai.deploy.core import Application, Operator, OperatorSpec  # type: ignore[attr-defined]  # noqa: E402

from imaging_data.instances import find_instances  # noqa: E402
from imaging_data.volume import Volume, read_volume  # noqa: E402

from .context import Run  # noqa: E402
from .execution import LoadedApp  # noqa: E402
from .results.writer import Writer, write_results  # noqa: E402
from .timing import Stopwatch  # noqa: E402


class ReadSeries(Operator):  # type: ignore[misc]
    """The input folder's one series that the app's rule takes, as a Volume on port "volume"."""

    def __init__(self, graph: "InferenceGraph", *args: Any, **kwargs: Any) -> None:
        self.graph = graph
        super().__init__(graph, *args, **kwargs)

    def setup(self, spec: OperatorSpec) -> None:
        spec.output("volume")

    def compute(self, op_input: Any, op_output: Any, context: Any) -> None:
        with Stopwatch() as watch:
            volume = self.graph.read()
        self.graph.times["read_s"] = watch.seconds
        op_output.emit(volume, "volume")


class Predict(Operator):  # type: ignore[misc]
    """The app's `predict`: a Volume in, what it returns on port "results"."""

    def __init__(self, graph: "InferenceGraph", *args: Any, **kwargs: Any) -> None:
        self.graph = graph
        super().__init__(graph, *args, **kwargs)

    def setup(self, spec: OperatorSpec) -> None:
        spec.input("volume")
        spec.output("results")

    def compute(self, op_input: Any, op_output: Any, context: Any) -> None:
        volume = op_input.receive("volume")
        with Stopwatch() as watch:
            results = self.graph.loaded.app.predict(volume)
        self.graph.times["predict_s"] = watch.seconds
        op_output.emit(results, "results")


class WriteResults(Operator):  # type: ignore[misc]
    """The results as DICOM files in the output folder, results.json last."""

    def __init__(self, graph: "InferenceGraph", *args: Any, **kwargs: Any) -> None:
        self.graph = graph
        super().__init__(graph, *args, **kwargs)

    def setup(self, spec: OperatorSpec) -> None:
        spec.input("volume")
        spec.input("results")

    def compute(self, op_input: Any, op_output: Any, context: Any) -> None:
        self.graph.write(op_input.receive("volume"), op_input.receive("results"))


class InferenceGraph(Application):  # type: ignore[misc]
    """The MONAI Deploy Application of one run; the app's `compose` draws it."""

    def __init__(self, loaded: LoadedApp, run: Run) -> None:
        self.loaded = loaded
        self.job_run = run
        self.times = {"setup_s": loaded.setup_s}
        super().__init__([sys.executable, str(loaded.app.folder)])

    def compose(self) -> None:
        self.loaded.app.compose(self)

    def read_series(self) -> ReadSeries:
        """An operator that emits the Volume once; without the count a holoscan graph runs for ever."""
        return ReadSeries(self, CountCondition(self, 1), name="read_series")

    def predict(self) -> Predict:
        """An operator that calls the app's `predict`."""
        return Predict(self, name="predict")

    def write_results(self) -> WriteResults:
        """An operator that writes what it receives and ends the graph."""
        return WriteResults(self, name="write_results")

    def read(self) -> Volume:
        """The volume of the series that the app's rule selects.  Raises NoMatchingSeries, NotAVolume."""
        found = find_instances(self.job_run.folders.input)
        return read_volume(self.loaded.app.series.select(found.series))

    def write(self, volume: Volume, results: Any) -> None:
        """Write `results` and results.json.  Raises InvalidResult."""
        app = self.loaded.app
        write_results(
            Writer(self.job_run, app.info, app.digest, self.loaded.model_sha256s, self.times), volume, results
        )


def run_graph(loaded: LoadedApp, run: Run) -> None:
    """Run the app's graph once.  An operator's error comes through as it was raised."""
    InferenceGraph(loaded, run).run()
