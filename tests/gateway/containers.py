# SPDX-License-Identifier: Apache-2.0
"""Images for the tests: the app in apps/contract_only, and worse ones."""

import json
import shutil
from pathlib import Path

from app_jobs import APP
from engine import Podman

from informatics_gateway.apps import MANIFEST_LABEL
from informatics_gateway.runners.container import LABEL, owner_of
from informatics_gateway.runners.describe import describe


def stub(podman: Podman, folder: Path) -> str:
    """The image of the app whose input says what it shall do."""
    shutil.copy(APP / "app.py", folder / "__main__.py")
    shutil.copy(APP / "deeds.py", folder)
    return podman.build("gantry-test-stub", folder, {MANIFEST_LABEL: json.loads(describe(APP / "app.py"))})


def containers(podman: Podman, storage: Path) -> list[str]:
    """The containers of a gateway with this storage folder, running or not."""
    label = f"label={LABEL}={owner_of(storage / 'work')}"
    return podman("ps", "--all", "--filter", label, "--format", "{{.Names}}").split()
