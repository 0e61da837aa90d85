# SPDX-License-Identifier: Apache-2.0
"""One run in this process: folders to exit status, with MONAI Deploy imported once."""

import hashlib
import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders import ct_series
from result_files import INFO, JOB, Written

from imaging_data import Volume
from imaging_operators import AppInfo, InferenceApp, SeriesRule, TextReport
from imaging_operators.context import Folders, JobContext, Run
from imaging_operators.execution import execute, run_once
from imaging_operators.loaded import LoadedApp


@pytest.fixture(scope="module", autouse=True)
def monai_deploy():
    """Imported once, with the warnings of torch, MONAI and holoscan left aside."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from imaging_operators import graph

        yield graph


@pytest.fixture
def source(tmp_path) -> Path:
    ct_series(tmp_path / "ct", slices=4, pixels=np.full((4, 8, 8), 1124, np.int16))
    return tmp_path / "ct"


class Mean(InferenceApp):
    """Counts how often it was set up."""

    info = INFO
    series = SeriesRule(Modality="CT")

    def __init__(self) -> None:
        self.loaded: list[Path] = []

    def setup(self, models: Path) -> None:
        self.loaded.append(models)

    def predict(self, volume: Volume) -> Any:
        return TextReport("Mean", f"{volume.array.mean():.0f} HU")


class WithModels(Mean):
    info = AppInfo("with-models", "1", "Gantry", models=("net.bin", "labels.txt"))


def run_in(tmp_path: Path, source: Path, models: Path | None = None, name: str = "out") -> Run:
    (tmp_path / name).mkdir()
    return Run(Folders(source, tmp_path / name, models), JobContext.from_json(JOB))


def error_in(folder: Path) -> dict[str, str]:
    assert {path.name for path in folder.iterdir()} <= {"error.json", "progress.jsonl"}
    return json.loads((folder / "error.json").read_bytes())


def test_it_is_set_up_once_for_many_runs(tmp_path, source):
    (tmp_path / "models").mkdir()
    loaded = LoadedApp(Mean())
    for name in ("1", "2", "3"):
        assert execute(loaded, run_in(tmp_path, source, tmp_path / "models", name)) == 0
    assert loaded.app.loaded == [tmp_path / "models"]
    times = [Written(tmp_path / name).document["times"]["setup_s"] for name in ("1", "2", "3")]
    assert times[0] > 0
    assert times[1:] == [0, 0]


def test_another_models_folder_is_loaded(tmp_path, source):
    loaded = LoadedApp(Mean())
    for name in ("1", "2"):
        (tmp_path / f"models-{name}").mkdir()
        assert execute(loaded, run_in(tmp_path, source, tmp_path / f"models-{name}", name)) == 0
    assert len(loaded.app.loaded) == 2


def test_the_models_stand_in_the_manifest(tmp_path, source):
    (tmp_path / "models").mkdir()
    for name in WithModels.info.models:
        (tmp_path / "models" / name).write_text(name)
    assert execute(LoadedApp(WithModels()), run_in(tmp_path, source, tmp_path / "models")) == 0
    expected = {name: hashlib.sha256(name.encode()).hexdigest() for name in WithModels.info.models}
    assert Written(tmp_path / "out").document["models"] == expected


def test_a_missing_model_is_named(tmp_path, source):
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "net.bin").write_text("net")
    app = WithModels()
    assert execute(LoadedApp(app), run_in(tmp_path, source, tmp_path / "models")) == 1
    error = error_in(tmp_path / "out")
    assert error["error"] == "MissingModel"
    assert "labels.txt" in error["message"]
    assert "net.bin" not in error["message"]
    assert "scripts/fetch-models" in error["hint"]
    assert app.loaded == []


def test_missing_slices_are_an_unusable_series(tmp_path, source):
    sorted(source.iterdir())[1].unlink()
    assert execute(LoadedApp(Mean()), run_in(tmp_path, source)) == 2
    assert error_in(tmp_path / "out")["error"] == "MissingSlices"


class RaisesIn(Mean):
    """Raises `error` when it predicts."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error

    def predict(self, volume: Volume) -> Any:
        raise self.error


