# SPDX-License-Identifier: Apache-2.0
"""Makes a MAP, a container image, of an app by the MONAI Deploy packager."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from imaging_data import ExplainedError
from informatics_gateway.errors import GantryError

from .building import build
from .context import Context, write_context
from .wrong import NoSuchApp


def main(arguments: Sequence[str] | None = None) -> int:
    """Package; returns the exit status: 0 done, 1 not."""
    options = _parser().parse_args(arguments)
    console = Console(highlight=False, soft_wrap=True)
    try:
        app = _app(options.app, options.folder)
        context = write_context(app, options.folder / "build" / "maps" / app.name)
        console.print(context.folder, markup=False)
        if context.missing:
            console.print(f"Without its models: {', '.join(context.missing)}.", style="yellow", markup=False)
        if not options.context:
            tag = build(context, options.tag or _tag(context), options.base_image)
            console.print(f"{tag} is made.", markup=False)
    except (ExplainedError, GantryError) as error:
        console.print(f"{error}\n{error.hint}".strip(), style="red", markup=False)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="scripts/package-app", description=__doc__)
    add = parser.add_argument
    add("app", metavar="NAME", help="an app's name in apps/, or the path of its folder")
    add("--context", action="store_true", help="only write build/maps/NAME, for `monai-deploy package`")
    add("--tag", default="", metavar="TAG", help="of the image (NAME:VERSION)")
    add(
        "--base-image",
        default="",
        metavar="IMAGE",
        help="build on this image, without network: it has python3, pip and the packages of requirements.txt",
    )
    add(
        "--in",
        dest="folder",
        type=Path,
        default=Path(),
        metavar="DIR",
        help="where apps/ and build/ are (here)",
    )
    return parser


def _app(name: str, folder: Path) -> Path:
    for app in (folder / "apps" / name, Path(name)):
        if (app / "app.py").is_file() or (app / "configs" / "metadata.json").is_file():
            return app.resolve()
    there = ", ".join(sorted(path.parent.name for path in (folder / "apps").glob("*/README.md")))
    raise NoSuchApp(
        f"{name} has no app.py and no configs/metadata.json. In {folder / 'apps'} there is: {there}."
    )


def _tag(context: Context) -> str:
    return f"{context.app}:{context.manifest['version']}"


if __name__ == "__main__":
    sys.exit(main())
