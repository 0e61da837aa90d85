# SPDX-License-Identifier: Apache-2.0
"""Pages from templates.  Every text is escaped; a name that a template misspells is an error."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from .answers import VERSION

UNITS = {"[hnsf'U]": "HU", "1": "", "mm2": "mm²", "mm3": "mm³", "cm2": "cm²", "cm3": "cm³", "[ppm]": "ppm"}
STEPS = ((60, 1, "s"), (3600, 60, "min"), (86400, 3600, "h"), (float("inf"), 86400, "d"))


NAV = (
    ("/", "Status"),
    ("/dataset", "Data set"),
    ("/research/convert", "To DICOM"),
    ("/research/deidentify", "De-identify"),
)


def render(name: str, **values: Any) -> str:
    """The page `name` with these values; `nav`: paths and names of the pages that each page leads to."""
    standing = {"nav": NAV, "zone": datetime.now().astimezone().tzname(), "version": VERSION}
    return _ENVIRONMENT.get_template(name).render(**(standing | values))


def duration(seconds: float) -> str:
    """A duration in at most two units: 42 ms, 3.1 s, 38 s, 3 min 5 s, 2 h 10 min, 4 d 1 h."""
    if seconds < 10:
        return f"{seconds:.1f} s" if seconds >= 0.1 else f"{seconds * 1000:.0f} ms"
    whole = round(seconds)
    index = next(index for index, (limit, _, _) in enumerate(STEPS) if whole < limit)
    _, size, unit = STEPS[index]
    text = f"{whole // size} {unit}"
    if index and (rest := whole % size // STEPS[index - 1][1]):
        text += f" {rest} {STEPS[index - 1][2]}"
    return text


def ago(at: datetime) -> str:
    """How long ago, in one unit."""
    seconds = max(0.0, (datetime.now(UTC) - at).total_seconds())
    limit_size_unit = next(step for step in STEPS if seconds < step[0])
    return f"{int(seconds // limit_size_unit[1])} {limit_size_unit[2]} ago"


def clock(at: datetime) -> str:
    """The time of day of this machine; with the date when it is not today's."""
    local = at.astimezone()
    today = datetime.now(UTC).astimezone().date()
    return local.strftime("%H:%M:%S" if local.date() == today else "%Y-%m-%d %H:%M:%S")


def shortened(uid: str) -> str:
    """The end of a UID, which tells it from its neighbours."""
    return uid if len(uid) <= 14 else f"…{uid[-12:]}"


def number(value: float) -> str:
    """A measured value with four significant digits, without an exponent."""
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def unit(code: str) -> str:
    """A UCUM unit as people write it."""
    return UNITS.get(code, code)


def prose(text: str) -> Markup:
    """A sentence with its `commands` set as code; everything is escaped."""
    pieces = [escape(piece) for piece in text.split("`")]
    if len(pieces) % 2 == 0:  # a backtick without its fellow
        return escape(text)
    code = Markup("<code>{}</code>")
    return Markup("").join(code.format(piece) if index % 2 else piece for index, piece in enumerate(pieces))


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        duration=duration, ago=ago, clock=clock, shortened=shortened, number=number, unit=unit, prose=prose
    )
    return environment


_ENVIRONMENT = _environment()
