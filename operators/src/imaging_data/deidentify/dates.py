# SPDX-License-Identifier: Apache-2.0
"""Dates moved by whole days, so that intervals stay (PS3.15 section E.3.6); times stay; great ages are capped."""

import re
from datetime import date, timedelta

OLDEST = 89  # years; whoever is older is one of few


def shift(value: str, days: int) -> str:
    """A DICOM date, or date and time, `days` later; "" for one that is none or leaves the calendar.

    A range (PS3.4 section C.2.2.2.5) is no date.  A date and time of which only the year or the month is known
    is moved as its first day and comes back as precise as it was.
    """
    text = value.strip(" \0")
    found = re.fullmatch(r"(\d{4})\.?(\d{2})?\.?(\d{2})?(\d{0,6}(?:\.\d{1,6})?)([+-]\d{4})?", text)
    if found is None:
        return ""
    year, month, day, time, zone = found.groups()
    try:
        moved = date(int(year), int(month or 1), int(day or 1)) + timedelta(days)
    except (ValueError, OverflowError):
        return ""
    known = 8 if day else 6 if month else 4
    return f"{moved:%Y%m%d}".rjust(8, "0")[:known] + (time or "") + (zone or "")


def cap_age(value: str) -> str:
    """An age (VR AS); 090Y for more than 89 years, "" for what is no age."""
    found = re.fullmatch(r"(\d{3})([DWMY])", value.strip(" \0"))
    if found is None:
        return ""
    years = int(found[1]) / {"D": 365.25, "W": 52.18, "M": 12, "Y": 1}[found[2]]
    return found[0] if years < OLDEST + 1 else f"{OLDEST + 1:03}Y"
