# SPDX-License-Identifier: Apache-2.0
"""A trained network in the folder layout of nnU-Net v2 as TotalSegmentator's weights have it."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from nnunetv2.utilities.get_network_from_plans import get_network_from_plans
from torch import nn
from totalsegmentator.map_tasks_config import TASK_ID_WEIGHTS_CONFIGS
from totalsegmentator.map_to_binary import class_map

from imaging_data.model_lock import FILE, describe_file, lock_text

CONFIGURATION = "3d_fullres"
NETWORK = "dynamic_network_architectures.architectures.unet.PlainConvUNet"
FEATURES = (12, 16, 32, 64, 96)  # the first no fewer than classes of the phantom
# Of CT: what nnU-Net's CTNormalization clips to and scales by.
LOW_HU, HIGH_HU, MEAN_HU, STD_HU = -1004.0, 1500.0, -100.0, 350.0
SILENT = -30.0  # the bias of a class that was not trained: its logit never wins


@dataclass(frozen=True)
class Task:
    """One of TotalSegmentator's models: its number, its task's name, its trainer, spacing and patch in voxels.

    normalisation: what nnU-Net does to an image first; with "ZScore" each is brought to mean 0 and deviation 1.
    """

    number: int
    name: str
    trainer: str
    spacing_mm: float
    patch: tuple[int, int, int]
    modality: str = "CT"
    normalisation: str = "CT"

    @property
    def classes(self) -> dict[str, int]:
        """Class name to label."""
        return {name: label for label, name in class_map[self.name].items()}

    @property
    def folder(self) -> str:
        """Where its checkpoint lies, as TotalSegmentator looks for it."""
        dataset = TASK_ID_WEIGHTS_CONFIGS[self.number]["foldername"]
        return f"{dataset}/{self.trainer}__nnUNetPlans__{CONFIGURATION}"


def network(heads: int) -> nn.Module:
    """A small U-Net; `heads`: output channels, background first."""
    arguments = _architecture()
    needed = ["conv_op", "norm_op", "dropout_op", "nonlin"]
    return get_network_from_plans(NETWORK, arguments, needed, 1, heads, deep_supervision=False)


def _architecture() -> dict[str, Any]:
    stages = len(FEATURES)
    return {
        "n_stages": stages,
        "features_per_stage": list(FEATURES),
        "conv_op": "torch.nn.modules.conv.Conv3d",
        "kernel_sizes": [[1, 1, 1]] + [[3, 3, 3]] * (stages - 1),  # at full resolution only what is cheap
        "strides": [[1, 1, 1]] + [[2, 2, 2]] * (stages - 1),
        "n_conv_per_stage": [1] * stages,
        "n_conv_per_stage_decoder": [1] * (stages - 1),
        "conv_bias": True,
        "norm_op": "torch.nn.modules.instancenorm.InstanceNorm3d",
        "norm_op_kwargs": {"eps": 1e-5, "affine": True},
        "dropout_op": None,
        "dropout_op_kwargs": None,
        "nonlin": "torch.nn.LeakyReLU",
        "nonlin_kwargs": {"inplace": True},
    }


def write(models: Path, task: Task, trained: nn.Module, labels: list[int]) -> None:
    """Write the folder of `task` into `models`.

    `trained` has one head for each of `labels`, background first; the task's other classes stay silent.
    """
    folder = models / task.folder
    (folder / "fold_0").mkdir(parents=True)
    (folder / "plans.json").write_text(json.dumps(_plans(task), indent=1))
    (folder / "dataset.json").write_text(json.dumps(_dataset(task), indent=1))
    content = {
        "network_weights": _all_heads(trained, labels, len(task.classes) + 1).state_dict(),
        "trainer_name": task.trainer,
        "init_args": {"configuration": CONFIGURATION, "fold": 0},
        "inference_allowed_mirroring_axes": None,
    }
    torch.save(content, folder / "fold_0" / "checkpoint_final.pth")


def _all_heads(trained: nn.Module, labels: list[int], heads: int) -> nn.Module:
    full, weights = network(heads), dict(trained.state_dict())
    for key, value in full.state_dict().items():
        if ".seg_layers." in key:
            wide = torch.full_like(value, SILENT if key.endswith("bias") else 0)
            wide[labels] = weights[key]
            weights[key] = wide
    full.load_state_dict(weights)
    return full


def write_lock(models: Path) -> None:
    """Write `models`/model.lock: the SHA-256 of every file in `models`, computed from the file."""
    names = sorted(path.relative_to(models).as_posix() for path in models.rglob("*") if path.is_file())
    made = [replace(describe_file(models, name), licence="Apache-2.0") for name in names]
    (models / FILE).write_text(lock_text(made, "Trained on phantoms by scripts/make-test-models."))


def _dataset(task: Task) -> dict[str, Any]:
    return {
        "channel_names": {"0": task.modality},
        "labels": {"background": 0, **task.classes},
        "numTraining": 0,
        "file_ending": ".nii.gz",
        "name": "Trained on phantoms for tests; these are not TotalSegmentator's weights",
        "overwrite_image_reader_writer": "NibabelIOWithReorient",
    }


def _plans(task: Task) -> dict[str, Any]:
    intensity = {"max": 3000.0, "mean": MEAN_HU, "median": 30.0, "min": -1024.0, "std": STD_HU}
    intensity |= {"percentile_00_5": LOW_HU, "percentile_99_5": HIGH_HU}
    return {
        "dataset_name": TASK_ID_WEIGHTS_CONFIGS[task.number]["foldername"],
        "plans_name": "nnUNetPlans",
        "original_median_spacing_after_transp": [task.spacing_mm] * 3,
        "original_median_shape_after_transp": list(task.patch),
        "image_reader_writer": "NibabelIOWithReorient",
        "transpose_forward": [0, 1, 2],
        "transpose_backward": [0, 1, 2],
        "configurations": {CONFIGURATION: _configuration(task)},
        "experiment_planner_used": "ExperimentPlanner",
        "label_manager": "LabelManager",
        "foreground_intensity_properties_per_channel": {"0": intensity},
    }


def _configuration(task: Task) -> dict[str, Any]:
    resample = "resample_data_or_seg_to_shape"
    cubic = {"is_seg": False, "order": 3, "order_z": 0, "force_separate_z": None}
    return {
        "data_identifier": "nnUNetPlans_3d_fullres",
        "preprocessor_name": "DefaultPreprocessor",
        "batch_size": 2,
        "patch_size": list(task.patch),
        "median_image_size_in_voxels": list(task.patch),
        "spacing": [task.spacing_mm] * 3,
        "normalization_schemes": [f"{task.normalisation}Normalization"],
        "use_mask_for_norm": [False],
        "resampling_fn_data": resample,
        "resampling_fn_data_kwargs": cubic,
        "resampling_fn_seg": resample,
        "resampling_fn_seg_kwargs": cubic | {"is_seg": True, "order": 1},
        "resampling_fn_probabilities": resample,
        "resampling_fn_probabilities_kwargs": cubic | {"order": 1},
        "architecture": {
            "network_class_name": NETWORK,
            "arch_kwargs": _architecture(),
            "_kw_requires_import": ["conv_op", "norm_op", "dropout_op", "nonlin"],
        },
        "batch_dice": True,
    }
