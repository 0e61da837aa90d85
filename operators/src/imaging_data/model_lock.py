# SPDX-License-Identifier: Apache-2.0
"""model.lock: which model files an app uses, what each must be, and whether a folder has them.

Two files of one format.  The app's own `model.lock` says what is fetched, and from where.  The `model.lock` in
a models folder says what was made there (unpacked, converted or trained) and wins for the files it names.
"""

import json
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any, Self

from .errors import ImagingDataError
from .hashing import file_sha256

FILE = "model.lock"
SHA256 = re.compile(r"[0-9a-f]{64}|")
CONVERTER = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*|")
WEB = re.compile(r"https?://\S+|")


class BadModelLock(ImagingDataError):
    """A model.lock is not as agreed."""

    hint = "apps/README.md says what a model.lock holds."


@dataclass(frozen=True)
class LockedModel:
    """One [[model]].  Raises BadModelLock, naming the key, for a value that cannot be.

    name: path of the file in the models folder.  size: bytes, 0 while it is not known.  sha256: hexadecimal, ""
    until it was computed from the file.  url: where it is fetched, "" for what the repository holds itself.
    unpack: "zip", for an archive that is unpacked into the models folder.  convert: "module:function" in the
    app's folder, which makes the files that the app loads.  source, source_sha256: of a file that was unpacked
    or converted, the name and hash of what it was made from.
    """

    name: str
    sha256: str
    size: int = 0
    url: str = ""
    licence: str = ""
    unpack: str = ""
    convert: str = ""
    source: str = ""
    source_sha256: str = ""

    def __post_init__(self) -> None:
        wrong = [
            key
            for key, good in (
                ("name", is_model_name(self.name)),
                ("sha256", SHA256.fullmatch(self.sha256)),
                ("size", self.size >= 0),
                ("url", WEB.fullmatch(self.url)),
                ("unpack", self.unpack in ("", "zip")),
                ("convert", CONVERTER.fullmatch(self.convert)),
            )
            if not good
        ]
        if self.unpack and self.convert:
            wrong.append("convert (beside unpack)")
        if wrong:
            raise BadModelLock(f"{self.name!r}: {', '.join(wrong)}.")

    @classmethod
    def from_toml(cls, table: Mapping[str, Any]) -> Self:
        """Raises BadModelLock for a key that is missing, unknown or of another type."""
        types = {field.name: int if field.name == "size" else str for field in fields(cls)}
        name = table.get("name", "a [[model]] without name")
        for key in ("name", "sha256"):
            if key not in table:
                raise BadModelLock(f"{name!r}: {key} is missing.")
        for key, value in table.items():
            if key not in types or not isinstance(value, types[key]) or isinstance(value, bool):
                raise BadModelLock(f"{name!r}: {key} = {value!r}.")
        return cls(**table)

    @property
    def makes_files(self) -> bool:
        """Whether the app loads what is made of it, not the file itself."""
        return bool(self.unpack or self.convert)


@dataclass(frozen=True)
class ModelFault:
    """A model file that an app cannot use: `kind` "missing" or "wrong", and why, in a sentence."""

    name: str
    kind: str
    sentence: str


def is_model_name(name: str) -> bool:
    """Whether it is a relative path that stays in its folder."""
    parts = PurePosixPath(name).parts
    plain = bool(parts) and not name.startswith("/") and "\\" not in name and name == "/".join(parts)
    return plain and not any(part.startswith(".") or not part.isprintable() for part in parts)


def read_lock(path: Path) -> dict[str, LockedModel]:
    """The models of a model.lock by name; none where there is no file.  Raises BadModelLock."""
    if not path.is_file():
        return {}
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
        if tables.keys() - {"model"} or not isinstance(tables.get("model", []), list):
            raise BadModelLock(f"It holds [[model]] only, not {', '.join(tables)}.")
        models = [LockedModel.from_toml(table) for table in tables.get("model", [])]
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadModelLock(f"{path}: {error}.") from error
    except BadModelLock as error:
        raise BadModelLock(f"{path}: {error.detail}") from error
    by_name = {model.name: model for model in models}
    if len(by_name) < len(models):
        raise BadModelLock(f"{path}: two [[model]] have one name.")
    return by_name


def lock_text(models: Iterable[LockedModel], comment: str) -> str:
    """A model.lock as TOML; `comment` is its first line.  What is empty is left out."""
    blocks = [f"# {comment}\n"]
    for model in models:
        # JSON's numbers and texts are TOML's too.
        keys = [
            f"{key} = {json.dumps(value)}" for key, value in asdict(model).items() if value or key == "sha256"
        ]
        blocks.append("\n".join(["[[model]]", *keys]) + "\n")
    return "\n".join(blocks)


def describe_file(folder: Path, name: str) -> LockedModel:
    """What a lock says of the file `name` as it lies in `folder`: its size and hash."""
    path = folder / name
    return LockedModel(name=name, sha256=file_sha256(path), size=path.stat().st_size)


@dataclass(frozen=True)
class Models:
    """What an app needs of its models folder: the two locks, read.  Build it with `of`."""

    folder: Path
    locked: Mapping[str, LockedModel]
    made: Mapping[str, LockedModel]

    @classmethod
    def of(cls, app: Path, folder: Path) -> Self:
        """Of the app's folder and the models folder.  Raises BadModelLock."""
        return cls(folder, read_lock(app / FILE), read_lock(folder / FILE))

    def faults(self, names: Iterable[str], thorough: bool = True) -> Iterator[ModelFault]:
        """What is wrong with the files `names`, which the app loads.

        thorough: by hash; else by being there and by size, which costs no reading.
        """
        for name in names:
            if not (self.folder / name).is_file():
                yield ModelFault(name, "missing", f"{name} is not in {self.folder}.")
            elif wrong := self._wrong(name, thorough):
                yield ModelFault(name, "wrong", wrong)

    def _wrong(self, name: str, thorough: bool) -> str:
        known = self.made.get(name) or self.locked.get(name)
        if known is None:
            return f"No model.lock names {name}." if self.locked or self.made else ""
        if not known.sha256:
            return f"model.lock has no hash of {name} yet."
        if outdated := self._outdated(known):
            return outdated
        size = (self.folder / name).stat().st_size
        if known.size and size != known.size:
            return f"{name} has {size} bytes, not the {known.size} of model.lock."
        if thorough and (found := known_sha256(self.folder / name)) != known.sha256:
            return f"{name} has SHA-256 {found}, not {known.sha256}."
        return ""

    def _outdated(self, made: LockedModel) -> str:
        source = self.locked.get(made.source)
        if source is None or source.sha256 == made.source_sha256:
            return ""
        return f"{made.name} was made from another {made.source} than model.lock names."


def known_sha256(path: Path) -> str:
    """The file's SHA-256, computed once per process for as long as its size and time stay."""
    about = path.stat()
    return _sha256(path, about.st_size, about.st_mtime_ns)


@lru_cache(maxsize=4096)
def _sha256(path: Path, size: int, mtime_ns: int) -> str:
    return file_sha256(path)
