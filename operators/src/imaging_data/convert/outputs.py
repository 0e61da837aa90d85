# SPDX-License-Identifier: Apache-2.0
"""Output files that appear whole or not at all, and never in the place of another."""

import os
from pathlib import Path
from types import TracebackType
from typing import Self

from ..errors import TargetExists
from ..whole import give_name, partial_name, sync


class Outputs:
    """Files that belong together: written under temporary names, named when the `with` block ends well.

    After an error none of them is there, nor a folder that was made for them.
    """

    def __init__(self) -> None:
        self._written: dict[Path, Path] = {}  # target: where it is written
        self._folders: list[Path] = []

    def file(self, target: Path) -> Path:
        """Where to write what is to become `target`: beside it, with the same ending.

        Raises TargetExists when it is there already.
        """
        if target in self._written or os.path.lexists(target):
            raise TargetExists(f"{target}")
        self._make_folder(target.parent)
        self._written[target] = partial_name(target)
        return self._written[target]

    @property
    def targets(self) -> tuple[Path, ...]:
        """The files, in the order in which they were asked for."""
        return tuple(self._written)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        named: list[Path] = []
        try:
            if kind is None:
                for target, partial in self._written.items():
                    sync(partial)
                    give_name(partial, target)
                    named.append(target)
        finally:
            if len(named) < len(self._written):
                self._take_away([*self._written.values(), *named])

    def _make_folder(self, folder: Path) -> None:
        if not folder.is_dir():
            self._make_folder(folder.parent)
            folder.mkdir(exist_ok=True)
            self._folders.append(folder)

    def _take_away(self, files: list[Path]) -> None:
        for path in files:
            path.unlink(missing_ok=True)
        for folder in reversed(self._folders):
            if not any(folder.iterdir()):
                folder.rmdir()
