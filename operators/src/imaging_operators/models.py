# SPDX-License-Identifier: Apache-2.0
"""An app's model files, verified before anything loads them: a pickled checkpoint runs code when it is read."""

from collections.abc import Iterable
from pathlib import Path

from imaging_data.model_lock import Models, known_sha256

from .errors import MissingModel, WrongModel


def verify_models(app: Path, models: Path | None, names: Iterable[str]) -> dict[str, str]:
    """SHA-256 by name of the files `names` in the folder `models`, which are what a model.lock says.

    app: the app's folder.  A file is verified against the `model.lock` in the models folder, else against the
    app's own; an app without any entry has files that nobody vouches for, and they are taken as they are.

    Raises MissingModel or WrongModel, naming each file and the command that mends it; BadModelLock.
    """
    wanted = tuple(names)
    if wanted and models is None:
        raise MissingModel(f"{', '.join(wanted)}: not in any models folder.", _hint(app))
    if models is None:
        return {}
    faults = list(Models.of(app, models).faults(wanted))
    if missing := [fault.name for fault in faults if fault.kind == "missing"]:
        raise MissingModel(f"{', '.join(missing)}: not in {models}.", _hint(app))
    if faults:
        raise WrongModel(" ".join(fault.sentence for fault in faults), _hint(app))
    return {name: known_sha256(models / name) for name in wanted}


def _hint(app: Path) -> str:
    return f"Run `scripts/fetch-models {app.name}`, and look in its model.lock."
