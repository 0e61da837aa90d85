# SPDX-License-Identifier: Apache-2.0
"""`gantry quarantine`: what was refused, why, and the way back in."""

from dataclasses import asdict
from typing import Annotated

import typer

from .. import quarantine
from ..config import load
from ..control import ask
from .output import DEFAULT_CONFIG, ConfigOption, JsonOption, counted, print_json, say, table

app = typer.Typer(help="What was refused, why, and the way back in.", no_args_is_help=True)
EntryId = Annotated[str, typer.Argument(help="The entry's name.", metavar="ENTRY")]


@app.command("list")
def list_entries(config: ConfigOption = DEFAULT_CONFIG, json: JsonOption = False) -> None:
    """The oldest entries first."""
    entries = quarantine.entries(load(config).storage.path)
    if json:
        print_json([asdict(entry) for entry in entries])
    else:
        rows = [(entry.id, entry.kind, entry.sentence, entry.hint) for entry in entries]
        table(counted(len(rows), "entry", "entries"), ("entry", "kind", "reason", "what to do"), rows)


@app.command()
def show(entry: EntryId, config: ConfigOption = DEFAULT_CONFIG, json: JsonOption = False) -> None:
    """One entry, with everything that is known of it."""
    facts = asdict(quarantine.show(load(config).storage.path, entry))
    if json:
        print_json(facts)
    else:
        table(entry, ("fact", "value"), facts.items())


@app.command()
def release(entry: EntryId, config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Check the entry again and take it in; says why when the reason still holds."""
    say(ask(load(config).storage.path, "release", entry=entry))
