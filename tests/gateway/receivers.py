# SPDX-License-Identifier: Apache-2.0
"""A real receiver on a free port for the tests, what it told, and DCMTK's senders."""

import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from informatics_gateway import receive
from informatics_gateway.config import Config
from informatics_gateway.model import Association, Refusal
from informatics_gateway.receive import Receiver

BUTTON, ECHO, CALLING, HOST = "LUNGS", "GANTRY", "MODALITY", "127.0.0.1"
KNOWN = {"ae_title": CALLING, "host": HOST}
WAITS_S = 60.0
STREAMING, STOCK = receive.TRIED_WITH, "another version"


class Heard:
    """A listener that remembers."""

    def __init__(self) -> None:
        self.arrivals: list[tuple[Association, Path]] = []
        self.ends: list[tuple[Association, bool]] = []
        self.refusals: list[Refusal] = []
        self._changed = threading.Condition()

    def arrived(self, association: Association, path: Path) -> None:
        """Remember."""
        self._add(self.arrivals, (association, path))

    def ended(self, association: Association, released: bool) -> None:
        """Remember."""
        self._add(self.ends, (association, released))

    def refused(self, refusal: Refusal) -> None:
        """Remember."""
        self._add(self.refusals, refusal)

    def _add(self, to: list[Any], what: object) -> None:
        with self._changed:
            to.append(what)
            self._changed.notify_all()

    def wait(self, until: Callable[["Heard"], bool]) -> None:
        """Wait until `until` is true of what was heard."""
        with self._changed:
            assert self._changed.wait_for(lambda: until(self), WAITS_S), f"{self.released}, {self.refusals}"

    @property
    def released(self) -> list[bool]:
        """How each association ended, in order."""
        return [released for _, released in self.ends]


def settings(storage: Path, sources: Sequence[dict[str, str]] = (KNOWN,), **dicom: Any) -> Config:
    """A configuration with one button and no reserve."""
    return Config.model_validate(
        {
            "storage": {"path": storage, "reserve_gb": 0},
            "dicom": {"port": 0, "ae_title": ECHO, **dicom},
            "source": list(sources),
            "destination": [{"name": "nowhere", "kind": "folder", "path": storage, "clinical": False}],
            "app": [{"name": "none", "path": storage}],
            "route": [{"called_ae_title": BUTTON, "app": "none", "destinations": ["nowhere"]}],
        }
    )


class Running:
    """A started receiver and what it told."""

    def __init__(self, config: Config) -> None:
        self.heard, self.storage = Heard(), config.storage.path
        self.receiver = Receiver(config, self.heard)
        self.receiver.start()

    def dcmtk(
        self, program: str, *arguments: str | Path, calling: str = CALLING, called: str = BUTTON
    ) -> str:
        """What DCMTK's `program` prints with -v, sending to this receiver."""
        titles = ["-v", "-aet", calling, "-aec", called]
        done = subprocess.run(
            [f"/usr/bin/{program}", *titles, HOST, str(self.receiver.port), *arguments],
            capture_output=True,
            text=True,
            env=os.environ | {"TCP_NODELAY": "1"},
            check=False,
        )
        return done.stdout + done.stderr

    def quarantined(self) -> list[Path]:
        """The folders in quarantine."""
        return sorted((self.storage / "quarantine").glob("*"))

    def files(self) -> list[str]:
        """The names of the files under incoming/, without association.json."""
        files = (path for path in (self.storage / "incoming").rglob("*") if path.is_file())
        return sorted(path.name for path in files if path.name != "association.json")

    def wait_until_empty(self) -> None:
        """Wait until no file is left under incoming/."""
        deadline = time.monotonic() + WAITS_S
        while self.files():
            assert time.monotonic() < deadline, self.files()
            time.sleep(0.01)


@contextmanager
def running(config: Config) -> Iterator[Running]:
    """Start a receiver, and stop it."""
    started = Running(config)
    try:
        yield started
    finally:
        started.receiver.stop()
