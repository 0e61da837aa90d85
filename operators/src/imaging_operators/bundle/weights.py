# SPDX-License-Identifier: Apache-2.0
"""A network with its weights.  A pickled file is read as numbers only; TorchScript brings its own network."""

import pickle
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import nn

from .errors import BadBundle

NESTED = ("state_dict", "model")  # under which training scripts keep the weights in a checkpoint
SHOWN = 3


def load_network(path: Path, network: nn.Module | None) -> nn.Module:
    """`network` with the weights of `path`, or the TorchScript module at `path`, ready to run on the CPU.

    Raises BadBundle when the file does not fit the network, naming the first weights that do not.
    """
    if path.suffix == ".ts":
        return _scripted(path)
    if network is None:
        raise BadBundle(f"configs/inference.json: network_def is missing, which {path.name} needs.")
    weights = _read(path)
    own = network.state_dict()
    wrong = [name for name in own if name not in weights or weights[name].shape != own[name].shape]
    wrong += [name for name in weights if name not in own]
    if wrong:
        more = f" and {len(wrong) - SHOWN} more" if len(wrong) > SHOWN else ""
        raise BadBundle(f"models/{path.name} does not fit network_def: {', '.join(wrong[:SHOWN])}{more}.")
    network.load_state_dict(weights)
    return network.eval()


def _scripted(path: Path) -> nn.Module:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore", DeprecationWarning
            )  # torch.export has no file that others write yet
            module: nn.Module = torch.jit.load(str(path), map_location="cpu")  # type: ignore[no-untyped-call]
    except (RuntimeError, ValueError) as error:
        raise BadBundle(f"models/{path.name} is no TorchScript file: {error}.") from error
    return module.eval()


def _read(path: Path) -> dict[str, torch.Tensor]:
    try:
        found = (
            _read_safetensors(path)
            if path.suffix == ".safetensors"
            else torch.load(path, "cpu", weights_only=True)
        )
    except (RuntimeError, ValueError, EOFError, pickle.UnpicklingError) as error:
        raise BadBundle(f"models/{path.name} cannot be read as weights: {error}") from error
    nested = [found[key] for key in NESTED if isinstance(found, dict) and isinstance(found.get(key), dict)]
    weights = nested[0] if nested else found
    if not isinstance(weights, dict) or not all(isinstance(each, torch.Tensor) for each in weights.values()):
        raise BadBundle(f"models/{path.name} holds no table of weights.")
    return weights


def _read_safetensors(path: Path) -> Any:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except SafetensorError as error:
        raise ValueError(str(error)) from error
