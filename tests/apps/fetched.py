# SPDX-License-Identifier: Apache-2.0
"""An app with one model, and a server that has it, for the tests of scripts/fetch-models."""

import hashlib
import random
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from model_server import ModelServer, Served

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "scripts"))
from fetchmodels import __main__ as fetch_models  # noqa: E402

CONTENT = random.Random(1).randbytes(3_000_000)
OTHER = random.Random(2).randbytes(len(CONTENT))


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@dataclass
class Tool:
    """An app's folder with one model, its server, and what the command printed."""

    folder: Path
    server: ModelServer
    capsys: pytest.CaptureFixture[str]

    @property
    def served(self) -> Served:
        return self.server.served

    @property
    def lock(self) -> Path:
        return self.folder / "model.lock"

    @property
    def model(self) -> Path:
        return self.folder / "models" / "net.pt"

    def locks(self, sha256: str, size: int = len(CONTENT), name: str = "net.pt", more: str = "") -> None:
        self.lock.write_text(
            f'# Ours.\n\n[[model]]\nname = "{name}"  # the net\nurl = "{self.server.url}"\nsize = {size}\n'
            f'sha256 = "{sha256}"   # of the file\nlicence = "Apache-2.0"\n{more}'
        )

    def fetch(self, *arguments: str | Path) -> tuple[int, str]:
        status = fetch_models.main([str(self.folder), *map(str, arguments)])
        return status, self.capsys.readouterr().out

    def left(self) -> set[str]:
        """Every file in the models folder."""
        models = self.folder / "models"
        return {path.relative_to(models).as_posix() for path in models.rglob("*") if path.is_file()}
