# SPDX-License-Identifier: Apache-2.0
"""What a model's classes are called, as the code of an app."""

from collections.abc import Sequence

from pydicom.sr.codedict import codes

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
    keyword = "".join(word.capitalize() for word in label.replace("_", " ").split())
    if hasattr(codes.SCT, keyword):
        return f"Segment({number}, codes.SCT.{keyword})"
    value = f"{tool.upper()[:12]}_{number}"
    return f'Segment({number}, private_code("{value}", {label!r}))'.replace("'", '"')


def findings(labels: Sequence[str]) -> str:
    """A line of Python for each finding."""
    return "".join(f'    "{label}",\n' for label in labels)
