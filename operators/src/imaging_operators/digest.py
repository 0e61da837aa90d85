# SPDX-License-Identifier: Apache-2.0
"""The digest that stands for an app's code: results of other code must have other UIDs."""

import hashlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import imaging_data

FRAMEWORK = (Path(imaging_data.__file__).parent, Path(__file__).parent)


@cache
def app_digest(folder: Path) -> str:
    """SHA-256 over the app's *.py files, requirements.txt and model.lock, and over this framework's sources.

    Computed once per process: a running app goes on with the code that it loaded.
    """
    digest = hashlib.sha256()
    for root in (folder, *FRAMEWORK):
        for path in sorted(_sources(root)):
            name = path.relative_to(root).as_posix()
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            digest.update(f"{name}\0{content}\n".encode())
        digest.update(b"\n")
    return digest.hexdigest()


def _sources(root: Path) -> Iterator[Path]:
    for path in root.rglob("*.py"):
        inside = path.relative_to(root).parts
        if not any(part.startswith((".", "__pycache__")) for part in inside):
            yield path
    yield from (root / name for name in ("requirements.txt", "model.lock") if (root / name).is_file())
