# SPDX-License-Identifier: Apache-2.0
"""scripts/new-app: what it makes runs as generated, by threshold and around small TorchScript and ONNX files."""

import importlib.util
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from imaging_data import Volume, find_instances, read_volume
from imaging_data.hashing import file_sha256
from imaging_data.model_lock import read_lock
from imaging_data.phantom import thorax, thorax_grid, write_series
from imaging_operators import Classification, Segmentation, codes
from imaging_operators.bundle.app import BundleApp
from imaging_operators.errors import WrongModel

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "scripts"), str(ROOT / "tests" / "operators")]
from bundles import write_bundle  # noqa: E402
from newapp import __main__ as new_app  # noqa: E402

OUTPUT = "network_data_format.outputs.pred"


class Above(nn.Module):
    """Two channels in 3-D, or one in 2-D: what is above 200 HU once -1000 to 1000 have become 0 to 1."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        above = image - 1200.0 / 2000.0
        return torch.cat([-above, above], 1) if self.channels == 2 else above


class Mean(nn.Module):
    """Two scores of a volume of 32 voxels along each axis."""

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        flat = image.reshape(image.shape[0], 32 * 32 * 32)
        return torch.stack([flat.mean(1), flat.amax(1)], 1)


def torchscript(path: Path, network: nn.Module, shape: tuple[int, ...]) -> Path:
    torch.jit.trace(network, torch.zeros(1, 1, *shape)).save(path)
    return path


def onnx(path: Path, network: nn.Module, shape: tuple[int, ...]) -> Path:
    torch.onnx.export(network, (torch.zeros(1, 1, *shape),), str(path), dynamo=False, opset_version=17)
    return path


MODELS: dict[str, Callable[[Path], Path]] = {
    "torchscript-3d": lambda folder: torchscript(folder / "net.ts", Above(2), (32, 32, 32)),
    "torchscript-2d": lambda folder: torchscript(folder / "net.pt", Above(1), (32, 32)),
    "onnx-3d": lambda folder: onnx(folder / "net.onnx", Above(2), (32, 32, 32)),
    "onnx-scores": lambda folder: onnx(folder / "net.onnx", Mean(), (32, 32, 32)),
}
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # torch's own, of what it exports with
    pytest.mark.filterwarnings(
        "ignore:Current stack size"
    ),  # MONAI imports holoscan, which wants a larger one
]


@pytest.fixture(scope="module")
def volume(tmp_path_factory) -> Volume:
    folder = tmp_path_factory.mktemp("study")
    write_series(thorax(seed=1).render(thorax_grid(slices=24, rows=64), seed=1), folder)
    return read_volume(find_instances(folder).series[0])


def made(folder: Path, *arguments: str | Path) -> Path:
    """The folder of the app "bone_finder", made in `folder`."""
    assert new_app.main(["bone_finder", "--in", str(folder), *map(str, arguments)]) == 0
    return folder / "apps" / "bone_finder"


def results(app: Path, volume: Volume) -> Any:
    """What the app's `predict` gives, after its models were verified and loaded."""
    spec = importlib.util.spec_from_file_location("bone_finder", app / "app.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["bone_finder"] = module  # where the app looks for its own folder
    spec.loader.exec_module(module)
    tool = module.BoneFinder()
    tool.check_models(app / "models")
    tool.setup(app / "models")
    return tool.predict(volume)


def test_a_new_app_works_and_its_test_passes(tmp_path):
    made(tmp_path)
    test = tmp_path / "tests" / "apps" / "test_bone_finder.py"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", tmp_path, test]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "1 passed" in done.stdout, done.stdout


def test_the_command_itself_and_what_it_writes(tmp_path):
    command = [ROOT / "scripts" / "new-app", "bone_finder", "--in", tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    written = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    app = {"app.py", "requirements.txt", "model.lock", "README.md", "button.toml"}
    assert written == {f"apps/bone_finder/{name}" for name in app} | {"tests/apps/test_bone_finder.py"}
    assert "button BONE_FINDER" in done.stdout
    assert len((tmp_path / "apps" / "bone_finder" / "app.py").read_text().splitlines()) < 40


@pytest.mark.parametrize("kind", ["torchscript-3d", "onnx-3d"])
def test_a_model_file_becomes_an_app_that_segments_as_it_does(tmp_path, volume, kind):
    app = made(tmp_path, "--model", MODELS[kind](tmp_path), "--patch", "32")
    found = results(app, volume)
    assert isinstance(found, Segmentation)
    assert np.array_equal(found.labelmap == 1, volume.array > 200)
    [locked] = read_lock(app / "model.lock").values()
    assert locked.sha256 == file_sha256(app / "models" / locked.name)


def test_a_model_of_slices_and_one_of_a_single_channel(tmp_path, volume):
    app = made(tmp_path, "--model", MODELS["torchscript-2d"](tmp_path), "--patch", "32")
    found = results(app, volume)
    assert np.array_equal(found.labelmap == 1, volume.array > 200)


def test_a_model_of_scores_becomes_an_app_that_classifies(tmp_path, volume):
    app = made(tmp_path, "--model", MODELS["onnx-scores"](tmp_path), "--label", "Mean", "--label", "Maximum")
    found = results(app, volume)
    assert isinstance(found, Classification)
    assert [score.label for score in found.scores] == ["Mean", "Maximum"]
    assert 0 < found.scores[0].value < found.scores[1].value <= 1
    assert "model.onnx" in found.model


def test_what_is_generated_is_in_good_form(tmp_path):
    made(tmp_path)
    for kind in ("torchscript-3d", "onnx-scores"):
        made(tmp_path / kind, "--model", MODELS[kind](tmp_path), "--patch", "32")
    for command in (["check"], ["format", "--check"]):
        ruff = [sys.executable, "-m", "ruff", *command, "--config", ROOT / "pyproject.toml", tmp_path]
        done = subprocess.run(ruff, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout


def test_a_model_that_was_changed_is_not_loaded(tmp_path, volume):
    app = made(tmp_path, "--model", MODELS["torchscript-3d"](tmp_path), "--patch", "32")
    with (app / "models" / "model.ts").open("ab") as file:
        file.write(b"more")
    with pytest.raises(WrongModel, match=r"model\.ts has \d+ bytes, not the"):
        results(app, volume)


def test_labels_get_their_codes(tmp_path):
    model = MODELS["torchscript-3d"](tmp_path)
    app = made(tmp_path, "--model", model, "--patch", "32", "--label", "Hip bone")
    assert 'Segment(1, private_code("BONE_FINDER_1", "Hip bone"))' in (app / "app.py").read_text()
    app = made(tmp_path / "other", "--model", model, "--patch", "32", "--label", "liver")
    assert "Segment(1, codes.SCT.Liver)" in (app / "app.py").read_text()


def test_a_bundle_needs_no_python(tmp_path):
    bundle = write_bundle(
        tmp_path / "bundle", {f"{OUTPUT}.channel_def": {"0": "background", "1": "kidney_left"}}
    )
    (bundle / "configs" / "segments.toml").unlink()
    app = made(tmp_path, "--bundle", bundle)
    assert not list(app.glob("*.py"))
    [row] = BundleApp(app).rows
    assert (row.segment.property_type, row.segment.laterality) == (codes.SCT.Kidney, codes.SCT.Left)
    assert set(read_lock(app / "model.lock")) == {"model.safetensors"}
    BundleApp(app).check_models(app / "models")


def test_a_bundle_that_cannot_be_run_is_refused_by_key(tmp_path, capsys):
    bundle = write_bundle(tmp_path / "bundle", {f"{OUTPUT}.format": "gan"})
    told = refused(capsys, tmp_path, "tool", "--bundle", bundle)
    assert "format is 'gan'" in told
    assert "no configs/metadata.json" in refused(capsys, tmp_path, "tool", "--bundle", tmp_path)


def test_an_app_of_another_modality_says_so(tmp_path):
    app = made(tmp_path, "--modality", "MR")
    assert 'SeriesRule(Modality="MR")' in (app / "app.py").read_text()
    assert '"Modality": "MR"' in (tmp_path / "tests" / "apps" / "test_bone_finder.py").read_text()


def refused(capsys, folder: Path, *arguments: str | Path) -> str:
    assert new_app.main([*map(str, arguments), "--in", str(folder)]) == 1
    assert not list(folder.glob("apps/*"))
    return capsys.readouterr().out


@pytest.mark.parametrize("name", ["Bone", "bone finder", "../bone", "9bone", "b", "x" * 40])
def test_a_name_that_cannot_be_is_refused(tmp_path, capsys, name):
    assert "cannot have this name" in refused(capsys, tmp_path, name)


def test_what_is_no_model_of_ours_is_refused_with_what_it_gave(tmp_path, capsys):
    torch.save({"weight": torch.zeros(3)}, tmp_path / "state.pt")
    (tmp_path / "model.onnx").write_bytes(b"no graph")
    (tmp_path / "model.h5").touch()
    flat = torchscript(tmp_path / "flat.ts", nn.Flatten(0), (32, 32))
    for file, said in (
        ("state.pt", "is no TorchScript"),
        ("model.onnx", "model.onnx"),
        ("model.h5", "neither TorchScript"),
        ("none.ts", "There is no file"),
        (flat, "it gives (1024,)"),
    ):
        told = refused(capsys, tmp_path, "tool", "--model", tmp_path / file, "--patch", "32")
        assert said in told, told
        assert "write predict()" in told


def test_labels_must_be_as_many_as_classes(tmp_path, capsys):
    model = MODELS["torchscript-3d"](tmp_path)
    told = refused(capsys, tmp_path, "tool", "--model", model, "--label", "Liver", "--label", "Spleen")
    assert "2 were given, the model has 1" in told


def test_what_is_there_is_not_overwritten(tmp_path, capsys):
    app = made(tmp_path)
    before = (app / "app.py").read_bytes()
    assert new_app.main(["bone_finder", "--in", str(tmp_path)]) == 1
    assert "exists" in capsys.readouterr().out
    assert (app / "app.py").read_bytes() == before
