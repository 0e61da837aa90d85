# SPDX-License-Identifier: Apache-2.0
"""`gantry`: the command line.  Exit status 0 done, 1 failed, 2 wrong usage."""

import sys

import typer

from imaging_data import ExplainedError

from . import apps, dataset, deidentify, jobs, quarantine, routes
from .convert import convert
from .doctor import doctor
from .output import complain
from .send import send_command
from .serve import serve

app = typer.Typer(
    help="AI tools behind a button in the PACS.", no_args_is_help=True, pretty_exceptions_enable=False
)
app.command()(serve)
app.command()(doctor)
app.command()(convert)
app.command("send")(send_command)
app.add_typer(jobs.app, name="jobs")
app.add_typer(routes.app, name="routes")
app.add_typer(apps.app, name="apps")
app.add_typer(quarantine.app, name="quarantine")
app.add_typer(dataset.app, name="dataset")
app.add_typer(deidentify.app, name="deidentify")


def main() -> None:
    """The entry of the `gantry` command: errors are a sentence and a hint, not a trace."""
    try:
        app()
    except ExplainedError as error:
        complain(error)
        sys.exit(1)
