# SPDX-License-Identifier: Apache-2.0
"""Values of a bundle's files, asked for by dotted key, refused by file, key and value."""

import json
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import BadBundle

WORDS = {str: "a text", int: "a whole number", float: "a number", list: "a list", dict: "a table"}


@dataclass(frozen=True)
class Document:
    """A JSON or TOML file of a bundle, or a table within it; `where` is what messages call it."""

    where: str
    values: dict[str, Any]

    @classmethod
    def read(cls, path: Path) -> "Document":
        """Raises BadBundle when the file is missing or holds anything else."""
        where = f"{path.parent.name}/{path.name}"
        try:
            text = path.read_text(encoding="utf-8")
            values = tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)
        except FileNotFoundError:
            raise BadBundle(f"{where} is missing in {path.parents[1]}.") from None
        except (OSError, ValueError, RecursionError) as error:
            raise BadBundle(f"{where} cannot be read: {error}.") from error
        if not isinstance(values, dict):
            raise BadBundle(f"{where} must hold an object, not {type(values).__name__}.")
        return cls(where, values)

    def get(self, key: str, kind: type, default: Any = ...) -> Any:
        """The value at a dotted key.  Raises BadBundle when it is missing without a default, or no `kind`."""
        value: Any = self.values
        for part in key.split("."):
            value = value.get(part, ...) if isinstance(value, dict) else ...
        if value is ... and default is ...:
            raise BadBundle(f"{self.where}: {key} is missing; it must be {WORDS[kind]}.")
        if value is ...:
            return default
        accepted = (int, float) if kind is float else kind
        if not isinstance(value, accepted) or (isinstance(value, bool) and kind is not bool):
            raise self.wrong(key, value, WORDS[kind])
        return value

    def text(self, key: str, default: Any = ..., longest: int = 64) -> str:
        """A text that a DICOM attribute of that many characters takes.  Raises BadBundle."""
        value = self.get(key, str, default).strip()
        if (default is ... and not value) or len(value) > longest or "\\" in value:
            raise self.wrong(key, value, f"a text of 1 to {longest} characters without backslash")
        return str(value)

    def tables(self, key: str) -> list["Document"]:
        """A list of tables, at least one.  Raises BadBundle."""
        found = self.get(key, list)
        if not found or not all(isinstance(each, dict) for each in found):
            raise self.wrong(key, found, "a list of tables, at least one")
        return [Document(f"{self.where}: {key} {number}", each) for number, each in enumerate(found, start=1)]

    def wrong(self, key: str, value: Any, wanted: str) -> BadBundle:
        """The error that says what the key is and must be."""
        return BadBundle(f"{self.where}: {key} is {value!r}; it must be {wanted}.")