class OutOfMemoryError(RuntimeError):
    """Named like torch's, and no MemoryError either."""


@pytest.mark.parametrize(
    ("raised", "error", "message"),
    [
        (MemoryError("4 GiB"), "OutOfMemory", "The app ran out of memory. 4 GiB"),
        (KeyError("x"), "AppError", "The app ended with an error. KeyError: 'x'"),
        (SystemExit(3), "AppError", "The app ended with an error. It called sys.exit(3)."),
        (OutOfMemoryError("GPU"), "AppError", "OutOfMemoryError: GPU"),
    ],
)
def test_what_an_app_raises_is_told_apart(tmp_path, source, raised, error, message, capfd):
    assert execute(LoadedApp(RaisesIn(raised)), run_in(tmp_path, source)) == 1
    left = error_in(tmp_path / "out")
    assert left["error"] == error
    assert message in left["message"]
    assert "Traceback" in capfd.readouterr().err


def test_torch_s_own_error_is_out_of_memory(tmp_path, source, monai_deploy):
    import torch

    raised = torch.OutOfMemoryError("CUDA out of memory")
    assert execute(LoadedApp(RaisesIn(raised)), run_in(tmp_path, source)) == 1
    assert error_in(tmp_path / "out")["error"] == "OutOfMemory"


class Doubled(Mean):
    """An expert's graph: an operator of its own between reading and predicting."""

    def compose(self, graph: Any) -> None:
        from monai.deploy.core import Operator

        class Double(Operator):
            def setup(self, spec: Any) -> None:
                spec.input("volume")
                spec.output("volume")

            def compute(self, op_input: Any, op_output: Any, context: Any) -> None:
                volume = op_input.receive("volume")
                op_output.emit(volume.with_array(volume.array * 2), "volume")

        read, double = graph.read_series(), Double(graph, name="double")
        predict, write = graph.predict(), graph.write_results()
        graph.add_flow(read, double, {("volume", "volume")})
        graph.add_flow(double, predict, {("volume", "volume")})
        graph.add_flow(read, write, {("volume", "volume")})
        graph.add_flow(predict, write, {("results", "results")})


@pytest.mark.parametrize(("app", "text"), [(Mean, "100 HU"), (Doubled, "200 HU")])
def test_an_expert_may_compose_the_graph(tmp_path, source, app, text):
    assert execute(LoadedApp(app()), run_in(tmp_path, source)) == 0
    [item] = Written(tmp_path / "out")["text-report-0"].ContentSequence
    assert text in item.TextValue


def test_the_graph_is_a_monai_deploy_application(monai_deploy):
    from monai.deploy.core import Application, Operator

    assert issubclass(monai_deploy.InferenceGraph, Application)
    for operator in (monai_deploy.ReadSeries, monai_deploy.Predict, monai_deploy.WriteResults):
        assert issubclass(operator, Operator)


def test_the_folders_of_older_maps_will_do(tmp_path, source):
    (tmp_path / "out").mkdir()
    folders = {"MONAI_INPUTPATH": str(source), "MONAI_OUTPUTPATH": str(tmp_path / "out")}
    assert run_once(Mean(), folders) == 0
    assert Written(tmp_path / "out").document["input"]["instances"] == 4


def test_a_wrong_job_is_said_and_nothing_is_run(tmp_path, source, capsys):
    (tmp_path / "out").mkdir()
    folders = {"HOLOSCAN_INPUT_PATH": str(source), "HOLOSCAN_OUTPUT_PATH": str(tmp_path / "out")}
    assert run_once(Mean(), folders | {"GANTRY_JOB": "{"}) == 1
    assert "GANTRY_JOB is not JSON" in capsys.readouterr().err
