# SPDX-License-Identifier: Apache-2.0
"""A real Orthanc for the tests: the product's own orthanc.json, a folder of its own, free ports."""

import json
import os
import secrets
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

BINARY = Path("/usr/sbin/Orthanc")
CONFIGURATION = Path(__file__).parents[1] / "informatics-gateway" / "orthanc.json"
STARTS_WITHIN_S = 60
PORTS = range(20_000, 32_000)  # Ray keeps 10002 to 19999 for its workers
PASSWORD_ENV = "ORTHANC_PASSWORD"


def free_port() -> int:
    """A TCP port on loopback that nobody listens on right now.

    It lies below those that the system gives to whoever connects, so that nobody gets it meanwhile by chance.
    """
    while True:
        port = secrets.choice(PORTS)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


class Orthanc:
    """One Orthanc server.  `stop` and `start` keep its storage, ports and users."""

    aet = "ORTHANC"
    host = "127.0.0.1"
    username = "gantry"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.password = secrets.token_urlsafe(16)
        self.http_port, self.dicom_port = free_port(), free_port()
        self.url = f"http://{self.host}:{self.http_port}"
        self.dicomweb_url = f"{self.url}/dicom-web"
        self.client = httpx.Client(base_url=self.url, auth=(self.username, self.password), timeout=60)
        self.process: subprocess.Popen[bytes] | None = None
        self._configure()

    @property
    def environment(self) -> dict[str, str]:
        """What a gateway with the `destination` of this server needs in its environment."""
        return {PASSWORD_ENV: self.password}

    def destination(self, kind: str = "dicomweb", name: str = "archive") -> str:
        """The [[destination]] table of gantry.toml that stores here, not clinical; kind: dicomweb or dimse."""
        how = {
            "dicomweb": f'url = "{self.dicomweb_url}"\nusername = "{self.username}"\n'
            f'password_env = "{PASSWORD_ENV}"',
            "dimse": f'host = "{self.host}"\nport = {self.dicom_port}\nae_title = "{self.aet}"',
        }
        return f'[[destination]]\nname = "{name}"\nkind = "{kind}"\nclinical = false\n{how[kind]}\n'

    def _configure(self) -> None:
        site = {
            "HttpPort": self.http_port,
            "DicomPort": self.dicom_port,
            "StorageDirectory": str(self.folder / "storage"),
            "IndexDirectory": str(self.folder / "storage"),
            "RemoteAccessAllowed": False,
            "RegisteredUsers": {self.username: self.password},
        }
        configuration = self.folder / "configuration"
        configuration.mkdir(parents=True)
        (configuration / "orthanc.json").write_bytes(CONFIGURATION.read_bytes())
        (configuration / "site.json").write_text(json.dumps(site))

    def command(self) -> list[str | Path]:
        """What is run."""
        return [BINARY, self.folder / "configuration"]

    def start(self) -> None:
        """Start it and wait until it answers."""
        environment = os.environ | {"TCP_NODELAY": "1"}
        with (self.folder / "orthanc.log").open("ab") as log:
            # A session of its own: Ctrl-C ends it in good order, by whoever started it.
            self.process = subprocess.Popen(
                self.command(), stdout=log, stderr=log, env=environment, start_new_session=True
            )
        deadline = time.monotonic() + STARTS_WITHIN_S
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"Orthanc did not start:\n{(self.folder / 'orthanc.log').read_text()}")
            time.sleep(0.02)

    def stop(self) -> None:
        """Stop it in good order, which takes Orthanc about 3 s; the storage stays."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait(30)
            self.process = None

    def kill(self) -> None:
        """End it at once; what it has acknowledged stays."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(30)
            self.process = None

    def _answers(self) -> bool:
        try:
            return self.client.get("/system").is_success
        except httpx.TransportError:
            return False

    def _call(self, method: str, path: str, **content: Any) -> Any:
        response = self.client.request(method, path, **content)
        response.raise_for_status()
        return response.json() if response.content else None

    def add_modality(self, aet: str, port: int, host: str = "127.0.0.1") -> None:
        """Make an AE known at run time, under its AE title: it may store, find and get."""
        self._call(
            "PUT", f"/modalities/{aet}", json={"AET": aet, "Host": host, "Port": port, "AllowGet": True}
        )

    def upload(self, path: Path) -> str:
        """Store one file; returns Orthanc's own id of the instance."""
        return str(self._call("POST", "/instances", content=path.read_bytes())["ID"])

    def lookup(self, uid: str) -> str | None:
        """Orthanc's own id of the study, series or instance with this UID, None when it has none."""
        found = self._call("POST", "/tools/lookup", content=uid)
        return found[0]["ID"] if found else None

    def instances(self, **keys: str) -> list[dict[str, Any]]:
        """Main DICOM tags, by keyword, of all stored instances that match `keys` (all without keys)."""
        found = self._call("POST", "/tools/find", json={"Level": "Instance", "Query": keys, "Expand": True})
        return [instance["MainDicomTags"] | {"ID": instance["ID"]} for instance in found]

    def file(self, sop_instance_uid: str) -> bytes:
        """The bytes of the file that Orthanc keeps for this instance."""
        response = self.client.get(f"/instances/{self.lookup(sop_instance_uid)}/file")
        response.raise_for_status()
        return response.content

    def send_series(self, series_instance_uid: str, modality: str) -> None:
        """Let Orthanc itself C-STORE a series to `modality`, and wait until it has."""
        self._call("POST", f"/modalities/{modality}/store", content=str(self.lookup(series_instance_uid)))

    def clear(self) -> None:
        """Delete all patients, so that a test begins with an empty archive."""
        for patient in self._call("GET", "/patients"):
            self._call("DELETE", f"/patients/{patient}")


def new_orthanc(folder: Path) -> Orthanc:
    """A started Orthanc of your own in `folder`: kill it yourself.  Skips where it is not installed."""
    if not BINARY.exists():
        pytest.skip("Orthanc is not installed: apt-get install orthanc orthanc-dicomweb orthanc-gdcm")
    server = Orthanc(folder)
    server.start()
    return server


@pytest.fixture(scope="session")
def orthanc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orthanc]:
    """One Orthanc for the whole run: use UIDs of your own, or `clear()`; start it again if you stop it."""
    server = new_orthanc(tmp_path_factory.mktemp("orthanc"))
    yield server
    server.kill()
    server.client.close()
