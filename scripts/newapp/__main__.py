# SPDX-License-Identifier: Apache-2.0
"""Makes a working app in apps/: by threshold to begin with, or around a TorchScript, ONNX or MONAI bundle file."""

import argparse
import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from string import Template
from tempfile import TemporaryDirectory

from rich.console import Console

from imaging_data import ExplainedError
from imaging_data.model_lock import FILE, describe_file, lock_text

from .bundles import complete
from .kinds import Kind, kind_of
from .wrong import AlreadyThere, BadName

ROOT = Path(__file__).resolve().parents[2]
TEMPLATES = Path(__file__).parent / "templates"
NAME = re.compile(r"[a-z][a-z0-9_]{1,31}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the app; returns the exit status: 0 made, 1 not."""
    options = _parser().parse_args(arguments)
    console = Console(highlight=False, soft_wrap=True)
    try:
        if not NAME.fullmatch(options.name):
            raise BadName(repr(options.name))
        written = make(options, kind_of(options))
    except ExplainedError as error:
        console.print(f"{error}\n{error.hint}".strip(), style="red", markup=False)
        return 1
    for path in written:
        console.print(path, markup=False)
    console.print(f"Try it: .venv/bin/gantry apps run {options.name} path/to/dicom path/to/results")
    console.print(f"Put it behind the button {button(options.name)}: append button.toml to your gantry.toml.")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="scripts/new-app", description=__doc__)
    add = parser.add_argument
    add("name", metavar="NAME", help="the app's name: small letters, digits and underscores")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--model", type=Path, metavar="FILE", help="TorchScript (.ts, .pt) or ONNX (.onnx)")
    what.add_argument("--bundle", type=Path, metavar="DIR", help="a MONAI bundle")
    add("--label", action="append", default=[], help="a class of the model, in its order (repeat it)")
    add("--patch", type=int, metavar="N", help="voxels along each axis that the model sees at once (96)")
    add("--modality", default="CT", help="of the series it takes (CT)")
    add("--creator", default="In house", help="who makes it; stands in every result")
    add(
        "--in",
        dest="folder",
        type=Path,
        default=Path(),
        metavar="DIR",
        help="where apps/ and tests/ are (here)",
    )
    return parser


def button(name: str) -> str:
    """The AE title of its button."""
    return name.upper()[:16]


def make(options: argparse.Namespace, kind: Kind) -> list[Path]:
    """Write the app and its test, whole or not at all; their files.  Raises NoApp."""
    app, test = options.folder / "apps" / options.name, options.folder / "tests" / "apps"
    test = test / f"test_{options.name}.py"
    for path in (app, test):
        if path.exists():
            raise AlreadyThere(f"{path} exists.")
    app.parent.mkdir(parents=True, exist_ok=True)
    words = _words(options) | kind.words
    with TemporaryDirectory(prefix=f".{options.name}-", dir=app.parent) as hidden:
        made = Path(hidden) / options.name
        _write(made, kind, words)
        made.rename(app)
    test.parent.mkdir(parents=True, exist_ok=True)
    _fill("test_app.py" if options.modality == "CT" else "test_manifest.py", test, words)
    return [*sorted(path for path in app.rglob("*") if path.is_file()), test]


def _words(options: argparse.Namespace) -> dict[str, str]:
    return {
        "name": options.name,
        "title": options.name.replace("_", " ").capitalize(),
        "class_name": "".join(part.capitalize() for part in options.name.split("_")),
        "creator": options.creator,
        "modality": options.modality,
        "button": button(options.name),
    }


def _write(app: Path, kind: Kind, words: Mapping[str, str]) -> None:
    """The app's folder."""
    if kind.bundle is not None:
        shutil.copytree(kind.bundle, app)
        complete(app, words["name"])
    app.mkdir(exist_ok=True)
    files = ["README.md", "button.toml", *([kind.template] if kind.template else [])]
    for template in files:
        path = app / ("app.py" if template == kind.template else template)
        if not path.exists():
            _fill(template, path, words)
    if not (app / "requirements.txt").exists():
        (app / "requirements.txt").write_text(_requirements(kind))
    _lock(app, kind)


def _fill(template: str, path: Path, words: Mapping[str, str]) -> None:
    path.write_text(Template((TEMPLATES / f"{template}.txt").read_text()).substitute(words))


def _requirements(kind: Kind) -> str:
    """Those of every app, and what this one needs beside them, as pinned."""
    common = (ROOT / "apps" / "lung_densitometry" / "requirements.txt").read_text()
    pins = dict(
        line.split("==", 1) for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line
    )
    return common + "".join(f"{name}=={pins[name]}\n" for name in kind.needs)


def _lock(app: Path, kind: Kind) -> None:
    """Copy the model file, and write the hash, computed from it, of what lies in models/."""
    models = app / "models"
    if kind.model is not None:
        models.mkdir()
        shutil.copyfile(kind.model, models / kind.words["model"])
    names = sorted(path.relative_to(models).as_posix() for path in models.rglob("*") if path.is_file())
    comment = "The model files of this app; scripts/fetch-models brings them, and nothing else is loaded."
    (app / FILE).write_text(lock_text([describe_file(models, name) for name in names], comment))


if __name__ == "__main__":
    sys.exit(main())
