# SPDX-License-Identifier: Apache-2.0
"""scripts/make-test-models: trains what is not current, one process at a time."""

import argparse
import fcntl
import hashlib
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).parents[2]
MODELS = ROOT / "build" / "test-models"
NAMES = sorted(path.parent.name for path in (ROOT / "apps").glob("*/app.py"))
MADE = [name for name in NAMES if (Path(__file__).parent / f"{name}.py").is_file()]


def main() -> None:
    """Make the test models of the apps that the command line names, of all that have some by default."""
    parser = argparse.ArgumentParser(prog="scripts/make-test-models", description=__doc__)
    parser.add_argument("apps", nargs="*", choices=[*MADE, []], metavar="APP", help=", ".join(MADE))
    for name in parser.parse_args().apps or MADE:
        make(name)


def make(name: str) -> None:
    """Train the models of one app, unless its stamp says that they are those of today's sources."""
    MODELS.mkdir(parents=True, exist_ok=True)
    with _locked(MODELS / f"{name}.lock"):
        maker = import_module(f"testmodels.{name}")
        folder, stamp = MODELS / name, MODELS / f"{name}.stamp"
        current = _stamp([Path(__file__).parent / f"{name}.py", *(ROOT / source for source in maker.SOURCES)])
        if folder.is_dir() and stamp.is_file() and stamp.read_text() == current:
            return
        begin = time.monotonic()
        print(f"Training the test models of {name}: some minutes, the first time only.", flush=True)
        stamp.unlink(missing_ok=True)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        maker.make(folder)
        stamp.write_text(current)
        print(f"{folder.relative_to(ROOT)} is ready after {time.monotonic() - begin:.0f} s.", flush=True)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Two test workers that need one model do not train it twice."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _stamp(sources: list[Path]) -> str:
    """What the models are made from: the content of these files, and of the *.py files in these folders."""
    files = [
        file for source in sources for file in (sorted(source.rglob("*.py")) if source.is_dir() else [source])
    ]
    contents = (
        f"{file.relative_to(ROOT)} {hashlib.sha256(file.read_bytes()).hexdigest()}\n" for file in files
    )
    return "".join(contents)


if __name__ == "__main__":
    main()
