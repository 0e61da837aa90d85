# SPDX-License-Identifier: Apache-2.0
"""A bundle is data: what would run as code in it is refused by name, and weights are numbers."""

import pickle

import pytest
import torch
from bundles import TURNED, weights_above, write_bundle

from imaging_operators import graph  # noqa: F401 - makes holoscan, which `import monai` imports, ready
from imaging_operators.bundle.app import BundleApp
from imaging_operators.bundle.errors import BadBundle

NETWORK = {"_target_": "torch.nn.Conv3d", "in_channels": 1, "out_channels": 2, "kernel_size": 1}


class Evil:
    """Makes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def loaded(folder):
    app = BundleApp(folder)
    app.setup(folder / "models")
    return app


def refusal(folder):
    with pytest.raises(BadBundle) as refused:
        loaded(folder)
    return str(refused.value)


@pytest.mark.parametrize(
    ("inference", "said"),
    [
        ({"network_def": "$__import__('os').mkdir('owned')"}, "network_def is Python"),
        ({"network_def": NETWORK | {"out_channels": "$1 + 1"}}, "network_def.out_channels is Python"),
        ({"network_def": NETWORK | {"out_channels": "@n"}, "n": "$2"}, "inference.json: n is Python"),
        ({"network_def": NETWORK | {"out_channels": "@n"}}, "@n is referred to and not there"),
        ({"network_def": NETWORK | {"bias": "%other.json#bias"}}, "refers to %other.json#bias"),
        ({"network_def": NETWORK | {"_mode_": "debug"}}, "network_def._mode_ is 'debug'"),
        ({"network_def": NETWORK | {"_requires_": "$print('x')"}}, "network_def._requires_ is Python"),
        ({"network_def": {"_target_": "resnet18", "pretrained": True}}, "network_def.pretrained would load"),
        (
            {"network_def": {"_target_": "ResNetFeatures", "model_name": "resnet18"}},
            "pretrained must be false",
        ),
        ({"inferer": {"_target_": "SaveImage", "output_dir": "owned"}}, "'SaveImage', which is no network"),
        ({"network_def": {"_target_": "os.mkdir", "path": "owned"}}, "'os.mkdir', which is no network"),
        ({"network_def": {"_target_": "torch.nn.modules.torch.hub.load"}}, "which is no network"),
        ({"network_def": {"_target_": "torch.load", "f": "x"}}, "'torch.load', which is no network"),
        ({"network_def": {"_target_": "monai.apps.download_url", "url": "x"}}, "which is no network"),
        ({"network_def": {"_target_": "monai.transforms.adaptor"}}, "which is no network"),
        ({"network_def": {"_target_": "NoSuchNet"}}, "'NoSuchNet', which is no network"),
        ({"network_def": {"_target_": "LSTM_of_mine.Net"}}, "'LSTM_of_mine.Net', which is no network"),
        ({"network_def": NETWORK | {"kernel": 3}}, "network_def cannot be built: TypeError"),
        (
            {"network_def": {"_target_": "SimpleInferer"}},
            "network_def is a SimpleInferer; it must be a Module",
        ),
        ({"inferer": NETWORK}, "inferer is a Conv3d; it must be a Inferer"),
        ({"preprocessing": TURNED}, "preprocessing is a Orientationd; it must be a Compose"),
    ],
)
def test_what_would_run_as_code_is_refused_by_name(tmp_path, monkeypatch, inference, said):
    monkeypatch.chdir(tmp_path)
    assert said in refusal(write_bundle(tmp_path / "bundle", inference=inference))
    assert not (tmp_path / "owned").exists()


def test_an_expression_that_nothing_uses_is_no_matter(tmp_path):
    assert loaded(write_bundle(tmp_path, inference={"trainer": "$exit(1)"})).inference.network


def test_a_pickle_that_runs_code_is_not_loaded(tmp_path):
    folder = write_bundle(tmp_path / "bundle", name="model.pt")
    torch.save({"weight": Evil(tmp_path / "owned")}, folder / "models" / "model.pt")
    assert "models/model.pt cannot be read as weights" in refusal(folder)
    (folder / "models" / "model.pt").write_bytes(pickle.dumps(Evil(tmp_path / "owned"), protocol=2))
    assert "models/model.pt cannot be read as weights" in refusal(folder)
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize("name", ["model.safetensors", "model.pt", "model.ts"])
def test_a_damaged_file_of_weights_is_named(tmp_path, name):
    folder = write_bundle(tmp_path, {"gantry.weights": name})
    (folder / "models" / name).write_bytes(b"not weights at all")
    assert f"models/{name}" in refusal(folder)


@pytest.mark.parametrize("nested", ["state_dict", "model"])
def test_weights_in_a_checkpoint_are_found(tmp_path, nested):
    folder = write_bundle(tmp_path, name="model.pt", weights={nested: weights_above(7)})
    assert loaded(folder).inference.network.bias[1] == -7


def test_half_precision_is_loaded_as_single(tmp_path):
    folder = write_bundle(tmp_path, weights={key: each.half() for key, each in weights_above(7).items()})
    assert loaded(folder).inference.network.bias.dtype == torch.float32


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        (weights_above(7, (1, 1)), "does not fit network_def: weight."),
        ({"weight": weights_above(7)["weight"]}, "does not fit network_def: bias."),
        (weights_above(7) | {"more": torch.zeros(1)}, "does not fit network_def: more."),
    ],
)
def test_weights_that_do_not_fit_are_named(tmp_path, weights, said):
    assert said in refusal(write_bundle(tmp_path, weights=weights))


def test_the_end_of_the_transforms_may_be_left_out(tmp_path):
    app = loaded(write_bundle(tmp_path, inference={"postprocessing": None, "inferer": None}))
    assert app.inference.parts.after is None
