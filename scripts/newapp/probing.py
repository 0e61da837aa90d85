# SPDX-License-Identifier: Apache-2.0
"""What a model file takes and gives, found by running it once on nothing."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .wrong import UnusableModel

PATCH = 96  # voxels along each axis, where the file does not say
Run = Callable[[Any], Any]


@dataclass(frozen=True)
class Model:
    """A model file.  engine: "torchscript" or "onnx".

    patch: the shape that it sees, 3 or 2 axes.  outputs: channels of what it gives.  scores: whether it gives
    one number a channel, not one a voxel.  spread: whether one channel lies between 0 and 1 by itself.
    """

    path: Path
    engine: str
    patch: tuple[int, ...]
    outputs: int
    scores: bool
    spread: bool


def probe(path: Path, patch: int | None) -> Model:
    """Run the model on zeros; `patch`: voxels along each axis, None for what the file says.

    Raises UnusableModel, saying what it gave.
    """
    if not path.is_file():
        raise UnusableModel(f"There is no file {path}.")
    if path.suffix == ".onnx":
        return _probe_onnx(path, patch)
    if path.suffix in (".ts", ".pt", ".pth"):
        return _probe_torchscript(path, patch)
    raise UnusableModel(f"{path.name} is neither TorchScript (.ts, .pt) nor ONNX (.onnx).")


def _probe_onnx(path: Path, patch: int | None) -> Model:
    import onnxruntime

    try:
        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    except Exception as error:
        raise UnusableModel(f"{path.name}: {_first_line(error)}") from error
    if len(session.get_inputs()) != 1:
        raise UnusableModel(f"{path.name} has {len(session.get_inputs())} inputs.")
    [given] = session.get_inputs()
    sizes = [size if isinstance(size, int) else patch or PATCH for size in given.shape[2:]]
    return _model(path, "onnx", [tuple(sizes)], lambda image: session.run(None, {given.name: image})[0])


def _probe_torchscript(path: Path, patch: int | None) -> Model:
    import torch

    try:
        network = torch.jit.load(path, map_location="cpu").eval()
    except (RuntimeError, ValueError) as error:
        raise UnusableModel(f"{path.name} is no TorchScript: {_first_line(error)}") from error

    def run(image: Any) -> Any:
        with torch.inference_mode():
            return network(torch.from_numpy(image)).numpy()

    size = patch or PATCH
    return _model(path, "torchscript", [(size,) * 3, (size,) * 2], run)


def _model(path: Path, engine: str, patches: list[tuple[int, ...]], run: Run) -> Model:
    """Of the first of `patches` that the model takes."""
    problem = ""
    for patch in patches:
        try:
            given = np.asarray(run(np.zeros((1, 1, *patch), np.float32)))
        except Exception as error:  # noqa: BLE001 - whatever a foreign network raises
            problem = problem or _first_line(error)
            continue
        scores = given.ndim == 2
        if (scores and len(patch) == 3) or given.shape[2:] == patch:
            spread = given.shape[1] == 1 and bool(given.min() >= 0 and given.max() <= 1)
            return Model(path, engine, patch, given.shape[1], scores, spread)
        problem = f"for an input (1, 1, {', '.join(map(str, patch))}) it gives {given.shape}"
    raise UnusableModel(f"{path.name}: {problem}.")


def _first_line(error: Exception) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[-1].strip() if lines else type(error).__name__
