# SPDX-License-Identifier: Apache-2.0
"""Makes a working app in apps/: by threshold to begin with, or around a TorchScript, ONNX or MONAI bundle file."""

import argparse
import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from string import Template

from rich.console import Console

from imaging_data import ExplainedError
from imaging_data.model_lock import FILE, LockedModel, describe_file, lock_text

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
    """Write the app and its test; their files.  Raises AlreadyThere."""
    app, test = options.folder / "apps" / options.name, options.folder / "tests" / "apps"
    test = test / f"test_{options.name}.py"
    for path in (app, test):
        if path.exists():
            raise AlreadyThere(f"{path} exists.")
    words = {
        "name": options.name,
        "title": options.name.replace("_", " ").capitalize(),
        "class_name": "".join(part.capitalize() for part in options.name.split("_")),
        "creator": options.creator,
        "modality": options.modality,
        "button": button(options.name),
        **kind.words,
    }
    app.mkdir(parents=True)
    test.parent.mkdir(parents=True, exist_ok=True)
    if kind.bundle is not None:
        shutil.copytree(kind.bundle, app, dirs_exist_ok=True)
    files = {
        app / "app.py": kind.template,
        app / "app.yaml": "app.yaml",
        app / "README.md": "README.md",
        app / "button.toml": "button.toml",
        test: "test_app.py",
    }
    for path, template in files.items():
        _fill(template, path, words)
    (app / "requirements.txt").write_text(_requirements(kind))
    _lock(app, kind)
    return [*files, app / "requirements.txt", app / FILE]


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
    """Copy the model file, and write its hash, computed from it."""
    locked: list[LockedModel] = []
    if kind.model is not None:
        (app / "models").mkdir()
        shutil.copyfile(kind.model, app / "models" / kind.words["model"])
        locked.append(describe_file(app / "models", kind.words["model"]))
    comment = "The model files of this app; scripts/fetch-models brings them, and nothing else is loaded."
    (app / FILE).write_text(lock_text(locked, comment))


if __name__ == "__main__":
    sys.exit(main())
