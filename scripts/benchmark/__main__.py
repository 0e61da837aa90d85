# SPDX-License-Identifier: Apache-2.0
"""scripts/bench: one subcommand for each thing that is measured."""

import typer
from apps import apps
from data import measure_data
from line import line
from maps import measure_map
from receive import receive

app = typer.Typer(help="Measure the gateway beside its peers in one run.", no_args_is_help=True)
app.command()(receive)
app.command()(line)
app.command()(apps)
app.command("map")(measure_map)
app.command("data")(measure_data)

if __name__ == "__main__":
    app(prog_name="scripts/bench")
