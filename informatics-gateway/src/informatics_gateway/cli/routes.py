# SPDX-License-Identifier: Apache-2.0
"""`gantry routes`: which app would take this series, and why not."""

from pathlib import Path
from typing import Annotated, Any

import typer

from imaging_data import Series, find_instances

from ..config import Config, load
from ..route import check_profiles, explain
from .output import DEFAULT_CONFIG, ConfigOption, JsonOption, counted, print_json, say, table

app = typer.Typer(help="Try the routes on files.", no_args_is_help=True)


@app.callback()
def routes() -> None:
    """Try the routes on files."""


@app.command("test")
def try_routes(
    path: Annotated[Path, typer.Argument(exists=True, help="A folder of DICOM files, or one file.")],
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
) -> None:
    """Show each route's rule against each series under PATH.  Exit status 1: no route matches."""
    settings = load(config)
    check_profiles(settings, config)
    found = find_instances(path)
    verdicts = [verdict for series in found.series for verdict in _verdicts(settings, series)]
    if json:
        print_json({"verdicts": verdicts, "skipped": len(found.skipped)})
    else:
        columns = ("series_instance_uid", "route", "profile", "verdict")
        rows = [[each[key] for key in columns] for each in verdicts]
        table(f"{len(found.series)} series", ("series", *columns[1:]), rows)
        if found.skipped:
            say(f"Skipped what is not DICOM: {counted(len(found.skipped), 'file')}.")
    raise typer.Exit(0 if any(each["matches"] for each in verdicts) else 1)


def _verdicts(config: Config, series: Series) -> list[dict[str, Any]]:
    headers = [instance.dataset for instance in series.instances]
    return [
        {
            "series_instance_uid": series.series_instance_uid,
            "route": route.name,
            "profile": route.profile or "",
            "matches": route.series.matches_series(headers),
            "verdict": explain(route, headers).removeprefix(f"{route.name}: "),
        }
        for route in config.routes
    ]
