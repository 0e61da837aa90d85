# SPDX-License-Identifier: Apache-2.0
"""What a model's classes are called, as the code of an app."""

import json
from collections.abc import Sequence

from imaging_operators.coding import PRIVATE_SCHEME, codes

from .wrong import WrongLabels


def checked(labels: Sequence[str], count: int) -> list[str]:
    """The labels, or "Class 1", "Class 2" where none were given.  Raises WrongLabels."""
    if not labels:
        return [f"Class {number}" for number in range(1, count + 1)]
    if len(labels) != count:
        raise WrongLabels(f"{len(labels)} were given, the model has {count}.")
    return list(labels)


def segments(labels: Sequence[str], tool: str) -> str:
    """A line of Python for each segment: with the SNOMED CT code of its name where there is one."""
    return "".join(f"    {_segment(number, label, tool)},\n" for number, label in enumerate(labels, 1))


def _segment(number: int, label: str, tool: str) -> str:
    keyword = _keyword(label)
    if hasattr(codes.SCT, keyword):
        return f"Segment({number}, codes.SCT.{keyword})"
    return f'Segment({number}, private_code("{_value(number, tool)}", {json.dumps(label)}))'


def segments_toml(labels: Sequence[str], tool: str) -> str:
    """A bundle's configs/segments.toml: with the SNOMED CT code and the side of each name where there is one."""
    blocks = [_block(number, label, tool) for number, label in enumerate(labels, 1)]
    return "\n".join(["# What the network's outputs mean. A code is [value, scheme, meaning].\n", *blocks])


def _block(number: int, label: str, tool: str) -> str:
    words = label.replace("_", " ").split()
    sides = [word for word in words if word in ("left", "right")]
    code = getattr(codes.SCT, _keyword(" ".join(word for word in words if word not in sides)), None)
    kind = [code.value, "SCT", code.meaning] if code else [_value(number, tool), PRIVATE_SCHEME, label]
    lines = [
        "[[segment]]",
        f"number = {number}",
        f"label = {json.dumps(label)}",
        f"type = {json.dumps(kind)}",
    ]
    lines += [f'laterality = "{side}"' for side in sides if code]
    return "\n".join(lines) + "\n"


def _keyword(label: str) -> str:
    return "".join(word.capitalize() for word in label.replace("_", " ").split())


def _value(number: int, tool: str) -> str:
    return f"{tool.upper()[:12]}_{number}"


def findings(labels: Sequence[str]) -> str:
    """A line of Python for each finding."""
    return "".join(f'    "{label}",\n' for label in labels)
