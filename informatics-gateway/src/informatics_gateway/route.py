# SPDX-License-Identifier: Apache-2.0
"""Step 3.  Which apps does this input set go to?"""

import logging
from collections.abc import Sequence
from pathlib import Path

from pydicom import Dataset

from imaging_data import read_header

from .apps import app_of
from .config import Config, Route
from .errors import AppFailed, BadConfiguration, NoMatchingRoute, NoSuchProfile
from .model import InputSet

log = logging.getLogger("gantry.route")


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


def check_profiles(config: Config, path: Path) -> None:
    """Ask each app that a route names a profile of whether it has it.

    An app that cannot answer now is asked again when a job runs.  Raises BadConfiguration, naming the file
    `path`, the key and the value.
    """
    for number, each in enumerate(config.routes):
        if each.profile is None:
            continue
        try:
            app_of(config.app(each.app)).manifest().check_profile(each.profile)
        except AppFailed as error:
            log.warning("route %s: its profile is not checked: %s", each.name, error)
        except NoSuchProfile as error:
            key = f"{path.resolve()}: route.{number}.profile"
            raise BadConfiguration(f"{key}: {error} (value: {each.profile!r})", error.hint) from error


def made_by_gantry(header: Dataset) -> bool:
    """Whether ContributingEquipmentSequence (PS3.3 C.12.1.1.5) names Gantry, so that it starts no job."""
    equipment = header.get("ContributingEquipmentSequence") or []
    return any(str(item.get("ManufacturerModelName", "")).lower() == "gantry" for item in equipment)
