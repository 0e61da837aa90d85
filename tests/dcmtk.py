# SPDX-License-Identifier: Apache-2.0
"""DCMTK's storescp for the tests: an archive that takes C-STORE and cannot be asked for anything."""

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from orthanc import free_port

BINARY = Path("/usr/bin/storescp")  # by its path: pynetdicom installs another program of this name
STARTS_WITHIN_S = 60


class Storescp:
    """One storescp.  `stop` and `start` keep its folder and port."""

    aet = "STORESCP"
    host = "127.0.0.1"

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder = folder
        self.folder.mkdir(parents=True, exist_ok=True)
        self.options = options
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it listens."""
        self._process = subprocess.Popen(
            [BINARY, "--aetitle", self.aet, "--output-directory", self.folder, *self.options, str(self.port)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=os.environ | {"TCP_NODELAY": "1"},
        )
        deadline = time.monotonic() + STARTS_WITHIN_S
        while not self._listens():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"storescp did not start on port {self.port}")
            time.sleep(0.02)

    def stop(self) -> None:
        """Stop it; what it received stays."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(15)
            self._process = None

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex((self.host, self.port)) == 0

    def received(self) -> list[Path]:
        """The files it has received."""
        return sorted(path for path in self.folder.iterdir() if path.is_file())


@pytest.fixture
def storescp(tmp_path: Path) -> Iterator[Storescp]:
    """A storescp of the test's own, for the storage SOP classes that DCMTK knows, any transfer syntax."""
    if not BINARY.exists():
        pytest.skip("DCMTK is not installed: apt-get install dcmtk")
    server = Storescp(tmp_path / "storescp", "--accept-all", "--bit-preserving")
    server.start()
    yield server
    server.stop()
