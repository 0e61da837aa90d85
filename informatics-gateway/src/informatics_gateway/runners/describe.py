# SPDX-License-Identifier: Apache-2.0
"""Ask an app for its manifest: `python app.py manifest`."""

import subprocess
import tempfile
from pathlib import Path

from ..errors import AppCrashed, AppFailed
from . import command
from .environment import app_environment
from .outcome import plain

DESCRIBES_WITHIN_S = 120.0  # a first start reads a lot of Python from a cold disk


def describe(script: Path) -> str:
    """What the app prints as its manifest, in an environment as clean as a job's.

    Raises AppFailed; AppCrashed, which is tried again, when a signal ended it.
    """
    with tempfile.TemporaryDirectory(prefix="gantry-") as home:
        try:
            done = subprocess.run(
                command(script, "manifest"),
                cwd=home,
                env=app_environment(Path(home), 0, {}),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=DESCRIBES_WITHIN_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise AppFailed(
                f"`{script.name} manifest` took more than {DESCRIBES_WITHIN_S:g} s.", _hint(script)
            ) from None
    if done.returncode < 0:
        raise AppCrashed(f"`{script.name} manifest` was ended by signal {-done.returncode}.")
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or ["It said nothing."]
        raise AppFailed(
            f"`{script.name} manifest` ended with {done.returncode}: {plain(lines[-1])}", _hint(script)
        )
    return done.stdout


def _hint(script: Path) -> str:
    return f"Run `{' '.join(command(script, 'manifest'))}` by hand."
