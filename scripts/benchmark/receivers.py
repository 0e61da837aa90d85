# SPDX-License-Identifier: Apache-2.0
"""What receives: Gantry, Orthanc and DCMTK's storescp, each started afresh on a port and a folder of its own."""

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

STARTS_WITHIN_S = 30
NODELAY = os.environ | {"TCP_NODELAY": "1"}  # DCMTK and Orthanc leave Nagle's algorithm on
CALLING = "STORESCU"


@dataclass(frozen=True)
class Receiver:
    """A program that receives.  `command` and `stored` are given the folder; `command` the port too."""

    name: str
    called: str

    def command(self, folder: Path, port: int) -> Sequence[str | Path]:
        """The command line that starts it."""
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
    """Gantry's receiver in a process of its own, fsynced; `server` is one of receiving's two."""

    def command(self, folder: Path, port: int) -> Sequence[str | Path]:
        return [sys.executable, Path(__file__).with_name("gantry_side.py"), folder, str(port), self.called]

    def stored(self, folder: Path) -> int:
        return len(list(folder.glob("incoming/*/*.dcm")))


class Orthanc(Receiver):
    """Orthanc with SyncStorageArea, no plugins."""

    def command(self, folder: Path, port: int) -> Sequence[str | Path]:
        settings = {
            "Name": "BENCH",
            "StorageDirectory": str(folder / "storage"),
            "IndexDirectory": str(folder / "storage"),
            "SyncStorageArea": True,
            "HttpPort": free_port(),
            "DicomPort": port,
            "DicomAet": self.called,
            "RemoteAccessAllowed": False,
            "DicomAlwaysAllowStore": True,
            "MaximumPduLength": 131072,
        }
        (folder / "orthanc.json").write_text(json.dumps(settings))
        return ["/usr/sbin/Orthanc", folder / "orthanc.json"]

    def stored(self, folder: Path) -> int:
        files = (path for path in (folder / "storage").glob("??/??/*") if path.stat().st_size > 500_000)
        return sum(1 for _ in files)


class Storescp(Receiver):
    """DCMTK's storescp, which does not fsync."""

    def command(self, folder: Path, port: int) -> Sequence[str | Path]:
        options = ["--fork", "--max-pdu", "131072", "--aetitle", self.called]
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
