# SPDX-License-Identifier: Apache-2.0
"""The network, transforms and inferer of a bundle, built by MONAI's ConfigParser.

Only classes are built, and only networks and layers, transforms, and inferers of MONAI and torch.nn.
"""

import warnings
from dataclasses import dataclass
from functools import cache
from inspect import signature
from pydoc import locate
from typing import Any, cast

from monai.bundle.config_item import ComponentLocator
from monai.bundle.config_parser import ConfigParser
from monai.inferers.inferer import Inferer, SimpleInferer
from monai.transforms.compose import Compose
from monai.transforms.transform import Transform
from torch import nn

from .errors import BadBundle

FILE = "configs/inference.json"
FILES = "monai.transforms.io."  # reads and writes files wherever its arguments say
MODULES = ("monai.networks.", "monai.transforms.", "monai.inferers.", "torch.nn.")
KINDS = (nn.Module, Transform, Inferer)
FAULTS = (AttributeError, ImportError, KeyError, RuntimeError, TypeError, ValueError)  # of wrong arguments


@dataclass(frozen=True)
class Parts:
    """What runs: `network` is None where TorchScript holds it, `after` where nothing is stated."""

    network: nn.Module | None
    before: Compose
    inferer: Any
    after: Compose | None


def build(config: dict[str, Any]) -> Parts:
    """The parts of a checked config.  Raises BadBundle, naming the key."""
    parser = ConfigParser({key: _with_modules(key, value) for key, value in config.items()})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of defaults that MONAI changed: nothing for a user
        return Parts(
            network=_part(parser, config, "network_def", nn.Module),
            before=_part(parser, config, "preprocessing", Compose) or Compose([]),
            inferer=_part(parser, config, "inferer", Inferer) or SimpleInferer(),
            after=_part(parser, config, "postprocessing", Compose),
        )


def _part(parser: ConfigParser, config: dict[str, Any], key: str, kind: type) -> Any:
    if key not in config:
        return None
    try:
        made = parser.get_parsed_content(key)
    except FAULTS as error:
        cause = error.__cause__ or error
        raise BadBundle(f"{FILE}: {key} cannot be built: {type(cause).__name__}: {cause}.") from error
    if not isinstance(made, kind):
        raise BadBundle(f"{FILE}: {key} is a {type(made).__name__}; it must be a {kind.__name__}.")
    return made


def _with_modules(where: str, value: Any) -> Any:
    """The same with every `_target_` looked at and written with its module."""
    if isinstance(value, list):
        return [_with_modules(f"{where}.{index}", each) for index, each in enumerate(value)]
    if not isinstance(value, dict):
        return value
    inner = {key: _with_modules(f"{where}.{key}", each) for key, each in value.items()}
    if "_target_" in inner:
        inner["_target_"] = _path_of(f"{FILE}: {where}._target_", inner["_target_"])
        _check_downloads(f"{FILE}: {where}", inner)
    return inner


def _path_of(where: str, target: Any) -> str:
    """The full name of the class.  Raises BadBundle for anything that is not to be built."""
    modules = _locator().get_component_module_name(str(target)) or []
    paths = [f"{module}.{target}" for module in ([modules] if isinstance(modules, str) else modules)]
    allowed = [path for path in paths or [str(target)] if path.startswith(MODULES)]
    found = locate(allowed[0]) if allowed else None
    if not isinstance(found, type) or not issubclass(found, KINDS) or not _may_be_built(found.__module__):
        raise BadBundle(
            f"{where} is {target!r}, which is no network, transform or inferer of MONAI or torch.nn.",
            "Export a network of your own with torch.jit and give models/model.ts.",
        )
    return allowed[0]


def _may_be_built(module: str) -> bool:
    return module.startswith(MODULES) and not module.startswith(FILES)


@cache
def _locator() -> ComponentLocator:
    """Where MONAI's classes are by their short names; to look through all its modules takes a while."""
    return ComponentLocator()


def _check_downloads(where: str, part: dict[str, Any]) -> None:
    """Some networks fetch weights unless they are told not to."""
    parameters = signature(cast(type, locate(part["_target_"]))).parameters.values()
    for parameter in parameters:
        if (
            "pretrained" in parameter.name
            and parameter.default is True
            and part.get(parameter.name) is not False
        ):
            raise BadBundle(
                f"{where}.{parameter.name} must be false: it would load weights from elsewhere.",
                "The weights belong into models/.",
            )
