# SPDX-License-Identifier: Apache-2.0
"""Plays the PACS and names the wrong setting: what `gantry doctor` looks at, in the order of the line."""

from collections.abc import Iterator
from pathlib import Path

from ..config import load
from ..errors import BadConfiguration
from .archives import archives
from .check import Check, fail, ok, render
from .clock import clock
from .cluster import cluster
from .listening import listening
from .place import place
from .tools import tools

__all__ = ["Check", "checks", "render"]


def checks(config_path: Path) -> list[Check]:
    """Every check of the configuration in `config_path`; a wrong file is the only one.

    Nothing is changed: what is written is taken away again, and no instance is sent.  Archives are asked for
    a study that nobody has, so no patient's data travel.
    """
    return list(_checks(config_path))


def _checks(config_path: Path) -> Iterator[Check]:
    try:
        config = load(config_path)
    except BadConfiguration as error:
        yield fail("configuration", str(error), error.hint)
        return
    yield ok("configuration", f"{config_path} is complete and without contradictions.")
    yield from place(config)
    yield from listening(config)
    yield from tools(config)
    yield from cluster(config)
    yield from archives(config)
    yield from clock(config)
