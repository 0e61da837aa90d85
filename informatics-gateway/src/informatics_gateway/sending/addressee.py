# SPDX-License-Identifier: Apache-2.0
"""Whom a person means: a [[destination]] by its name, an archive by its URL, a button of this gateway."""

import re
from pathlib import Path
from urllib.parse import urlsplit

from ..config import LOOPBACK, Config, Destination, DicomwebDestination, DimseDestination, load
from ..errors import BadConfiguration

ALL_ADDRESSES = ("0.0.0.0", "::", "")
NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")  # of a destination; an IPv6 address is none


class NoSuchDestination(BadConfiguration):
    """There is no such destination."""

    hint = "Give the `name` of a [[destination]], or the URL of an Orthanc or a DICOMweb service."


class HalfCredentials(BadConfiguration):
    """The credentials cannot be used."""

    hint = "Give --username and --password-env with a URL; those of a [[destination]] stand in its table."


class NoSuchButton(BadConfiguration):
    """There is no such button."""

    hint = "Give the `called_ae_title` of a [[route]], and have a [[source]] for this machine."


def find_destination(
    to: str, config: Path, username: str | None = None, password_env: str | None = None
) -> tuple[Destination, str]:
    """What `--to` names, and the AE title that calls it.

    to: the name of a [[destination]] in the file `config`, or a URL: of an Orthanc, which is found at its root,
    or of a DICOMweb service, with `username` and `password_env` where it wants them.  Raises NoSuchDestination,
    HalfCredentials and BadConfiguration.
    """
    if "://" in to:
        host, path = _split(to)
        if (username is None) != (password_env is None):
            raise HalfCredentials("Only one of --username and --password-env is there.")
        url = to.rstrip("/") + ("" if path.strip("/") else "/dicom-web")
        return DicomwebDestination(
            kind="dicomweb",
            name=host if NAME.fullmatch(host) else "archive",
            url=url,
            username=username,
            password_env=password_env,
        ), Config().dicom.ae_title
    if username or password_env:
        raise HalfCredentials(f"--username and --password-env are for a URL, and {to!r} is none.")
    settings = load(config)
    if to not in {destination.name for destination in settings.destinations}:
        raise NoSuchDestination(f"{config} has no [[destination]] {to!r}.")
    return settings.destination(to), settings.dicom.ae_title


def _split(url: str) -> tuple[str, str]:
    """Host and path of the URL.  Raises NoSuchDestination."""
    try:
        where = urlsplit(url)
        good = url.startswith(("http://", "https://")) and where.port != 0 and where.username is None
    except ValueError:  # a port or an IPv6 address that is none
        good = False
    if not good or not where.hostname or set(url) & set(" ?#"):
        raise NoSuchDestination("A URL is http:// or https://, a host, and no user name, password or query.")
    return where.hostname, where.path


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
