# SPDX-License-Identifier: Apache-2.0
"""configs/inference.json as data: the parts that are used, without what would run as Python.

A bundle comes from somewhere else.  MONAI would run `$...` expressions and any function that `_target_` names;
here expressions, `_mode_`, references to other files and downloads of weights are refused by name, and
parts.py lets `_target_` name networks, transforms and inferers only.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .document import Document
from .errors import BadBundle

PARTS = ("network_def", "preprocessing", "inferer", "postprocessing")
OURS = {"device": "cpu"}  # what the runner says itself; bundles compute it with an expression
# What reads and writes files in a bundle; here the series is read and the results are written already.
FILE_TRANSFORMS = re.compile(r"(LoadImage|SaveImage|EnsureChannelFirst)(d|D|Dict)?")
REFERENCE = re.compile(r"@(\w+)")


def read_config(folder: Path) -> dict[str, Any]:
    """The parts of inference.json that are there, and what they refer to.

    Raises BadBundle, naming the key, for anything that would run as code.
    """
    document = Document.read(folder / "configs" / "inference.json")
    whole = document.values | OURS
    kept: dict[str, Any] = {}
    wanted = [part for part in PARTS if part in whole]
    while wanted:
        key = wanted.pop()
        if key in kept:
            continue
        if key not in whole:
            raise BadBundle(f"{document.where}: @{key} is referred to and not there.")
        kept[key] = _without_files(whole[key])
        for where, value in _leaves(key, kept[key]):
            _check(f"{document.where}: {where}", value)
            wanted += REFERENCE.findall(value) if isinstance(value, str) else []
    return kept


def _without_files(value: Any) -> Any:
    """The transforms but those that read and write files."""
    if not isinstance(value, dict) or not isinstance(value.get("transforms"), list):
        return value
    return value | {"transforms": [each for each in value["transforms"] if not _is_file_transform(each)]}


def _is_file_transform(transform: Any) -> bool:
    target = transform.get("_target_") if isinstance(transform, dict) else None
    return isinstance(target, str) and bool(FILE_TRANSFORMS.fullmatch(target.rpartition(".")[2]))


def _leaves(where: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Every value with its dotted key."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _leaves(f"{where}.{key}", inner)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _leaves(f"{where}.{index}", inner)
    else:
        yield where, value


def _check(where: str, value: Any) -> None:
    last = where.rpartition(".")[2]
    if isinstance(value, str) and value.startswith("$"):
        raise BadBundle(f"{where} is Python ({value}), which is not run.", "Write the value itself.")
    if isinstance(value, str) and (value.startswith("%") or "@#" in value):
        raise BadBundle(f"{where} refers to {value}, another file or place.", "Write the value itself.")
    if last == "_mode_":
        raise BadBundle(f"{where} is {value!r}: objects are made, not called.", "Leave it out.")
    if "pretrained" in last and value:
        raise BadBundle(f"{where} would load weights from elsewhere.", "The weights belong into models/.")
