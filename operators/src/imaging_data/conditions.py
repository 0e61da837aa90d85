# SPDX-License-Identifier: Apache-2.0
"""One condition on one DICOM attribute: is it sound, does an instance meet it, how is it written down."""

import difflib
import math
import re
from collections.abc import Collection
from functools import lru_cache
from typing import Any

from pydicom import Dataset
from pydicom.datadict import dictionary_VM, dictionary_VR, keyword_dict, tag_for_keyword

from .values import frame_values

Number = int | float
Range = tuple[Number | None, Number | None]
Condition = str | Number | Range | frozenset[str] | frozenset[Number]

NUMBERS = {"DS", "IS", "US", "SS", "UL", "SL", "FL", "FD", "SV", "UV"}
NOTHING = "missing, empty or unreadable"
TEXTS = {"AE", "AS", "CS", "DA", "DT", "LO", "LT", "PN", "SH", "ST", "TM", "UC", "UI", "UR", "UT"}


def check_condition(keyword: str, wanted: object) -> Condition:
    """`wanted` in its frozen form.  Raises ValueError when `keyword` is unknown or cannot meet it."""
    vr = _vr(keyword)
    condition = _frozen(keyword, wanted)
    numeric = not _is_text(condition)
    if vr in NUMBERS and not numeric:
        raise ValueError(f"{keyword} holds numbers (VR {vr}): give a number or a range, not {wanted!r}")
    if vr in TEXTS and numeric:
        raise ValueError(f"{keyword} holds text (VR {vr}): give text or a set of texts, not {wanted!r}")
    return condition


def _vr(keyword: str) -> str:
    tag = tag_for_keyword(keyword)
    if tag is None:
        close = difflib.get_close_matches(keyword, keyword_dict, n=3)
        meant = f"; did you mean {' or '.join(close)}?" if close else ""
        raise ValueError(f"{keyword!r} is not a DICOM keyword{meant}")
    vr = dictionary_VR(tag).split(" or ")[0]
    if vr not in NUMBERS | TEXTS:
        raise ValueError(f"{keyword} (VR {vr}) holds neither text nor numbers: no rule can ask for it")
    return vr


def _frozen(keyword: str, wanted: object) -> Condition:
    if isinstance(wanted, str) and wanted:
        return wanted
    if _is_number(wanted):
        return wanted  # type: ignore[return-value]
    if isinstance(wanted, tuple) and len(wanted) == 2:
        return _range(keyword, *wanted)
    if isinstance(wanted, (set, frozenset)) and (_all_texts(wanted) or _all_numbers(wanted)):
        return frozenset(wanted)
    raise ValueError(
        f"{keyword}: {wanted!r} is no condition; "
        "give text, a number, a range (low, high), or a set of texts or of numbers"
    )


def _all_texts(values: Collection[object]) -> bool:
    return bool(values) and all(isinstance(value, str) and value for value in values)


def _all_numbers(values: Collection[object]) -> bool:
    return bool(values) and all(map(_is_number, values))


def _range(keyword: str, low: object, high: object) -> Range:
    ends = [None if low == -math.inf else low, None if high == math.inf else high]
    if not all(end is None or _is_number(end) for end in ends):
        raise ValueError(f"{keyword}: a range (low, high) has numbers or None as ends, not {(low, high)!r}")
    if None not in ends and ends[0] > ends[1]:  # type: ignore[operator]
        raise ValueError(f"{keyword}: the range {(low, high)!r} is empty; the lower end comes first")
    return ends[0], ends[1]  # type: ignore[return-value]


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _is_text(condition: Condition) -> bool:
    return isinstance(condition, str) or (
        isinstance(condition, frozenset) and all(isinstance(one, str) for one in condition)
    )


def condition_from_config(value: Any) -> Any:
    """What a plain value means: [1, 5] a range, ["A", "B"] a set, {"values": [1, 2]} a set of numbers."""
    if isinstance(value, list):
        return frozenset(value) if value and all(isinstance(one, str) for one in value) else tuple(value)
    if isinstance(value, dict) and list(value) == ["values"]:
        numbers = value["values"]
        return frozenset(numbers) if isinstance(numbers, list) and all(map(_is_number, numbers)) else value
    return value


def condition_to_config(condition: Condition) -> Any:
    """The condition as a plain value; `condition_from_config` reads it back."""
    match condition:
        case frozenset() if _is_text(condition):
            return sorted(condition)
        case frozenset():
            return {"values": sorted(condition)}
        case tuple():
            return list(condition)
    return condition


def satisfied(dataset: Dataset, keyword: str, wanted: Condition) -> bool:
    """Whether the attribute `keyword` of the instance, and of every frame of it, meets the condition."""
    found = frame_values(dataset, keyword)
    return bool(found) and all(_meets(values, keyword, wanted) for values in found)


def had(dataset: Dataset, keyword: str) -> str:
    """What `dataset` has in `keyword`, in words."""
    found = frame_values(dataset, keyword)
    shown = (", ".join(map(_shown, values)) if values else NOTHING for values in found)
    return " and ".join(dict.fromkeys(shown)) or NOTHING


def _shown(value: Any) -> str:
    return str(value) if isinstance(value, (int, float)) else repr(str(value))


def _meets(values: list[Any], keyword: str, wanted: Condition) -> bool:
    if isinstance(wanted, frozenset):
        met = [any(_is(value, one) for value in values) for one in wanted]
        return any(met) if dictionary_VM(keyword) == "1" else all(met)
    return any(_is(value, wanted) for value in values)


def _is(value: Any, wanted: str | Number | Range) -> bool:
    if isinstance(wanted, str):
        return _pattern(wanted).fullmatch(str(value).strip()) is not None
    if not isinstance(value, (int, float)):
        return False
    if isinstance(wanted, tuple):
        low, high = wanted
        return (low is None or low <= value) and (high is None or value <= high)
    return bool(value == wanted)


@lru_cache(maxsize=1024)
def _pattern(text: str) -> re.Pattern[str]:
    wild = re.escape(text).replace(r"\*", ".*").replace(r"\?", ".")
    return re.compile(wild, re.IGNORECASE | re.DOTALL)
