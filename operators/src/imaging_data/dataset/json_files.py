# SPDX-License-Identifier: Apache-2.0
"""JSON files as trainers read them."""

import json
from pathlib import Path
from typing import Any


def write_json(content: Any, path: Path) -> None:
    """A new file in UTF-8, with line breaks, as people read it, too."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("x", encoding="utf-8") as file:
        json.dump(content, file, indent=2, ensure_ascii=False)
        file.write("\n")
