# SPDX-License-Identifier: Apache-2.0
"""The gateway's own ports, and what a PACS sees of it: each source is played against each button."""

import errno
import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx

from ..config import LOOPBACK, Config, DimseDestination, Source
from ..control import ask
from ..destinations.dimse import DimseClient
from ..errors import DestinationRefused, DestinationUnavailable, GantryError, NotRunning
from .check import Check, fail, ok, warn

PATIENCE_S = 3.0
EVERYWHERE = ("0.0.0.0", "::", "")
RESTART = "Restart `gantry serve`: it reads its configuration once, at start."


@dataclass(frozen=True)
class Address:
    """Where the gateway listens for one purpose: the configuration's table, host and port."""

    table: str
    host: str
    port: int

    @property
    def reached_at(self) -> str:
        """The host to connect to from this machine."""
        return "127.0.0.1" if self.host in EVERYWHERE else self.host

    def answers(self) -> bool:
        """Whether something listens there; never on port 0, which means any."""
        return not unreachable(self.reached_at, self.port, PATIENCE_S)

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def unreachable(host: str, port: int, patience_s: float) -> str:
    """Why there is no TCP connection to `host` and `port`; empty when there is."""
    try:
        with socket.create_connection((host, port), patience_s):
            return ""
    except OSError as error:
        return error.strerror or "no answer"


def listening(config: Config) -> Iterator[Check]:
    """The checks of [dicom], [web] and every [[source]]."""
    runs = is_running(config.storage.path)
    dicom = Address("dicom", config.dicom.host, config.dicom.port)
    web = Address("web", config.web.host, config.web.port)
    heard = dicom.answers()
    yield _port(web, web.answers(), runs, _is_gantry(web))
    yield _port(dicom, heard, runs, runs)
    yield from _sources(config, dicom, runs and heard)


def is_running(storage: Path) -> bool:
    """Whether a gateway runs on this storage folder."""
    try:
        ask(storage, "alive")  # it knows no such command, and says so
    except NotRunning:
        return False
    except GantryError:
        return True
    return True


def _is_gantry(web: Address) -> bool:
    try:
        answer = httpx.get(f"http://{web.reached_at}:{web.port}/healthz", timeout=PATIENCE_S, trust_env=False)
        return bool(answer.is_success and answer.json().get("product") == "Gantry")
    except (httpx.HTTPError, ValueError, AttributeError):
        return False


def _port(address: Address, answers: bool, runs: bool, ours: bool) -> Check:
    name = f"port {address.table}"
    setting = f"[{address.table}] port"
    if address.port == 0:
        hint = f"Set {setting}, so that senders and people find it."
        return warn(name, "It is another one at each start.", hint)
    if not answers:
        if runs:
            return fail(name, f"The running gateway does not listen on {address}.", RESTART)
        return _free(name, address)
    if runs and ours:
        return ok(name, f"The running gateway listens on {address}.")
    whose = "another gateway" if ours else "another program"
    hint = f"End it (`ss -ltnp 'sport = :{address.port}'` names it), or set another {setting}."
    return fail(name, f"{address} is held by {whose}.", hint)


def _free(name: str, address: Address) -> Check:
    try:
        with socket.create_server((address.host, address.port)):
            return ok(name, f"{address} is free; the gateway is not running.")
    except OSError as error:
        said = os.strerror(error.errno or 0)
        return fail(name, f"{address} cannot be listened on: {said}.", _bind_hint(address, error))


def _bind_hint(address: Address, error: OSError) -> str:
    if error.errno == errno.EACCES:
        return f"Ports under 1024 need a right of their own: set [{address.table}] port above."
    return f"Set [{address.table}] host to an address of this machine, or 0.0.0.0 for all of them."


# the PACS


def _sources(config: Config, dicom: Address, running: bool) -> Iterator[Check]:
    if not config.sources:
        yield warn("sources", "Nobody may send.", "Add a [[source]] with ae_title and host of the PACS.")
    for source in config.sources:
        yield from _source(source, config, dicom, running)


def _source(source: Source, config: Config, dicom: Address, running: bool) -> Iterator[Check]:
    name = f"source {source.ae_title}"
    addresses = _addresses(source.host)
    if not addresses:
        hint = "Correct `host` of this [[source]], or the name service; until then it is refused."
        yield fail(name, f"The name {source.host} has no address.", hint)
    elif _seen_as(dicom) in addresses:
        yield from _play(source, config, dicom, running)
    elif dicom.host in LOOPBACK:
        hint = 'Set [dicom] host to this machine\'s address, or to "0.0.0.0".'
        yield fail(name, f"{source.host} cannot reach the gateway, which listens on {dicom.host} only.", hint)
    else:
        buttons = " or ".join(_buttons(config)) or "a button"
        yield ok(name, f"It calls from {source.host}: try {buttons}, port {dicom.port}, from there.")


def _addresses(host: str) -> set[str]:
    try:
        return {str(found[4][0]) for found in socket.getaddrinfo(host, None)}
    except OSError:
        return set()


def _seen_as(dicom: Address) -> str:
    """The address that the gateway sees when this machine calls it."""
    family = socket.AF_INET6 if ":" in dicom.reached_at else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((dicom.reached_at, 104))  # datagrams: nothing is sent
        except OSError:
            return ""
        return str(probe.getsockname()[0])


def _buttons(config: Config) -> list[str]:
    return list(dict.fromkeys(route.called_ae_title for route in config.routes))


def _play(source: Source, config: Config, dicom: Address, running: bool) -> Iterator[Check]:
    """Associate as the source does, with each button."""
    if not running:
        hint = "Start `gantry serve`, then run this again."
        yield warn(f"source {source.ae_title}", "It is not played: the gateway is not running.", hint)
        return
    for button in _buttons(config):
        yield _press(source, button, dicom)


def _press(source: Source, button: str, dicom: Address) -> Check:
    name = f"source {source.ae_title}"
    called = DimseDestination(
        name="gateway",
        kind="dimse",
        host=dicom.reached_at,
        port=dicom.port,
        ae_title=button,
        timeout_s=PATIENCE_S,
    )
    try:
        with DimseClient(called, source.ae_title) as client:
            client.echo()
    except DestinationUnavailable as error:
        return fail(name, f"{button}: {error.detail}", "The log of `gantry serve` says why.")
    except DestinationRefused as error:
        return fail(name, _rejected(source, button, str(error)), RESTART)
    return ok(name, f"It reaches {button}.")


def _rejected(source: Source, button: str, said: str) -> str:
    if "called ae title" in said.lower():
        return f"The running gateway has no button {button}, as this file has."
    if "calling ae title" in said.lower():
        return f"The running gateway does not know {source.ae_title} at {source.host}, as this file does."
    return f"{button}: {said}"
