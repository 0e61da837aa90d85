# SPDX-License-Identifier: Apache-2.0
"""The app that is shown: its folder, its models, its button."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from informatics_gateway.app_manifest import AppManifest
from informatics_gateway.apps import AppFolder, find_app

BUTTONS = {"lung_densitometry": "LUNGS"}  # the others' are their names


@dataclass(frozen=True)
class Tool:
    """An app; `models`: its models folder, its own by default."""

    folder: AppFolder
    models: Path

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.folder.name

    @property
    def button(self) -> str:
        """The AE title that the series is sent to."""
        return BUTTONS.get(self.name, self.name.upper()[:16])

    @cached_property
    def manifest(self) -> AppManifest:
        """What the app says of itself."""
        return self.folder.manifest()


def open_tool(name: str, apps: Path, models: Path | None) -> Tool:
    """The app called `name`, ready to run.

    Raises AppFailed, naming the command that mends it, when it is not there or lacks its models.
    """
    folder = find_app(name, apps)
    tool = Tool(folder, (models or folder.models).resolve())
    folder.program(tool.manifest, tool.models)
    return tool
