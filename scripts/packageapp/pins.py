# SPDX-License-Identifier: Apache-2.0
"""What an image installs: every package that the app needs, and what those need in turn, each with its version."""

import json
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from .wrong import NotPinned

CONSTRAINTS = Path(__file__).parents[2] / "constraints.txt"
# What imaging_data and imaging_operators import, in every app.
FRAMEWORK = (
    "monai-deploy-app-sdk monai torch holoscan-cu13 nvidia-cuda-runtime cuda-pathfinder pydicom highdicom numpy "
    "scipy pillow pylibjpeg pylibjpeg-libjpeg pylibjpeg-openjpeg pyjpegls"
)
BUNDLE = ("safetensors",)
IN_PYTHON = ("argparse",)  # pip never counts it as installed, so that without network it would not be found


def requirements(app: Path) -> str:
    """The requirements.txt of the app's image.  Raises NotPinned."""
    pins = _closure(
        [*FRAMEWORK.split(), *_own(app)], _pins(_lines(CONSTRAINTS)) | _pins(_lines(app / "requirements.txt"))
    )
    return "".join(f"{name}=={version}\n" for name, version in sorted(pins.items()) if name not in IN_PYTHON)


def _own(app: Path) -> Iterable[str]:
    """What this app needs beside the framework: its requirements.txt, or what its bundle's metadata.json names."""
    metadata = app / "configs" / "metadata.json"
    if not metadata.is_file():
        return _lines(app / "requirements.txt")
    named = json.loads(metadata.read_text()).get("required_packages_version", {})
    return [*_lines(app / "requirements.txt"), *BUNDLE, *named]


def _lines(path: Path) -> list[str]:
    text = path.read_text() if path.is_file() else ""
    lines = [line.partition("#")[0].strip() for line in text.splitlines()]
    return [line for line in lines if line]


def _pins(lines: Iterable[str]) -> dict[str, str]:
    """Version by canonical name of the lines that say `name==version`."""
    requirements = [Requirement(line) for line in lines]
    exact = [(one.name, str(one.specifier)) for one in requirements if str(one.specifier).startswith("==")]
    return {canonicalize_name(name): version.removeprefix("==") for name, version in exact}


def _closure(names: Iterable[str], pins: dict[str, str]) -> dict[str, str]:
    """Version by name of these requirements and all that they need."""
    found: dict[str, str] = {}
    seen: set[tuple[str, str]] = set()
    left = [Requirement(name) for name in names]
    while left:
        wanted = left.pop()
        name = canonicalize_name(wanted.name)
        for extra in {"", *wanted.extras} - {extra for one, extra in seen if one == name}:
            seen.add((name, extra))
            left += _needs(name, extra)
        found[name] = _version(name, pins)
    return found


def _needs(name: str, extra: str) -> list[Requirement]:
    """What the installed package needs, or what this extra of it adds."""
    try:
        listed = [Requirement(line) for line in distribution(name).requires or ()]
    except PackageNotFoundError:
        return []
    return [one for one in listed if one.marker is None or one.marker.evaluate({"extra": extra})]


def _version(name: str, pins: dict[str, str]) -> str:
    try:
        return pins.get(name) or distribution(name).version
    except PackageNotFoundError:
        raise NotPinned(f"{name} has no version, and is not installed here.") from None
