# SPDX-License-Identifier: Apache-2.0
"""SeriesRule: which series, by DICOM keyword."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydicom import Dataset

from .conditions import Condition, check_condition, condition_from_config, condition_to_config, had, satisfied
from .errors import NoMatchingSeries
from .instances import Series

SHOWN = ("Modality", "SeriesNumber", "SeriesDescription")


class SeriesRule:
    """Conditions on DICOM attributes, which a series must all meet.

    By keyword: text (equal whatever the case, with the wildcards * and ? of PS3.4 section C.2.2.2.4), a
    number (equal), a tuple (low, high) (a range with both ends, None for an open end), a set (one of them; of
    an attribute with several values, such as ImageType, all of them).  An attribute that is missing or empty
    meets no condition.  In an Enhanced multi-frame instance the functional groups are looked at, too.

        SeriesRule(Modality="CT", SliceThickness=(1, 5), ImageType={"ORIGINAL", "AXIAL"})

    Raises ValueError for an unknown keyword or a condition that the attribute cannot meet.
    """

    __slots__ = ("_conditions",)
    _conditions: tuple[tuple[str, Condition], ...]

    def __init__(self, **conditions: Any) -> None:
        checked = {keyword: check_condition(keyword, wanted) for keyword, wanted in conditions.items()}
        object.__setattr__(self, "_conditions", tuple(sorted(checked.items(), key=lambda item: item[0])))

    @classmethod
    def from_config(cls, conditions: Mapping[str, Any]) -> "SeriesRule":
        """The rule that a configuration file states: a list of two numbers is a range, of texts a set."""
        if not isinstance(conditions, Mapping):
            raise ValueError(f"a series rule is a table of DICOM keywords, not {conditions!r}")
        return cls(**{keyword: condition_from_config(wanted) for keyword, wanted in conditions.items()})

    def to_config(self) -> dict[str, Any]:
        """The rule as plain values for JSON; `from_config` gives the same rule back."""
        return {keyword: condition_to_config(wanted) for keyword, wanted in self._conditions}

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("a SeriesRule does not change")

    def __reduce__(self) -> tuple[Any, ...]:
        return SeriesRule.from_config, (self.to_config(),)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SeriesRule) and self._conditions == other._conditions

    def __hash__(self) -> int:
        return hash(self._conditions)

    def __repr__(self) -> str:
        return (
            f"SeriesRule({', '.join(f'{keyword}={_code(wanted)}' for keyword, wanted in self._conditions)})"
        )

    def matches(self, dataset: Dataset) -> bool:
        """Whether one instance meets every condition."""
        return all(satisfied(dataset, keyword, wanted) for keyword, wanted in self._conditions)

    def explain(self, dataset: Dataset) -> list[str]:
        """A sentence for each condition that the instance does not meet; none when it matches."""
        return [
            f"{keyword} is {had(dataset, keyword)}; wanted is {_words(wanted)}."
            for keyword, wanted in self._conditions
            if not satisfied(dataset, keyword, wanted)
        ]

    def matches_series(self, datasets: Iterable[Dataset]) -> bool:
        """Whether there are instances and all of them match."""
        every = [self.matches(dataset) for dataset in datasets]
        return bool(every) and all(every)

    def select(self, series: Sequence[Series]) -> Series:
        """The matching series with the most instances.

        Raises NoMatchingSeries, listing what was seen and why it does not match, or which series tie.
        """
        matching = [one for one in series if self.matches_series(one.datasets)]
        if not matching:
            raise NoMatchingSeries(f"Seen: {' '.join(map(self._seen, series)) or 'no series at all.'}")
        most = max(len(one.instances) for one in matching)
        largest = [one for one in matching if len(one.instances) == most]
        if len(largest) > 1:
            raise NoMatchingSeries(
                f"{len(largest)} series of {most} instances match alike: {'; '.join(map(_label, largest))}.",
                hint="Send one of them, or make the rule narrower.",
            )
        return largest[0]

    def _seen(self, series: Series) -> str:
        failing = next(one for one in series.datasets if not self.matches(one))
        return f"{_label(series)}: {' '.join(self.explain(failing))}"


def _label(series: Series) -> str:
    shown = [str(value) for keyword in SHOWN if (value := series.datasets[0].get(keyword))]
    return f"series {' '.join(shown)} ({len(series.instances)} instances)"


def _code(wanted: Condition) -> str:
    if isinstance(wanted, frozenset):
        return "{" + ", ".join(sorted(map(repr, wanted))) + "}"
    return repr(wanted)


def _words(wanted: Condition) -> str:
    match wanted:
        case (None, None):
            return "any number"
        case (low, None):
            return f"at least {low}"
        case (None, high):
            return f"at most {high}"
        case (low, high):
            return f"{low} to {high}"
    return _code(wanted)
