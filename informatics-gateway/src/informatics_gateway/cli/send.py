# SPDX-License-Identifier: Apache-2.0
"""`gantry send`: DICOM files, folders and zips to an archive, a folder or a button, and counted there."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer

from ..config import LOOPBACK, Config, Destination, DicomwebDestination, DimseDestination, load
from ..errors import BadConfiguration
from ..sending import Sent, send
from .output import DEFAULT_CONFIG, ConfigOption, JsonOption, print_json, say
from .waiting import counting_bar

MOST_SHOWN = 20
ALL_ADDRESSES = ("0.0.0.0", "::", "")
ToOption = Annotated[
    str | None,
    typer.Option("--to", metavar="NAME|URL", help="A [[destination]], or http://host:port of an archive."),
]


class NoSuchDestination(BadConfiguration):
    """There is no such destination."""

    hint = "Give the `name` of a [[destination]], or the URL of an Orthanc or a DICOMweb service."


class NoSuchButton(BadConfiguration):
    """There is no such button."""

    hint = "Give the `called_ae_title` of a [[route]], and have a [[source]] for this machine."


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
    with counting_bar(f"to {destination.name}") as at:
        sent = send(paths, destination, at, calling)
    if json:
        print_json(asdict(sent) | {"complete": sent.complete})
    else:
        show_sent(sent)
    raise typer.Exit(0 if sent.complete and sent.instances else 1)


def find_destination(
    to: str, config: Path, username: str | None = None, password_env: str | None = None
) -> tuple[Destination, str]:
    """What `--to` names, and the AE title that calls it.

    to: the name of a [[destination]] in the file `config`, or a URL: of an Orthanc, which is found at its root,
    or of a DICOMweb service.  Raises NoSuchDestination and BadConfiguration.
    """
    if "://" in to:
        where = urlsplit(to)
        if where.scheme not in ("http", "https") or not where.hostname or where.password:
            raise NoSuchDestination("A URL begins with http:// or https:// and holds no password.")
        url = to.rstrip("/") + ("" if where.path.strip("/") else "/dicom-web")
        return DicomwebDestination(
            kind="dicomweb",
            name=where.hostname.replace(":", "."),
            url=url,
            username=username,
            password_env=password_env,
        ), Config().dicom.ae_title
    settings = load(config)
    if to not in {destination.name for destination in settings.destinations}:
        raise NoSuchDestination(f"{config} has no [[destination]] {to!r}.")
    return settings.destination(to), settings.dicom.ae_title


def to_button(called: str, config: Config) -> tuple[DimseDestination, str]:
    """The gateway's own button as a destination, and the AE title of a source that may call it from here.

    Raises NoSuchButton.
    """
    if called not in {route.called_ae_title for route in config.routes}:
        raise NoSuchButton(f"No [[route]] has the called_ae_title {called!r}.")
    sources = sorted(config.sources, key=lambda source: source.host not in LOOPBACK)
    if not sources:
        raise NoSuchButton("No [[source]] may send.")
    dicom = config.dicom
    host = LOOPBACK[0] if dicom.host in ALL_ADDRESSES else dicom.host
    # The gateway acknowledges what is durable, and has nothing to ask it by.
    return DimseDestination(
        kind="dimse",
        name="gateway",
        host=host,
        port=dicom.port,
        ae_title=called,
        proof="response",
    ), sources[0].ae_title


def show_sent(sent: Sent) -> None:
    """Say what was sent, what is there, and what is not."""
    say(
        f"{sent.instances} instances in {sent.series} series of {sent.studies} studies, "
        f"{sent.bytes / 1e6:.1f} MB in {sent.seconds:.1f} s to {sent.destination}."
    )
    say(f"{sent.present} of {sent.instances} are there ({sent.proof}).")
    for count, words in ((sent.skipped, "files are not DICOM"), (sent.repeated, "copies were sent once")):
        if count:
            say(f"{count} {words}.")
    for sentence in (*(f"Missing: {uid}" for uid in sent.missing), *sent.failed)[:MOST_SHOWN]:
        say(sentence)
    if (more := len(sent.missing) + len(sent.failed) - MOST_SHOWN) > 0:
        say(f"and {more} more, in --json.")
