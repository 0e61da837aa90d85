# SPDX-License-Identifier: Apache-2.0
"""What receives: Gantry, Orthanc and DCMTK's storescp, each started afresh on its own port and folder."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

STARTS_WITHIN_S = 60
NODELAY = os.environ | {"TCP_NODELAY": "1"}  # DCMTK and Orthanc leave Nagle's algorithm on
CALLING, CALLED = "STORESCU", "BENCH"
GANTRY_TOML = """
[storage]
path = "storage"
reserve_gb = 1

[dicom]
port = {port}

[web]
port = {web}

[[source]]
ae_title = "STORESCU"
host = "127.0.0.1"

[[destination]]
name = "nowhere"
kind = "folder"
path = "results"
clinical = false

[[app]]
name = "none"
path = "app"

[[route]]
called_ae_title = "BENCH"
series = {{ Modality = "nothing that is sent" }}
app = "none"
destinations = ["nowhere"]
"""


@dataclass(frozen=True)
class Receiver:
    """A program that receives; `durable` says what it has done when it acknowledges."""

    name: str
    durable: str

    def command(self, folder: Path, port: int) -> Sequence[str | Path]:
        """Write its configuration into `folder`; the command line that starts it there."""
        raise NotImplementedError

    def stored(self, folder: Path) -> int:
        """How many instances it has on disk."""
        raise NotImplementedError

    @contextmanager
    def running(self, folder: Path) -> Iterator[int]:
        """Start it in the empty `folder`, give its port, and end it."""
        port = free_port()
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(self.command(folder, port), stdout=log, stderr=log, env=NODELAY)
        try:
            _wait_for(port, process)
            yield port
        finally:
            process.terminate()
            process.wait(STARTS_WITHIN_S)


class Gantry(Receiver):
    """The whole gateway: what arrives is also taken in, journaled and refused, since no route takes it."""

    def command(self, folder: Path, port: int) -> Sequence[str | Path]:
        (folder / "app").mkdir()
        (folder / "gantry.toml").write_text(GANTRY_TOML.format(port=port, web=free_port()))
        return [Path(sys.executable).with_name("gantry"), "serve", "--config", folder / "gantry.toml"]

    def stored(self, folder: Path) -> int:
        return len(list((folder / "storage").rglob("*.dcm")))


class Receive(Gantry):
    """Gantry's receive step alone, its news unheard."""

    def command(self, folder: Path, port: int) -> Sequence[str | Path]:
        super().command(folder, port)
        return [sys.executable, Path(__file__).with_name("receive_alone.py"), folder / "gantry.toml"]


class Orthanc(Receiver):
    """Orthanc without plugins."""

    def command(self, folder: Path, port: int) -> Sequence[str | Path]:
        settings = {
            "Name": CALLED,
            "StorageDirectory": str(folder / "storage"),
            "IndexDirectory": str(folder / "storage"),
            "SyncStorageArea": True,
            "HttpPort": free_port(),
            "DicomPort": port,
            "DicomAet": CALLED,
            "RemoteAccessAllowed": False,
            "DicomAlwaysAllowStore": True,
            "MaximumPduLength": 131072,
        }
        (folder / "orthanc.json").write_text(json.dumps(settings))
        return ["/usr/sbin/Orthanc", folder / "orthanc.json"]

    def stored(self, folder: Path) -> int:
        files = (folder / "storage").glob("??/??/*")
        return len([path for path in files if path.stat().st_size > 500_000])  # the others are its JSON


class Storescp(Receiver):
    """DCMTK's storescp."""

    def command(self, folder: Path, port: int) -> Sequence[str | Path]:
        options = ["--fork", "--max-pdu", "131072", "--aetitle", CALLED]
        return ["/usr/bin/storescp", *options, "--output-directory", folder, str(port)]

    def stored(self, folder: Path) -> int:
        return len(list(folder.glob("CT.*")))


def free_port() -> int:
    """A TCP port on loopback that nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + STARTS_WITHIN_S
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"{process.args} does not listen on port {port}")
        time.sleep(0.05)
