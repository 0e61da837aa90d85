# SPDX-License-Identifier: Apache-2.0
"""Step 3.  Which apps does this input set go to?"""

from collections.abc import Sequence

from pydicom import Dataset

from imaging_data import read_header

from .config import Config, Route
from .errors import NoMatchingRoute
from .model import InputSet


def route(input_set: InputSet, config: Config) -> tuple[Route, ...]:
    """The routes of the button that was pressed whose rule every instance of the set satisfies.

    Raises NoMatchingRoute, which says of each route why it does not match.
    """
    headers = [read_header(instance.path) for instance in input_set.instances]
    if any(made_by_gantry(header) for header in headers):
        raise NoMatchingRoute(
            "It was made by Gantry itself (ContributingEquipmentSequence).", hint="Send an original series."
        )
    buttons = [each for each in config.routes if each.called_ae_title == input_set.key.called_ae_title]
    matching = tuple(each for each in buttons if each.series.matches_series(headers))
    if not matching:
        raise NoMatchingRoute(" ".join(explain(each, headers) for each in buttons) or _no_button(input_set))
    return matching


def _no_button(input_set: InputSet) -> str:
    return f"No route has called_ae_title {input_set.key.called_ae_title!r}."


def explain(route: Route, headers: Sequence[Dataset]) -> str:
    """Why the route does not take the series, or that it does."""
    misses = [why for header in headers if (why := route.series.explain(header))]
    if not misses:
        return f"{route.name}: matches."
    return f"{route.name}: {len(misses)} of {len(headers)} instances do not match ({'; '.join(misses[0])})."


def made_by_gantry(header: Dataset) -> bool:
    """Whether ContributingEquipmentSequence (PS3.3 C.12.1.1.5) names Gantry, so that it starts no job."""
    equipment = header.get("ContributingEquipmentSequence") or []
    return any(str(item.get("ManufacturerModelName", "")).lower() == "gantry" for item in equipment)
