# SPDX-License-Identifier: Apache-2.0
"""Runs the app of this image: `python3 /opt/holoscan/app [manifest | worker]`.  Its exit status is the app's own."""

import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
BUNDLE = "configs/metadata.json"
INSTALLED = "/home/holoscan/.local"  # where the packager's pip puts packages; a hardened run has another HOME


def command(app: Path) -> list[str]:
    """How Python runs the app, or the bundle, in this folder."""
    if (app / BUNDLE).is_file():
        return ["-P", "-m", "imaging_operators.bundle", str(app)]
    return [str(app / "app.py")]


def environment(app: Path, given: dict[str, str]) -> dict[str, str]:
    """That of the app: our packages, pip's, and the models that came with it where no others are given."""
    found = {"PYTHONUSERBASE": INSTALLED} | given
    found["PYTHONPATH"] = os.pathsep.join(filter(None, (str(HERE / "packages"), given.get("PYTHONPATH"))))
    if not os.path.isdir(given.get("HOLOSCAN_MODEL_PATH") or given.get("MONAI_MODELPATH", "")):
        found["HOLOSCAN_MODEL_PATH"] = str(app / "models")
    return found


if __name__ == "__main__":
    [folder] = (HERE / "apps").iterdir()
    arguments = [sys.executable, *command(folder), *sys.argv[1:]]
    os.execve(sys.executable, arguments, environment(folder, dict(os.environ)))
