# SPDX-License-Identifier: Apache-2.0
"""`gantry doctor`: plays the PACS and names the wrong setting."""

from dataclasses import asdict

import typer

from .output import DEFAULT_CONFIG, ConfigOption, JsonOption, print_json


def doctor(config: ConfigOption = DEFAULT_CONFIG, json: JsonOption = False) -> None:
    """Check configuration, storage, ports, sources, destinations, apps.  Exit status 1: one failed."""
    from .. import doctor as checks_of  # it knows every part of the gateway; the other commands need not

    checks = checks_of.checks(config)
    if json:
        print_json([asdict(check) for check in checks])
    else:
        checks_of.render(checks)
    raise typer.Exit(1 if any(check.status == "fail" for check in checks) else 0)
