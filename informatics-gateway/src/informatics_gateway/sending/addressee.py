# SPDX-License-Identifier: Apache-2.0
"""Whom a person means: a [[destination]] by its name, an archive by its URL, a button of this gateway."""

from pathlib import Path
from urllib.parse import urlsplit

from ..config import LOOPBACK, Config, Destination, DicomwebDestination, DimseDestination, load
from ..errors import BadConfiguration

ALL_ADDRESSES = ("0.0.0.0", "::", "")


class NoSuchDestination(BadConfiguration):
    """There is no such destination."""

    hint = "Give the `name` of a [[destination]], or the URL of an Orthanc or a DICOMweb service."


class NoSuchButton(BadConfiguration):
    """There is no such button."""

    hint = "Give the `called_ae_title` of a [[route]], and have a [[source]] for this machine."


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
