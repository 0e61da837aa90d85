# SPDX-License-Identifier: Apache-2.0
"""What a bundle's files say, and the sentence for each thing that is wrong with them."""

import json
import shutil
import subprocess
import sys

import pytest
from bundles import SEGMENTS, write_bundle

from imaging_operators import codes
from imaging_operators.bundle.app import BundleApp
from imaging_operators.bundle.errors import BadBundle
from imaging_operators.coding import written_code
from informatics_gateway.apps import find_app
from informatics_gateway.errors import AppFailed

INPUT, OUTPUT = "network_data_format.inputs.image", "network_data_format.outputs.pred"


@pytest.fixture
def bundle(tmp_path):
    return write_bundle(tmp_path / "bundle")


def module(*arguments):
    command = [sys.executable, "-m", "imaging_operators.bundle", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_manifest_is_what_the_files_say(bundle):
    manifest = BundleApp(bundle).manifest()
    assert (manifest["name"], manifest["version"], manifest["creator"]) == (
        "bright tissue",
        "1.0",
        "Gantry tests",
    )
    assert manifest["series"] == {"Modality": "CT"}
    assert manifest["models"] == ["model.safetensors"]


def test_the_command_prints_the_manifest_without_torch(bundle):
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "imaging_operators.bundle", bundle, "manifest"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout)["name"] == "bright tissue"
    assert not any(line.endswith((" torch", " monai")) for line in done.stderr.splitlines())


def test_the_command_refuses_in_one_line(tmp_path):
    done = module(tmp_path, "manifest")
    assert done.returncode == 1
    assert done.stderr.startswith(
        "BadBundle: The MONAI bundle cannot be run. configs/metadata.json is missing"
    )
    assert len(done.stderr.splitlines()) == 1
    assert module().returncode == 1


def test_the_gateway_tells_what_is_wrong_with_a_bundle(bundle):
    (bundle / "configs" / "inference.json").write_text('{"network_def": "$1"}')
    with pytest.raises(AppFailed, match=r"inference\.json: network_def is Python \(\$1\), which is not run"):
        find_app(str(bundle), bundle).manifest()


def test_the_series_rule_and_needs_come_from_the_metadata(tmp_path):
    gantry = {
        "gantry.series": {"SliceThickness": [1, 5]},
        "gantry.needs": {"memory_mb": 99, "gpu": "preferred"},
    }
    app = BundleApp(write_bundle(tmp_path, gantry))
    assert app.series.to_config() == {"Modality": "CT", "SliceThickness": [1, 5]}
    needs = app.info.needs
    assert (needs.memory_mb, needs.cpu, needs.gpu) == (99, 1, "preferred")


@pytest.mark.parametrize(
    "changed", ["configs/inference.json", "configs/segments.toml", "models/model.safetensors"]
)
def test_the_digest_changes_with_every_file_that_matters(tmp_path, bundle, changed):
    copy = shutil.copytree(bundle, tmp_path / "copy")
    assert BundleApp(copy).digest == BundleApp(bundle).digest
    path = copy / changed
    path.write_bytes(path.read_bytes() + b"\n")
    assert BundleApp(copy).digest != BundleApp(bundle).digest


def test_the_segments_have_code_side_and_color(tmp_path):
    rows = SEGMENTS.replace(
        '["85756007", "SCT", "Tissue"]', '["39607008", "SCT", "Lung"]\nlaterality = "left"'
    )
    [row] = BundleApp(write_bundle(tmp_path, segments=rows)).rows
    assert row.segment.property_type == codes.SCT.Lung
    assert row.segment.laterality == codes.SCT.Left
    assert row.segment.color == (255, 200, 0)
    assert row.usual_ml is None


