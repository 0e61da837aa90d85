# SPDX-License-Identifier: Apache-2.0
"""Files of an image, read without running anything in it: a container is created, copied from and removed."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import EngineRefused
from .abandoned import STARTED_BY, this_process
from .engine import Engine, find_engine

ABSENT = ("no such file", "could not find", "could not be found")


class ImageFiles:
    """The files of one image.  Get it from `files_of`."""

    def __init__(self, engine: Engine, container: str) -> None:
        self._engine, self._container = engine, container

    def copy(self, path: Path, target: Path) -> bool:
        """Copy a file or a folder out of the image, to where nothing is yet; whether it is there.

        A link in a folder stays a link, which may lead anywhere: read what was copied with `read_regular`.
        """
        try:
            self._engine.call("cp", f"{self._container}:{path}", str(target))
        except EngineRefused as error:
            if any(sign in str(error).lower() for sign in ABSENT):
                return False
            raise
        return True


@contextmanager
def files_of(image: str) -> Iterator[ImageFiles]:
    """The files of the image with this id.  Raises EngineRefused, EngineUnavailable."""
    engine, name = find_engine(), f"gantry-look-{secrets.token_hex(6)}"
    owner = f"--label={STARTED_BY}={this_process()}"
    never_run = ("--pull=never", "--network=none", "--user=0:0", owner)  # its own user may not be in it
    engine.call("create", *never_run, f"--name={name}", image, "nothing")
    try:
        yield ImageFiles(engine, name)
    finally:
        engine.remove(name)
