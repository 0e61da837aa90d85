# SPDX-License-Identifier: Apache-2.0
"""Which model files go into an image: those that the app loads and that model.lock vouches for."""

from collections.abc import Sequence
from pathlib import Path

from imaging_data.model_lock import FILE, Models, known_sha256

from .wrong import UntrustedModel


def verified(app: Path, declared: Sequence[str]) -> dict[str, str]:
    """SHA-256 by name of the files in the app's models folder that its image holds.

    They are what the app declares and what a model.lock names, as far as it is there: a profile's files too, but
    no archive that was unpacked or converted.  Raises UntrustedModel for a file with another hash or without one,
    BadModelLock.
    """
    models = Models.of(app, app / "models")
    loaded = [name for name, model in (models.locked | models.made).items() if not model.makes_files]
    there = [name for name in sorted({*declared, *loaded}) if (models.folder / name).is_file()]
    if wrong := [fault.sentence for fault in models.faults(there)]:
        raise UntrustedModel(
            " ".join(wrong), f"Run `scripts/fetch-models {app.name}`, and look in model.lock."
        )
    return {name: known_sha256(models.folder / name) for name in there}


def files(app: Path, names: Sequence[str]) -> list[str]:
    """What is copied of the models folder: these, and the model.lock that says what was made there."""
    return [*names, *([FILE] if (app / "models" / FILE).is_file() else [])]
