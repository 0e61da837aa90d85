# SPDX-License-Identifier: Apache-2.0
"""nnU-Net's predictor as TotalSegmentator makes it, with networks kept in the process.

TotalSegmentator looks `nnUNetPredictor` up in its module `nnunet`; for the time of a run it finds one of these.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

LOADED = (
    "plans_manager",
    "configuration_manager",
    "list_of_parameters",
    "network",
    "dataset_json",
    "trainer_name",
    "allowed_mirroring_axes",
    "label_manager",
)
_networks: dict[tuple[str, str], dict[str, Any]] = {}  # by folder and folds: what a checkpoint holds


@contextmanager
def predicting(warm: bool, bf16: bool) -> Iterator[None]:
    """For this time TotalSegmentator predicts in this process.

    warm: checkpoints are read once a process, and images without worker processes.  bf16: in bfloat16 on a CPU.
    """
    module = import_module("totalsegmentator.nnunet")  # after `package`: its import patches nnU-Net
    before = module.nnUNetPredictor
    module.nnUNetPredictor = _variant(before, warm, bf16)
    try:
        yield
    finally:
        module.nnUNetPredictor = before


def _variant(base: Any, warm: bool, bf16: bool) -> Any:
    """A subclass of nnU-Net's predictor; the package looks at its signature, which is that of `base`."""
    methods: dict[str, Any] = {}
    if warm:
        methods["initialize_from_trained_model_folder"] = _load_once
        methods["predict_from_files"] = _predict_here
    if bf16:
        methods["_internal_maybe_mirror_and_predict"] = _predict_in_bfloat16
    return type("Predictor", (base,), methods)


def _load_once(self: Any, folder: str, use_folds: Any, checkpoint_name: str = "checkpoint_final.pth") -> None:
    key = folder, str(use_folds)
    if key not in _networks:
        super(type(self), self).initialize_from_trained_model_folder(folder, use_folds, checkpoint_name)
        _networks[key] = {name: getattr(self, name) for name in LOADED}
    for name, value in _networks[key].items():
        setattr(self, name, value)


def _predict_here(
    self: Any, source: Any, target: Any, save_probabilities: bool = False, overwrite: bool = True, **_: Any
) -> Any:
    return self.predict_from_files_sequential(source, target, save_probabilities, overwrite)


def _predict_in_bfloat16(self: Any, image: Any) -> Any:
    import torch

    with torch.autocast(self.device.type, torch.bfloat16):
        return super(type(self), self)._internal_maybe_mirror_and_predict(image)
