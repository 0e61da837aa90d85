# SPDX-License-Identifier: Apache-2.0
"""What the gateway's tests share."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from containers import ContainerBench, stub
from engine import Podman
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


@pytest.fixture(scope="session")
def stub_image(podman: Podman, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The app of apps/contract_only in an image, by digest."""
    return stub(podman, tmp_path_factory.mktemp("stub"))


@pytest.fixture
def open_bench(engine: Podman, stub_image: str, tmp_path: Path) -> Iterator[Callable[..., ContainerBench]]:
    """A function that makes a bench over real containers; afterwards none of them may be left."""
    made: list[ContainerBench] = []

    def open_(**app: object) -> ContainerBench:
        made.append(ContainerBench(engine, tmp_path, **{"image": stub_image, "timeout_s": 20} | app))
        return made[-1]

    yield open_
    for bench in made:
        bench.executor.close()
        assert bench.left() == []
        assert bench.containers() == []
