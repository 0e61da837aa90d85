# SPDX-License-Identifier: Apache-2.0
"""The alternative views that an instance offers: its VOI LUTs and its windows (PS3.3 section C.11.2)."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from ..errors import UnsupportedPixels
from ..grey_values import LookupTable, windowed
from ..values import items_of, text_of, values_of
from .rendering import Rule, Window

Floats = NDArray[np.float64]
EXACT = ("LINEAR_EXACT", "SIGMOID")
NARROW = 1e-6  # modality values; of ranges below it the 1 in LINEAR's formula would take the digits
WIDER = "Ask for a width of 1 or more."


@dataclass(frozen=True)
class View:
    """One way to show modality values: a window, or a table.

    number: among those of the instance, from 1; 0 for one that is not its own.
    """

    rule: Rule
    window: Window | None = None
    table: LookupTable | None = None
    explanation: str = ""
    number: int = 0

    def shown(self, real: Floats) -> Floats:
        """Modality values as brightness 0 to 1, before any inversion."""
        if self.table is not None:
            return np.minimum(self.table.apply(real) / self.table.greatest, 1)
        assert self.window is not None
        return windowed(real, *self.window)


def views_of(header: Dataset, tables: bool = True) -> list[View]:
    """All that `header` offers, tables first; what is damaged, or has a width that no window has, is left out.

    tables: whether those of VOILUTSequence are looked at.

    PS3.3 section C.8.11.3.1.5: a table or a window is applied, never both, and several are alternatives.  It does
    not say which to prefer; a table is there because no window could say it.
    """
    found = [*(_tables(header) if tables else ()), *_windows(header)]
    return [replace(view, number=number) for number, view in enumerate(found, 1)]


def _tables(header: Dataset) -> Iterator[View]:
    for item in items_of(header, "VOILUTSequence"):
        try:
            table = LookupTable.of(item, header)
        except UnsupportedPixels:
            continue
        yield View(Rule.TABLE, table=table, explanation=text_of(item, "LUTExplanation"))


def _windows(header: Dataset) -> Iterator[View]:
    function = text_of(header, "VOILUTFunction").strip().upper()
    function = function if function in EXACT else "LINEAR"
    explanations = [*map(str, values_of(header, "WindowCenterWidthExplanation"))]
    pairs = zip(values_of(header, "WindowCenter"), values_of(header, "WindowWidth"), strict=False)
    for place, (centre, width) in enumerate(pairs):
        try:
            window = Window(float(centre), float(width), function)
        except (TypeError, ValueError):
            continue
        if _is_sound(window):
            explanation = explanations[place] if place < len(explanations) else ""
            yield View(Rule.WINDOW, window, explanation=explanation)


def _is_sound(window: Window) -> bool:
    """Whether its function allows the width (PS3.3 sections C.11.2.1.2 and C.11.2.1.3)."""
    wide_enough = window.width > 0 if window.function in EXACT else window.width >= 1
    return wide_enough and math.isfinite(window.centre) and math.isfinite(window.width)


def chosen(views: list[View], asked: int | str | Window, smallest: float, greatest: float) -> View:
    """The view that is asked for, else the first, else the whole range.

    smallest, greatest: modality values of this frame, padding among them, which OHIF shows black and white where an
    instance has no window; so is it done here.  Raises UnsupportedPixels for a Window that is none.
    """
    if isinstance(asked, Window):
        if not _is_sound(asked):
            raise UnsupportedPixels(
                f"No window has centre {asked.centre:g} and width {asked.width:g}.", hint=WIDER
            )
        return View(Rule.ASKED, asked)
    offered = next((view for view in views if _is(view, asked)), views[0] if views else None)
    return offered or View(Rule.RANGE, full_range(smallest, greatest))


def _is(view: View, asked: int | str) -> bool:
    if isinstance(asked, int):
        return view.number == asked
    return view.explanation.strip().casefold() == asked.strip().casefold()


def full_range(smallest: float, greatest: float) -> Window:
    """The window in which `smallest` is the last value that is black, `greatest` the first that is white: LINEAR."""
    if 0 < greatest - smallest < NARROW:
        return Window((smallest + greatest) / 2, greatest - smallest, "LINEAR_EXACT")
    return Window((smallest + greatest + 1) / 2, greatest - smallest + 1)
