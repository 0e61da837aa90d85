# SPDX-License-Identifier: Apache-2.0
"""Phantoms for the apps, made once a session, and the apps' own folders on the path."""

import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
from fetched import CONTENT, Tool, sha256
from fetchmodels import download
from model_server import ModelServer

from imaging_data.phantom import Rendered, head, head_grid, thorax, thorax_grid, write_series

TESTS = Path(__file__).parents[1]
LUNGS = TESTS.parent / "apps" / "lung_densitometry"
CHEST = TESTS.parent / "apps" / "chest_xray"
TOTALSEGMENTATOR = TESTS.parent / "apps" / "totalsegmentator"
sys.path[:0] = [str(LUNGS), str(CHEST), str(TOTALSEGMENTATOR), str(TESTS / "operators")]


@pytest.fixture(scope="session")
def phantom() -> Callable[..., Rendered]:
    """phantom(seed, unequal, slices, rows, cut): a sampled thorax, each made once."""

    @cache
    def made(
        seed: int = 3, unequal: bool = False, slices: int = 60, rows: int = 256, cut: str = ""
    ) -> Rendered:
        rendered = thorax(seed, unequal).render(thorax_grid(slices, rows, cut), seed=seed)
        rendered.array.flags.writeable = False
        return rendered

    return made


@pytest.fixture(scope="session")
def head_phantom() -> Rendered:
    return head(1).render(head_grid(60, 256), seed=1)


@pytest.fixture(scope="session")
def chest_series(phantom: Callable[..., Rendered], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole chest as DICOM files."""
    folder = tmp_path_factory.mktemp("chest")
    write_series(phantom(), folder)
    return folder


@pytest.fixture
def tool(tmp_path, capsys, monkeypatch) -> Iterator[Tool]:
    """An app whose model the server has, and no wait after a broken connection."""
    monkeypatch.setattr(download, "WAIT_S", 0.001)
    folder = tmp_path / "tool"
    folder.mkdir()
    with ModelServer(CONTENT) as server:
        made = Tool(folder, server, capsys)
        made.locks(sha256(CONTENT))
        yield made
        server.shutdown()
