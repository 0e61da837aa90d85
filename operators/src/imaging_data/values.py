# SPDX-License-Identifier: Apache-2.0
"""Attribute values, read without stumbling over what a source got wrong.

An attribute that is missing, empty or not readable in its VR has no values here.  In an Enhanced multi-frame
instance attributes are looked up in the functional groups, too (PS3.3 section C.7.6.16).
"""

import math
from collections.abc import Iterator
from functools import cache
from struct import error as StructError
from typing import Any

from pydicom import Dataset
from pydicom.datadict import tag_for_keyword
from pydicom.errors import BytesLengthException
from pydicom.multival import MultiValue
from pydicom.sequence import Sequence
from pydicom.tag import BaseTag

from .elements import tag_of

SHARED, PER_FRAME = "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"
UNREADABLE = (  # what pydicom raises for a value that is not what its VR says
    ValueError,
    TypeError,
    OverflowError,
    LookupError,
    AttributeError,
    NotImplementedError,
    OSError,
    StructError,
    BytesLengthException,
)


def values_of(dataset: Dataset, keyword: str) -> list[Any]:
    """The values of a top-level attribute, empty ones left out."""
    value = _value(dataset, keyword)
    several = isinstance(value, (MultiValue, list, tuple))
    return [one for one in (value if several else [value]) if one is not None and one != ""]


def _value(dataset: Dataset, keyword: str) -> Any:
    try:
        return dataset[_tag(keyword)].value
    except UNREADABLE:  # a KeyError, which is a LookupError, where it is missing
        return None


@cache
def _tag(keyword: str) -> BaseTag:
    """Looked up once: it is asked for thousands of times in a series.  Raises KeyError for no keyword."""
    number = tag_for_keyword(keyword)
    if number is None:
        raise KeyError(keyword)
    return tag_of(number)


def text_of(dataset: Dataset, keyword: str) -> str:
    """A top-level attribute as text, several values joined by backslashes; empty when it has none."""
    return "\\".join(map(str, values_of(dataset, keyword)))


def numbers_of(dataset: Dataset, keyword: str, count: int) -> tuple[float, ...] | None:
    """The `count` finite numbers of a top-level attribute; None when it holds anything else."""
    try:
        numbers = tuple(float(value) for value in values_of(dataset, keyword))
    except (ValueError, TypeError):
        return None
    return numbers if len(numbers) == count and all(map(math.isfinite, numbers)) else None


def items_of(dataset: Dataset, keyword: str) -> list[Dataset]:
    """The items of a sequence, none where it is missing."""
    items = _value(dataset, keyword)
    return list(items) if isinstance(items, (Sequence, list)) else []


def frame_values(dataset: Dataset, keyword: str) -> list[list[Any]]:
    """The values of an attribute for each frame that says its own, or once for the whole instance.

    One list where the attribute stands at the top level or in the shared functional groups; one per frame
    where it stands in the per-frame groups, empty for a frame that lacks it; no list where it is nowhere.
    """
    values = values_of(dataset, keyword)
    if values or PER_FRAME not in dataset:
        return [values] if values else []
    shared = [value for groups in items_of(dataset, SHARED) for value in group_values(groups, keyword)]
    frames = [group_values(groups, keyword) for groups in items_of(dataset, PER_FRAME)]
    if not any(frames):
        return [shared] if shared else []
    return [own or shared for own in frames]


def group_values(groups: Dataset, keyword: str) -> list[Any]:
    """The values of an attribute in the first macro that has it, of one item of functional groups."""
    return next((values for macro in _macros(groups) if (values := values_of(macro, keyword))), [])


def _macros(groups: Dataset) -> Iterator[Dataset]:
    for tag in sorted(groups.keys()):
        if not tag.is_private:
            try:
                value = groups[tag].value
            except UNREADABLE:
                continue
            if isinstance(value, Sequence) and value:
                yield value[0]
