# SPDX-License-Identifier: Apache-2.0
"""A bundle of another shape: a small 2-D classifier, really trained, on single slices and radiographs."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from builders import mr_series
from bundles import write_bundle
from dicom_tools import dciodvfy_errors, dsrdump
from radiograph_files import dx, read
from result_files import volume_in, write

from imaging_operators import graph  # noqa: F401 - makes holoscan, which `import monai` imports, ready
from imaging_operators.bundle.app import BundleApp
from imaging_operators.bundle.errors import BadBundle

GANTRY = Path(sys.executable).with_name("gantry")
SIDE = 32
METADATA = {
    "name": "lesion classifier",
    "task": "Is there a bright lesion",
    "network_data_format.inputs.image": {"modality": "MR", "num_channels": 1, "spatial_shape": [SIDE, SIDE]},
    "network_data_format.outputs.pred": {
        "format": "classification",
        "num_channels": 2,
        "channel_def": {"0": "no lesion", "1": "lesion"},
    },
}
NETWORK = {
    "_target_": "monai.networks.nets.Classifier",
    "in_shape": [1, SIDE, SIDE],
    "classes": 2,
    "channels": [4, 8, 8],
    "strides": [2, 2, 2],
}
INFERENCE = {
    "network_def": NETWORK,
    "preprocessing.transforms": [
        {"_target_": "Resized", "keys": "image", "spatial_size": [SIDE, SIDE]},
        {"_target_": "ScaleIntensityd", "keys": "image"},
    ],
    "postprocessing.transforms": [{"_target_": "Activationsd", "keys": "pred", "softmax": True}],
}
SCORES = """
[[score]]
output = 1
label = "Bright lesion"
threshold = 0.5
"""


def picture(draw, lesion):
    """A smooth brain of 48 x 40 with noise, with or without a bright spot somewhere in it; 0 to 1000."""
    y, x = np.mgrid[0:48, 0:40]
    head = ((y - 24) / 20) ** 2 + ((x - 20) / 16) ** 2 < 1
    image = 400.0 * head + 40 * draw.standard_normal((48, 40))
    if lesion:
        centre = 24 + draw.uniform(-9, 9), 20 + draw.uniform(-7, 7)
        image[(y - centre[0]) ** 2 + (x - centre[1]) ** 2 < draw.uniform(3, 5) ** 2] = 900
    else:
        image[:3, :3] = 900  # the same range, so that scaling alone tells nothing
    return image.clip(0, 1000)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A bundle whose weights were trained on such pictures through its own transforms."""
    folder = tmp_path_factory.mktemp("classifier")
    write_bundle(folder, METADATA, INFERENCE, {"none": torch.zeros(1)}, segments=None)
    (folder / "configs" / "scores.toml").write_text(SCORES)
    from imaging_operators.bundle.config import read_config
    from imaging_operators.bundle.parts import build

    torch.manual_seed(1)
    torch.set_num_threads(1)  # two that spin on a busy machine are slower than one
    parts, draw = build(read_config(folder)), np.random.default_rng(1)
    network = parts.network.train()
    optimizer = torch.optim.Adam(network.parameters(), lr=5e-3)
    for _ in range(70):
        truth = draw.integers(0, 2, 16)
        images = [torch.from_numpy(picture(draw, lesion).T[None].astype(np.float32)) for lesion in truth]
        batch = torch.stack([parts.before({"image": image})["image"] for image in images])
        loss = torch.nn.functional.cross_entropy(network(batch.as_tensor()), torch.from_numpy(truth))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    from safetensors.torch import save_file

    save_file(network.state_dict(), folder / "models" / "model.safetensors")
    return folder


@pytest.fixture(scope="module")
def classifier(trained):
    app = BundleApp(trained)
    app.setup(trained / "models")
    return app


def slice_of(folder, seed, lesion):
    """One MR slice as a series."""
    pixels = picture(np.random.default_rng([9, seed]), lesion).astype(np.uint16)[None]
    mr_series(folder, slices=1, rows=48, columns=40, pixels=pixels)
    return folder


