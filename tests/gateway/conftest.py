# SPDX-License-Identifier: Apache-2.0
"""What the gateway's tests share."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from receivers import STOCK, STREAMING, Running, running, settings

from informatics_gateway import receive


@pytest.fixture(params=["streaming", "stock"])
def server(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The test runs under both servers."""
    monkeypatch.setattr(receive, "TRIED_WITH", STREAMING if request.param == "streaming" else STOCK)
    return str(request.param)


@pytest.fixture
def receiver(server: str, tmp_path: Path) -> Iterator[Running]:
    """A running receiver, of either server."""
    if not Path("/usr/bin/storescu").exists():
        pytest.skip("DCMTK is not installed: apt-get install dcmtk")
    with running(settings(tmp_path / "storage")) as started:
        yield started
