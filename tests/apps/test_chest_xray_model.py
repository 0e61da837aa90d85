# SPDX-License-Identifier: Apache-2.0
"""The model: converted once it scores as torchxrayvision does; at run time it needs no torch and no network."""

import json
import os
import pickle
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from chest import Classifier, engines
from chest.findings import CODES
from chest.preparation import centre_square, model_input

from imaging_data import find_instances, read_radiograph
from imaging_data.phantom.radiograph import FINDINGS, chest_radiograph

ROOT = Path(__file__).parents[2]
APP = ROOT / "apps" / "chest_xray"
FILE = "densenet121-res224-all.onnx"
SLOW = {"OMP_NUM_THREADS": "2", "OMP_WAIT_POLICY": "PASSIVE"}


@pytest.fixture(scope="module")
def images(samples):
    """Grey values by name: a real radiograph, and a phantom that is no square."""
    [path] = (samples / "cxr_nih_labelled").glob("*.dcm")
    [series] = find_instances(path).series
    return {
        "real": read_radiograph(series).array,
        "phantom": chest_radiograph(1, ["Mass"], 600).array[:, 40:520],
    }


@pytest.fixture(scope="module")
def stock(tmp_path_factory, images):
    """The folder in which torchxrayvision left a checkpoint and its scores."""
    folder = tmp_path_factory.mktemp("stock")
    for name, image in images.items():
        np.save(folder / f"{name}.npy", image)
    program = Path(__file__).with_name("stock_densenet.py")
    environment = os.environ | SLOW | {"PYTHONPATH": str(APP), "HOME": str(folder)}
    subprocess.run([sys.executable, program, folder], env=environment, check=True, capture_output=True)
    return folder


def fetch(app, stick, models, *options):
    command = [ROOT / "scripts" / "fetch-models", app, "--from", stick, "--to", models, *options]
    return subprocess.run(command, capture_output=True, text=True, env=os.environ | SLOW, check=False)


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    """A copy of the app, whose model.lock may be written."""
    folder = tmp_path_factory.mktemp("apps") / "chest_xray"
    shutil.copytree(APP, folder, ignore=shutil.ignore_patterns("__pycache__", "models"))
    return folder


@pytest.fixture(scope="module")
def converted(stock, app, tmp_path_factory):
    """The models folder that scripts/fetch-models made of the checkpoint."""
    models = tmp_path_factory.mktemp("models")
    untrusted = fetch(app, stock / "stick", models)
    assert untrusted.returncode == 1
    assert "no hash of this file yet" in untrusted.stdout
    done = fetch(app, stock / "stick", models, "--trust-first")
    assert done.returncode == 0, done.stdout + done.stderr
    return models


def test_the_converted_model_scores_as_torchxrayvision_does(converted, stock, images):
    classifier = Classifier(converted / FILE, 2)
    for name, image in images.items():
        wanted = np.load(stock / f"{name}.scores.npy")
        found = np.array([one.value for one in classifier(model_input(centre_square(image)))])
        assert found.shape == (18,)
        assert np.ptp(wanted) > 0.2
        assert ((wanted > 0.5).any(), (wanted < 0.5).any()) == (True, True)
        assert np.abs(found - wanted).max() < 1e-4


def test_all_18_findings_have_a_code_and_the_reports_say_what_the_model_is(converted):
    classifier = Classifier(converted / FILE, 2)
    assert classifier.findings == list(CODES)
    assert len({code.value for code in CODES.values()}) == 18
    assert classifier.model == "torchxrayvision densenet121-res224-all"
    assert "NIH ChestX-ray14" in classifier.training
    assert "no probabilities" in classifier.limits


def test_onnx_runtime_and_openvino_agree(converted, images):
    image = model_input(centre_square(images["real"]))[None, None]
    runs = [
        engines.on_openvino(engines._openvino(), converted / FILE, 2).run(image),
        engines.on_onnx_runtime(converted / FILE, 2).run(image),
    ]
    for name in ("scores", "maps"):
        assert np.abs(runs[0][name] - runs[1][name]).max() < 1e-3 * np.abs(runs[0][name]).max()


def test_without_openvino_onnx_runtime_runs_and_tells_the_same_of_the_model(test_models, monkeypatch):
    path = test_models("chest_xray") / FILE
    image = model_input(chest_radiograph(1, ["Effusion"], 256).array)
    with_openvino = Classifier(path, 2)
    monkeypatch.setattr(engines, "_openvino", _absent)
    without = Classifier(path, 2)
    assert (without.model, without.findings) == (with_openvino.model, with_openvino.findings)
    assert with_openvino.engine.startswith("OpenVINO 20")
    assert without.engine.startswith("ONNX Runtime 1.")
    values = [[one.value for one in classifier(image)] for classifier in (with_openvino, without)]
    assert values[0] == pytest.approx(values[1], abs=2e-4)


def _absent():
    raise ImportError


class Bomb:
    """A pickle that writes a file when it is loaded."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_a_checkpoint_with_a_wrong_hash_is_refused_before_it_is_unpickled(app, stock, tmp_path):
    own = tmp_path / "chest_xray"
    shutil.copytree(app, own)
    lock = (own / "model.lock").read_text()
    (own / "model.lock").write_text(re.sub(r'sha256 = "[^"]*"', f'sha256 = "{"0" * 64}"', lock))
    [name] = [path.name for path in (stock / "stick").iterdir()]
    (tmp_path / "stick").mkdir()
    (tmp_path / "stick" / name).write_bytes(pickle.dumps(Bomb(tmp_path / "exploded")))
    done = fetch(own, tmp_path / "stick", tmp_path / "models", "--trust-first")
    assert done.returncode == 1
    assert "not the file that model.lock names" in done.stdout.replace("\n", " ")
    assert not (tmp_path / "exploded").exists()
    assert not (tmp_path / "models" / FILE).exists()
    pickle.loads((tmp_path / "stick" / name).read_bytes())
    assert (tmp_path / "exploded").exists(), "this bomb would not have exploded"


WATCHED = """
import json, sys, threading
calls = []
sys.addaudithook(lambda event, _: calls.append(event) if event.startswith("socket.") else None)
from pathlib import Path
import numpy as np
from chest import Classifier
scores = Classifier(Path(sys.argv[1]), 2)(np.zeros((224, 224), np.float32))
for thread in threading.enumerate():
    if thread is not threading.main_thread():
        thread.join(5)  # one that sends in the background
print(json.dumps({"calls": calls, "modules": sorted(sys.modules), "scores": len(scores)}))
"""


def test_at_run_time_there_is_no_torch_and_no_socket(test_models):
    """OpenVINO calls a web service when it is imported, unless it is kept from it."""
    path = test_models("chest_xray") / FILE
    environment = os.environ | {"PYTHONPATH": str(APP)}
    done = subprocess.run(
        [sys.executable, "-c", WATCHED, path], env=environment, capture_output=True, text=True, check=True
    )
    said = json.loads(done.stdout)
    assert said["scores"] == len(FINDINGS)
    assert set(said["calls"]) <= {"socket.__new__", "socket.bind"}  # urllib3 looks whether there is IPv6
    assert "openvino_telemetry.main" not in said["modules"]
    loaded = {name.partition(".")[0] for name in said["modules"]}
    assert loaded.isdisjoint({"torch", "torchvision", "torchxrayvision", "convert"})
    assert "openvino" in loaded
