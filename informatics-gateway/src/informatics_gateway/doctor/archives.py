# SPDX-License-Identifier: Apache-2.0
"""The destinations: that each can be reached with its credentials, and can be asked for proof."""

import os
from collections.abc import Iterator

from ..config import Config, Destination, DicomwebDestination, DimseDestination, FolderDestination
from ..destinations.dimse import DimseClient
from ..durable import unwritable
from ..errors import DestinationRefused, DestinationUnavailable
from .check import Check, fail, failed, ok, warn
from .dicomweb import dicomweb
from .listening import unreachable
from .place import existing

PATIENCE_S = 10.0


def archives(config: Config) -> Iterator[Check]:
    """The checks of every [[destination]], and that a [[route]] uses it."""
    for destination in config.destinations:
        yield from _destination(destination, config)
        if not any(destination.name in route.destinations for route in config.routes):
            hint = f'Add "{destination.name}" to the destinations of a [[route]], or take it out.'
            yield warn(_name(destination), "No route sends anything there.", hint)


def _name(destination: Destination) -> str:
    return f"destination {destination.name}"


def _destination(destination: Destination, config: Config) -> Iterator[Check]:
    if isinstance(destination, DicomwebDestination):
        yield from dicomweb(_name(destination), destination)
    elif isinstance(destination, DimseDestination):
        yield _dimse(destination, config.dicom.ae_title)
    else:
        yield _folder(destination)


# DIMSE


def _dimse(destination: DimseDestination, ae_title: str) -> Check:
    name = _name(destination)
    if trouble := unreachable(destination.host, destination.port, PATIENCE_S):
        hint = "Check host and port of this [[destination]], and that the archive runs."
        return fail(name, f"{destination.host}:{destination.port} cannot be reached: {trouble}.", hint)
    quick = destination.model_copy(update={"timeout_s": min(destination.timeout_s, PATIENCE_S)})
    try:
        with DimseClient(quick, ae_title) as client:
            ways = client.echo()
    except DestinationUnavailable as error:
        sentence = f"What listens there does not answer as a DICOM archive: {error.detail}"
        return fail(name, sentence, "Check host and port of this [[destination]].")
    except DestinationRefused as error:
        return failed(name, error, _who_is_wrong(str(error), destination, ae_title) or error.hint)
    return _proof(destination, ways, ae_title)


def _who_is_wrong(said: str, destination: DimseDestination, ae_title: str) -> str:
    """The setting that a rejection is about (PS3.8 Table 9-21)."""
    if "called ae title" in said.lower():
        return f"Correct ae_title of this [[destination]]: the archive is not called {destination.ae_title}."
    if "calling ae title" in said.lower():
        return f"Make {ae_title} ([dicom] ae_title) at this machine's address known to the archive."
    return ""


def _proof(destination: DimseDestination, ways: tuple[str, ...], ae_title: str) -> Check:
    name, wanted = _name(destination), destination.proof
    place = f"{destination.ae_title} at {destination.host}:{destination.port} answers C-ECHO"
    if wanted == "response":
        note = f"; it would let itself be asked ({ways[0]})" if ways else ""
        return ok(name, f"{place}; its C-STORE response is taken as proof{note}.")
    if not ways or (wanted != "auto" and wanted not in ways):
        have = " and ".join(ways) or "neither C-GET nor C-FIND"
        other = ways[0] if ways else "response"
        return fail(
            name,
            f'{place}, but allows {have}, so proof = "{wanted}" cannot be had.',
            f"Allow C-GET or C-FIND for {ae_title} ([dicom] ae_title) in the archive, "
            f'or set proof = "{other}" in this [[destination]].',
        )
    return ok(name, f"{place}; results are proved by {ways[0] if wanted == 'auto' else wanted}.")


# folder


def _folder(destination: FolderDestination) -> Check:
    name, folder = _name(destination), existing(destination.path)
    if not folder.is_dir():
        return fail(name, f"{folder} is a file, not a folder.", "Correct `path` of this [[destination]].")
    if trouble := unwritable(folder):
        hint = f"Give the user that runs `gantry serve` (now {os.geteuid()}) this folder, or correct `path`."
        return fail(name, f"{folder} cannot be written: {trouble}.", hint)
    return ok(name, f"{destination.path} can be written.")