def test_held_out_slices_are_told_apart(classifier, tmp_path):
    right = 0
    for seed in range(20):
        lesion = seed % 2 == 1
        volume = volume_in(slice_of(tmp_path / str(seed), seed, lesion))
        [_, score] = classifier.inference.scores((volume,))
        right += (score > 0.5) == lesion
    assert right >= 18


def test_the_scores_become_a_coded_report_and_a_table(classifier, tmp_path):
    volume = volume_in(slice_of(tmp_path / "mr", 1, True))
    written = write(tmp_path / "out", volume, classifier.predict(volume), info=classifier.info)
    assert [each["kind"] for each in written.document["results"]] == ["text-report", "classification"]
    [score] = written.document["measurements"]
    assert (score["name"], score["threshold"]) == ("Bright lesion", 0.5)
    assert 0.5 < score["value"] <= 1
    first, second = written.document["findings"]
    assert first == "Made for a test."
    assert second.startswith("Bright lesion: score")
    said = dsrdump(written.folder / "text-report-0.dcm")
    assert "Bright lesion" in said
    assert "A score is no probability." in said
    for result in written.document["results"]:
        assert dciodvfy_errors(written.folder / result["file"]) == []


def test_it_runs_from_the_command_line_without_python_in_its_folder(trained, classifier, tmp_path):
    source = slice_of(tmp_path / "mr", 1, True)
    assert list(trained.rglob("*.py")) == []
    command = [GANTRY, "apps", "run", trained, source, tmp_path / "out"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    document = json.loads((tmp_path / "out" / "results.json").read_bytes())
    [expected] = classifier.predict(volume_in(source))[1].plain()
    assert document["measurements"][0]["value"] == pytest.approx(expected["value"], abs=1e-4)
    assert list(document["models"]) == ["model.safetensors"]


def test_a_radiograph_is_classified_as_a_viewer_shows_it(classifier, trained, tmp_path):
    document = json.loads((trained / "configs" / "metadata.json").read_text())
    document["network_data_format"]["inputs"]["image"]["modality"] = "DX"
    (trained / "configs" / "metadata.json").write_text(json.dumps(document))
    app = BundleApp(trained)
    app.inference = classifier.inference
    for lesion in (False, True):
        pixels = picture(np.random.default_rng([9, 4]), lesion).astype(np.uint16)
        inverted = (1000 - pixels).astype(np.uint16)
        folder = tmp_path / str(lesion)
        dx(folder, inverted, PhotometricInterpretation="MONOCHROME1", BitsStored=10)
        radiograph = read(folder)
        [_, score] = app.inference.scores((app.read(radiograph.series),))
        assert (score > 0.5) == lesion


def test_without_a_table_every_output_is_a_score(tmp_path):
    app = BundleApp(write_bundle(tmp_path, METADATA, INFERENCE, {"none": torch.zeros(1)}, segments=None))
    assert [(row.output, row.name, row.threshold) for row in app.rows] == [
        (0, "no lesion", None),
        (1, "lesion", None),
    ]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("output = 1", "output = 2", r"score outputs is \[2\]; it must be 0 to 1"),
        ("threshold = 0.5", 'threshold = "half"', "threshold is 'half'; it must be a number"),
        ("label", "name", "label is missing"),
    ],
)
def test_a_table_of_scores_is_checked(tmp_path, old, new, said):
    folder = write_bundle(tmp_path, METADATA, INFERENCE, {"none": torch.zeros(1)}, segments=None)
    (folder / "configs" / "scores.toml").write_text(SCORES.replace(old, new))
    with pytest.raises(BadBundle, match=said):
        BundleApp(folder)


def test_another_count_of_scores_is_refused(tmp_path):
    linear = {
        "network_def": {"_target_": "torch.nn.AdaptiveAvgPool2d", "output_size": 1},
        "postprocessing": None,
    }
    folder = write_bundle(tmp_path / "b", METADATA, INFERENCE | linear, {}, segments=None)
    app = BundleApp(folder)
    app.setup(folder / "models")
    with pytest.raises(BadBundle, match=r"gives 1 scores; metadata\.json has 2 outputs"):
        app.inference.scores((volume_in(slice_of(tmp_path / "mr", 0, False)),))
