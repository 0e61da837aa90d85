# SPDX-License-Identifier: Apache-2.0
"""Fetches the model files of an app, as its model.lock says: from the web, or from a folder or USB stick."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from imaging_data import ExplainedError
from imaging_data.model_lock import FILE

from .fetching import Fetch
from .wrong import NoSuchApp

ROOT = Path(__file__).resolve().parents[2]
INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Fetch; returns the exit status: 0 every model is there, 1 one is not, 130 interrupted."""
    options = _parser().parse_args(arguments)
    console = Console(highlight=False, soft_wrap=True)
    try:
        app = _app(options.app)
        fetch = Fetch(app, options.to or app / "models", options.source, options.trust_first, console)
        fetch.all(options.only)
    except KeyboardInterrupt:
        console.print("Interrupted. The same command goes on where it stopped.")
        return INTERRUPTED
    except ExplainedError as error:
        console.print(f"{error}\n{error.hint}".strip(), style="red", markup=False)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="scripts/fetch-models", description=__doc__)
    add = parser.add_argument
    add("app", metavar="APP", help="an app's name in apps/, or the path of its folder")
    add("--from", dest="source", type=Path, metavar="FOLDER", help="take the files from here; no network")
    add("--to", type=Path, metavar="DIR", help="the models folder (models/ in the app's folder)")
    add("--only", default="*", metavar="PATTERN", help="models whose name is like this: '*297*' (all)")
    add("--trust-first", action="store_true", help="write the hash of a file that model.lock has none of yet")
    return parser


def _app(name: str) -> Path:
    for folder in (ROOT / "apps" / name, Path(name)):
        if (folder / FILE).is_file():
            return folder.resolve()
    there = ", ".join(sorted(path.parent.name for path in (ROOT / "apps").glob(f"*/{FILE}")))
    raise NoSuchApp(f"{name}: there is none with a {FILE}. In apps/ there is: {there}.")


if __name__ == "__main__":
    sys.exit(main())
