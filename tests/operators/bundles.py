# SPDX-License-Identifier: Apache-2.0
"""MONAI bundles made for tests, whose networks do something that can be checked voxel by voxel."""

import json
import sys
from copy import deepcopy
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

sys.path.append(str(Path(__file__).parents[1] / "data"))  # radiograph_files

SEGMENTS = """
[[segment]]
number = 1
label = "Bright tissue"
type = ["85756007", "SCT", "Tissue"]
color = [255, 200, 0]
"""
METADATA = {
    "version": "1.0",
    "name": "bright tissue",
    "task": "Bright tissue on CT",
    "authors": "Gantry tests",
    "network_data_format": {
        "inputs": {"image": {"modality": "CT", "num_channels": 1, "spatial_shape": ["*", "*", "*"]}},
        "outputs": {"pred": {"format": "segmentation", "num_channels": 2, "channel_def": {"1": "bright"}}},
    },
    "gantry": {"notice": "Made for a test."},
}
TURNED = {"_target_": "Orientationd", "keys": "image", "axcodes": "LPS"}
BACK = [
    {"_target_": "AsDiscreted", "keys": "pred", "argmax": True},
    {
        "_target_": "Invertd",
        "keys": "pred",
        "transform": "@preprocessing",
        "orig_keys": "image",
        "nearest_interp": True,
    },
]
INFERENCE = {
    "imports": ["$import glob"],  # never run, as nothing that is used refers to it
    "device": "$torch.device('cuda:0' if torch.cuda.is_available() else 'cpu')",
    "network_def": {"_target_": "torch.nn.Conv3d", "in_channels": 1, "out_channels": 2, "kernel_size": 1},
    "preprocessing": {
        "_target_": "Compose",
        "transforms": [
            {"_target_": "LoadImaged", "keys": "image"},
            {"_target_": "EnsureChannelFirstd", "keys": "image"},
            TURNED,
            {"_target_": "EnsureTyped", "keys": "image", "device": "@device"},
        ],
    },
    "inferer": {"_target_": "SimpleInferer"},
    "postprocessing": {
        "_target_": "Compose",
        "transforms": [*BACK, {"_target_": "SaveImaged", "keys": "pred", "output_dir": "$'/nowhere'"}],
    },
}


def weights_above(threshold: float, channels: tuple[float, ...] = (1.0,)) -> dict[str, torch.Tensor]:
    """A convolution of one voxel whose second output wins where the weighted sum is above `threshold`."""
    weight = torch.zeros(2, len(channels), 1, 1, 1)
    weight[1, :, 0, 0, 0] = torch.tensor(channels)
    return {"weight": weight, "bias": torch.tensor([0.0, -threshold])}


def changed(document: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """A copy with other values at dotted keys; None takes a key away."""
    copy = deepcopy(document)
    for key, value in changes.items():
        *path, last = key.split(".")
        table = copy
        for part in path:
            table = table.setdefault(part, {})
        if value is None:
            table.pop(last, None)
        else:
            table[last] = value
    return copy


def write_bundle(
    folder: Path,
    metadata: dict[str, Any] | None = None,
    inference: dict[str, Any] | None = None,
    weights: dict[str, torch.Tensor] | None = None,
    segments: str | None = SEGMENTS,
    name: str = "model.safetensors",
) -> Path:
    """A bundle that finds voxels above 300 HU; `metadata` and `inference` change dotted keys."""
    for part in ("configs", "models"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    for file, document in (
        ("metadata", changed(METADATA, metadata or {})),
        ("inference", changed(INFERENCE, inference or {})),
    ):
        (folder / "configs" / f"{file}.json").write_text(json.dumps(document))
    if segments is not None:
        (folder / "configs" / "segments.toml").write_text(segments)
    weights = weights_above(300) if weights is None else weights
    if name.endswith(".safetensors"):
        save_file(weights, folder / "models" / name)
    else:
        torch.save(weights, folder / "models" / name)
    return folder
