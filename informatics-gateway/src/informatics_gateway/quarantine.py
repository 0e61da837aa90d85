# SPDX-License-Identifier: Apache-2.0
"""quarantine/: what was refused, why, and the way back in.

    <storage>/quarantine/<entry>/reason.json      the sentence, the hint, when, from whom
    <storage>/quarantine/<entry>/object.dcm       the refused instance (a refused series stays where it is)

No attribute of a patient is written into reason.json, and an entry's name comes from the time and chance.
"""

import json
import secrets
import shutil
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from imaging_data import file_sha256

from .durable import make_folder, sync_folder, write_file
from .errors import GantryError
from .model import Association

FOLDER = "quarantine"
REASON = "reason.json"
OBJECT = "object.dcm"
UNFINISHED = ".new-"  # an entry that is being written


class NoSuchEntry(GantryError):
    """There is no such entry in the quarantine:"""

    hint = "`gantry quarantine list` shows what is there."


@dataclass(frozen=True)
class Entry:
    """One refusal.

    kind "instance": one instance that came in, kept as object.dcm.  kind "series": instances that are stored
    and start no job; `instances` names them (paths or UIDs), `facts` is what the step that refused knows.
    """

    id: str
    kind: Literal["instance", "series"]
    sentence: str
    hint: str
    at: float
    association: Association | None = None
    sha256: str = ""
    instances: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)


def entries(storage: Path) -> list[Entry]:
    """Everything in quarantine, the oldest first."""
    reasons = (storage / FOLDER).glob(f"[!.]*/{REASON}")
    return sorted((_read(path) for path in reasons), key=lambda entry: (entry.at, entry.id))


def show(storage: Path, entry_id: str) -> Entry:
    """The entry with this id.  Raises NoSuchEntry."""
    for entry in entries(storage):
        if entry.id == entry_id:
            return entry
    raise NoSuchEntry(entry_id)


def object_path(storage: Path, entry_id: str) -> Path:
    """Where the refused instance of an entry of kind "instance" lies.  Raises NoSuchEntry."""
    return storage / FOLDER / show(storage, entry_id).id / OBJECT


def keep_instance(
    storage: Path, path: Path, sentence: str, hint: str, association: Association | None
) -> str:
    """Move the file at `path`, on the same file system, into quarantine; returns the entry's id."""
    at, sha256 = time.time(), file_sha256(path)
    return _keep(storage, Entry(_new_id(at), "instance", sentence, hint, at, association, sha256), path)


def keep_series(
    storage: Path,
    sentence: str,
    hint: str,
    association: Association | None,
    instances: Iterable[Path | str],
    facts: Mapping[str, Any],
) -> str:
    """Note a refused series; its instances stay where they are.  Returns the entry's id."""
    at, names = time.time(), tuple(map(str, instances))
    return _keep(
        storage, Entry(_new_id(at), "series", sentence, hint, at, association, "", names, dict(facts)), None
    )


def _new_id(at: float) -> str:
    return f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime(at))}-{secrets.token_hex(4)}"


def _keep(storage: Path, entry: Entry, path: Path | None) -> str:
    """Write the entry beside and name it last, then give up `path`: whenever it crashes, nothing is lost."""
    folder = storage / FOLDER / entry.id
    unfinished = folder.with_name(UNFINISHED + entry.id)
    make_folder(unfinished)
    if path is not None:
        (unfinished / OBJECT).hardlink_to(path)
    write_file(unfinished / REASON, json.dumps(asdict(entry), indent=1).encode())
    sync_folder(unfinished)
    unfinished.rename(folder)
    sync_folder(folder.parent)
    if path is not None:
        path.unlink()
    return entry.id


def tidy(storage: Path) -> None:
    """Take away what a crash has left unfinished.  Only for a start."""
    for unfinished in (storage / FOLDER).glob(f"{UNFINISHED}*"):
        shutil.rmtree(unfinished)


def remove(storage: Path, entry_id: str) -> None:
    """Take an entry and its object away for good.  Raises NoSuchEntry."""
    folder = storage / FOLDER / show(storage, entry_id).id
    (folder / REASON).unlink()
    shutil.rmtree(folder)
    sync_folder(folder.parent)


def _read(path: Path) -> Entry:
    content = json.loads(path.read_bytes())
    association = content["association"]
    return Entry(
        **content
        | {
            "association": Association(**association) if association else None,
            "instances": tuple(content["instances"]),
        }
    )
