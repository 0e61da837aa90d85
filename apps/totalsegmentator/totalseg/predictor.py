# SPDX-License-Identifier: Apache-2.0
"""nnU-Net's predictor as TotalSegmentator makes it, with networks kept in the process.

TotalSegmentator looks `nnUNetPredictor` up in its module `nnunet`; for the time of a run it finds one of these.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from imaging_operators import report_progress

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
    """For this time TotalSegmentator predicts in this process, without worker processes.

    warm: checkpoints are read once a process.  bf16: in bfloat16.
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
    methods: dict[str, Any] = {
        "predict_from_files": _predict_here,
        "_internal_get_sliding_window_slicers": _count_tiles,
        "_internal_maybe_mirror_and_predict": _predict_in_bfloat16 if bf16 else _predict_tile,
    }
    if warm:
        methods["initialize_from_trained_model_folder"] = _load_once
    return type("Predictor", (base,), methods)


def _load_once(self: Any, folder: str, use_folds: Any, checkpoint_name: str = "checkpoint_final.pth") -> None:
    key = folder, str(use_folds)
    if key not in _networks:
        super(type(self), self).initialize_from_trained_model_folder(folder, use_folds, checkpoint_name)
        _networks[key] = {name: getattr(self, name) for name in LOADED}
    for name, value in _networks[key].items():
        setattr(self, name, value)


def _predict_here(
    self: Any, source: str, target: str, save_probabilities: bool = False, overwrite: bool = True, **_: Any
) -> Any:
    """One case after the other, the cases named: nnU-Net lists a folder in twelve forked processes, and a fork
    of a process with threads, as a warm worker is, may wait for ever for a lock that another thread held."""
    ending: str = self.dataset_json["file_ending"]
    channels: dict[str, list[str]] = {}
    for path in sorted(Path(source).glob(f"*_[0-9][0-9][0-9][0-9]{ending}")):
        channels.setdefault(path.name[: -len(f"_0000{ending}")], []).append(str(path))
    outputs = [str(Path(target) / case) for case in channels]
    return self.predict_from_files_sequential(list(channels.values()), outputs, save_probabilities, overwrite)


def _count_tiles(self: Any, image_size: Any) -> Any:
    tiles = super(type(self), self)._internal_get_sliding_window_slicers(image_size)
    self.tiles, self.done = len(tiles), 0
    return tiles


def _predict_tile(self: Any, image: Any) -> Any:
    report_progress("segment", self.done / self.tiles)
    self.done += 1
    return super(type(self), self)._internal_maybe_mirror_and_predict(image)


def _predict_in_bfloat16(self: Any, image: Any) -> Any:
    import torch

    with torch.autocast(self.device.type, torch.bfloat16):
        logits = _predict_tile(self, image)
    return logits.half()  # as nnU-Net sums them; bfloat16 with float16 is slow
