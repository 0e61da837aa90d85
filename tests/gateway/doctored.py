# SPDX-License-Identifier: Apache-2.0
"""A configuration in which everything is well, and one change at a time to it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from gateway_process import Gateway
from orthanc import free_port

from informatics_gateway.doctor import Check, checks

MANIFEST = {
    "name": "tool",
    "version": "1.0",
    "creator": "Tests",
    "digest": "0" * 64,
    "series": {"Modality": "CT"},
    "needs": {"cpu": 1, "memory_mb": 100, "gpu_memory_mb": 0, "timeout_s": 60},
    "models": [],
}


class Patient:
    """gantry.toml with a source, a folder destination, an app and a route."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "gantry.toml"
        self.tables: dict[str, Any] = {
            "storage": {"path": "storage", "reserve_gb": 0},
            "dicom": {"port": free_port()},
            "web": {"port": free_port()},
            "source": [{"ae_title": "MODALITY", "host": "127.0.0.1"}],
            "destination": [{"name": "files", "kind": "folder", "path": "results", "clinical": False}],
            "app": [{"name": "tool", "path": "tool"}],
            "route": [{"called_ae_title": "LUNGS", "app": "tool", "destinations": ["files"]}],
        }
        self.needs()
        self.write()

    def needs(self, *models: str) -> None:
        """Write the app; it needs these model files."""
        (self.folder / "tool").mkdir(exist_ok=True)
        manifest = json.dumps(MANIFEST | {"models": models})
        (self.folder / "tool" / "app.py").write_text(f"print({manifest!r})\n")

    def write(self, **changes: Any) -> None:
        """Write the file; a table in `changes` has these keys changed, a list replaces its tables."""
        tables = {
            name: table | changes.get(name, {}) if isinstance(table, dict) else changes.get(name, table)
            for name, table in self.tables.items()
        }
        lines = [line for name, table in tables.items() for line in _toml(name, table)]
        self.path.write_text("\n".join(lines))

    def look(self) -> list[Check]:
        """What the doctor finds in the file as it is."""
        return checks(self.path)

    def checks(self, **changes: Any) -> list[Check]:
        """What the doctor finds after `changes`, which are taken back."""
        self.write(**changes)
        try:
            return self.look()
        finally:
            self.write()

    def one(self, name: str, status: str = "fail", **changes: Any) -> Check:
        """The one check with this name and status; every check that is not ok says what to do."""
        found = self.checks(**changes)
        assert all(check.sentence and (check.hint or check.status == "ok") for check in found)
        named = [check for check in found if (check.name, check.status) == (name, status)]
        assert len(named) == 1, found
        return named[0]

    def complaints(self, **changes: Any) -> dict[str, str]:
        """The sentences of the checks that are not ok, by name."""
        return {check.name: check.sentence for check in self.checks(**changes) if check.status != "ok"}


def _toml(name: str, table: Any) -> Iterator[str]:
    if isinstance(table, list):
        for each in table:
            yield from (f"[[{name}]]", *_keys(each))
    else:
        yield from (f"[{name}]", *_keys(table))


def _keys(table: dict[str, Any]) -> Iterator[str]:
    """JSON's numbers, booleans, texts and lists of texts are TOML's too."""
    return (f"{key} = {json.dumps(value)}" for key, value in table.items())


@contextmanager
def gantry_runs(folder: Path) -> Iterator[tuple[Patient, Gateway]]:
    """A real `gantry serve` with a healthy configuration."""
    gateway = Gateway(folder, "")
    patient = Patient(folder)
    patient.tables["dicom"]["port"], patient.tables["web"]["port"] = gateway.port, gateway.web_port
    patient.write()
    gateway.start()
    try:
        with httpx.Client(
            transport=httpx.HTTPTransport(retries=6)
        ) as client:  # the page comes a little later
            client.get(f"http://127.0.0.1:{gateway.web_port}/healthz").raise_for_status()
        yield patient, gateway
    finally:
        gateway.stop()