@pytest.mark.parametrize(
    ("metadata", "said"),
    [
        ({"name": None}, "metadata.json: name is missing; it must be a text"),
        ({"version": 3}, "metadata.json: version is 3; it must be a text"),
        ({"authors": "x" * 65}, "metadata.json: authors is 'xxx"),
        ({f"{INPUT}.modality": None}, f"{INPUT}.modality is missing"),
        ({f"{INPUT}.spatial_shape": [1]}, f"{INPUT}.spatial_shape is [1]; it must be two or three sizes"),
        ({f"{INPUT}.num_channels": 0}, f"{INPUT}.num_channels is 0; it must be at least 1"),
        ({f"{INPUT}.num_channels": 2}, "gantry.channels is missing; it must be a text"),
        ({f"{OUTPUT}.format": "gan"}, f"{OUTPUT}.format is 'gan'; it must be segmentation or classification"),
        ({f"{OUTPUT}.num_channels": 3}, "segment numbers is [1]; it must be 1 to 2"),
        (
            {"gantry.series": {"Modalty": "CT"}},
            "gantry.series is {'Modalty': 'CT'}; it must be a series rule",
        ),
        ({"gantry.weights": "a.bin"}, "gantry.weights is 'a.bin'; it must be one of model.safetensors"),
        (
            {"gantry.needs": {"memory_mb": "much"}},
            "gantry.needs.memory_mb is 'much'; it must be a whole number",
        ),
        (
            {"gantry.needs": {"gpu": "maybe"}},
            "gantry.needs.gpu is 'maybe'; it must be required, preferred or none",
        ),
    ],
)
def test_metadata_that_cannot_be_used_is_refused_by_key(tmp_path, metadata, said):
    with pytest.raises(BadBundle) as refused:
        BundleApp(write_bundle(tmp_path, metadata))
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("[[segment]]", "[[organ]]", "segment is missing; it must be a list"),
        ("number = 1", "number = 2", "segment numbers is [2]; it must be 1 to 1"),
        ("number = 1", "", "segment 1: number is missing"),
        ("85756007", "12345", "12345 of SCT means nothing; without a public code take the scheme 99GANTRY"),
        ('"Tissue"]', '"Liver"]', "85756007 of SCT means Body tissue structure (body structure) or Tissue"),
        ("[255, 200, 0]", "[255, 300, 0]", "each part is 0 to 255"),
        ("[255, 200, 0]", "[255]", "color is [255]; it must be 3 numbers"),
        ("number", 'laterality = "up"\nnumber', "laterality is 'up'; it must be left or right"),
        ("number", "usual_ml = 3\nnumber", "usual_ml is 3; it must be a list"),
        ("[[segment]]", "[[segment", "segments.toml cannot be read"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused_by_key(tmp_path, old, new, said):
    with pytest.raises(BadBundle) as refused:
        BundleApp(write_bundle(tmp_path, segments=SEGMENTS.replace(old, new, 1)))
    assert said in str(refused.value)


@pytest.mark.parametrize("missing", ["metadata.json", "inference.json", "segments.toml"])
def test_a_missing_file_is_named(bundle, missing):
    (bundle / "configs" / missing).unlink()
    with pytest.raises(BadBundle, match=f"configs/{missing} is missing"):
        BundleApp(bundle)


def test_a_file_that_is_no_object_is_named(bundle):
    (bundle / "configs" / "inference.json").write_text("[]")
    with pytest.raises(BadBundle, match=r"inference\.json must hold an object, not list"):
        BundleApp(bundle)


def test_weights_need_a_network(tmp_path):
    with pytest.raises(BadBundle, match=r"network_def is missing, which model\.safetensors needs"):
        BundleApp(write_bundle(tmp_path, inference={"network_def": None}))


def test_a_code_is_public_or_ours():
    assert written_code("39607008", "SCT", "Lung") == codes.SCT.Lung
    assert written_code("SPOT", "99GANTRY", "A spot").meaning == "A spot"
    with pytest.raises(ValueError, match="means Lung"):
        written_code("39607008", "SCT", "Liver")
    with pytest.raises(ValueError, match="1 of NOSUCH means nothing"):
        written_code("1", "NOSUCH", "Anything")
