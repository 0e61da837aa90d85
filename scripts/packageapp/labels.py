# SPDX-License-Identifier: Apache-2.0
"""What an image says of itself without being run."""

import json
import subprocess

from .context import PACKAGES, Context


def labels(context: Context) -> dict[str, str]:
    """The labels of the context's image; `revision` only where the app is in a git repository."""
    manifest = context.manifest
    found = {
        "org.opencontainers.image.title": manifest["name"],
        "org.opencontainers.image.version": manifest["version"],
        "org.gantry.manifest": json.dumps(manifest),
        "org.gantry.models": json.dumps(context.models),
    }
    revision = _revision(context)
    return found | ({"org.opencontainers.image.revision": revision} if revision else {})


def _revision(context: Context) -> str:
    """The commit of the app's repository, with -dirty when the app or our packages are not as committed."""
    commit = _git(context, "rev-parse", "HEAD")
    sources = [str(context.source), *(package.__path__[0] for package in PACKAGES)]
    changed = commit and _git(context, "status", "--porcelain", "--", *sources)
    return f"{commit}-dirty" if changed else commit


def _git(context: Context, *arguments: str) -> str:
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=context.source, capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
