# SPDX-License-Identifier: Apache-2.0
"""`gantry send`: DICOM files, folders and zips to an archive, a folder or a button, and counted there."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from ..config import Destination, load
from ..sending import Sent, send
from ..sending.addressee import find_destination, to_button
from .output import DEFAULT_CONFIG, ConfigOption, JsonOption, counted, interruptible, print_json, say
from .waiting import counting_bar

MOST_SHOWN = 20
ToOption = Annotated[
    str | None,
    typer.Option("--to", metavar="NAME|URL", help=r"A [\[destination]], or http://host:port of an archive."),
]


def send_command(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH|ZIP...", help="Files, folders, zips.")],
    to: ToOption = None,
    button: Annotated[
        str | None, typer.Option("--button", metavar="AE_TITLE", help="A button of this gateway.")
    ] = None,
    username: Annotated[str | None, typer.Option("--username", help="For a URL.")] = None,
    password_env: Annotated[
        str | None, typer.Option("--password-env", metavar="NAME", help="The variable with its password.")
    ] = None,
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
) -> None:
    """Send every DICOM instance in PATH to a destination, and count them there.

    Zips are read member by member, without unpacking.  Exit status 1: something is missing, or was refused.
    """
    if (to is None) == (button is None):
        raise typer.BadParameter("give one of --to and --button", param_hint="--to")
    if button is not None:
        destination: Destination
        destination, calling = to_button(button, load(config))
    else:
        destination, calling = find_destination(to or "", config, username, password_env)
    with (
        interruptible("What had been sent is there, uncounted."),
        counting_bar(f"to {destination.name}") as at,
    ):
        sent = send(paths, destination, at, calling)
    if json:
        print_json(asdict(sent) | {"complete": sent.complete})
    else:
        show_sent(sent)
    raise typer.Exit(0 if sent.complete and sent.instances else 1)


def show_sent(sent: Sent) -> None:
    """Say what was sent, what is there, and what is not."""
    say(
        f"{counted(sent.instances, 'instance')} in {sent.series} series of "
        f"{counted(sent.studies, 'study', 'studies')}, "
        f"{sent.bytes / 1e6:.1f} MB in {sent.seconds:.1f} s to {sent.destination}."
    )
    if sent.instances:
        say(f"{sent.present} of {sent.instances} are there ({sent.proof}).")
    else:
        say("There is no DICOM instance to send.")
    for count, words in (
        (sent.skipped, "Not DICOM"),
        (sent.repeated, "Copies, sent once"),
        (len(sent.failed), "Not sent"),
    ):
        if count:
            say(f"{words}: {count}")
    for sentence in (*(f"Missing: {uid}" for uid in sent.missing), *sent.failed)[:MOST_SHOWN]:
        say(sentence)
    if (more := len(sent.missing) + len(sent.failed) - MOST_SHOWN) > 0:
        say(f"and {more} more, in --json.")
