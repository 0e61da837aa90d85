# SPDX-License-Identifier: Apache-2.0
"""Which pseudonym stands for which patient, and which UID for which: the way back, encrypted."""

import csv
import io
import json
import os
import time
import zlib
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Self

from ..convert.errors import MissingPackage, TargetExists
from ..errors import ImagingDataError
from .places import AlreadyRunning, WrongPlace, locked, replace, writing
from .pseudonyms import Key, OtherKey

MAGIC = b"GANTRYMAP1"
FINGERPRINT, NONCE = 16, 12  # bytes
PURPOSE = b"gantry deidentify mapping"
PATIENCE_S = 30.0
COLUMNS = ("pseudonym", "patient_id", "issuer", "name", "days")


class UnreadableMapping(ImagingDataError):
    """The file is no mapping, or was changed."""

    hint = "Name the file that `gantry deidentify --mapping` wrote, as it wrote it."


@dataclass(frozen=True)
class Original:
    """Who a pseudonym stands for; days: by how many the dates were moved, 0 for not at all."""

    issuer: str
    patient_id: str
    name: str
    days: int


@dataclass
class Mapping:
    """patients: by pseudonym.  uids: originals by the UID that stands for them."""

    patients: dict[str, Original] = field(default_factory=dict)
    uids: dict[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path, key: Key) -> Self:
        """The mapping in a file.  Raises OtherKey for one of another key, UnreadableMapping."""
        from cryptography.exceptions import InvalidTag

        try:
            content = path.read_bytes()
        except OSError as error:
            raise UnreadableMapping(f"{path}: {error.strerror}.") from error
        head, body = content[: len(MAGIC) + FINGERPRINT], content[len(MAGIC) + FINGERPRINT :]
        if not head.startswith(MAGIC):
            raise UnreadableMapping(f"{path}")
        if head != _head(key):
            raise OtherKey(f"{path}")
        try:
            plain = zlib.decompress(_cipher(key).decrypt(body[:NONCE], body[NONCE:], head))
        except (InvalidTag, ValueError, zlib.error) as error:
            raise UnreadableMapping(f"{path}") from error
        raw = json.loads(plain)
        return cls({name: Original(**each) for name, each in raw["patients"].items()}, raw["uids"])

    def add(self, other: "Mapping") -> None:
        """Take in what `other` says."""
        self.patients |= other.patients
        self.uids |= other.uids

    def save(self, path: Path, key: Key) -> None:
        """Add this mapping to the one in `path`, or write a new one, of mode 0600.

        AES-256-GCM (NIST SP 800-38D), with a key derived from `key`.  Waits while another run does the same, at
        most `PATIENCE_S`.  Raises OtherKey and UnreadableMapping for what is there, CannotWrite, AlreadyRunning,
        MissingPackage.
        """
        until = time.monotonic() + PATIENCE_S
        while True:
            try:
                with locked(path.absolute().parent):
                    return self._add_to(path, key)
            except AlreadyRunning:
                if time.monotonic() > until:
                    raise
                time.sleep(0.05)

    def _add_to(self, path: Path, key: Key) -> None:
        whole = Mapping.read(path, key) if path.exists() else Mapping()
        whole.add(self)
        patients = {name: asdict(each) for name, each in whole.patients.items()}
        plain = json.dumps({"patients": patients, "uids": whole.uids}).encode()
        nonce, head = os.urandom(NONCE), _head(key)
        with writing(path):
            replace(path, head + nonce + _cipher(key).encrypt(nonce, zlib.compress(plain), head), 0o600)

    def save_csv(self, path: Path) -> None:
        """Write the patients as CSV, in a new file of mode 0600.  Raises TargetExists, CannotWrite."""
        if path.exists():
            raise TargetExists(f"{path}")
        text = io.StringIO(newline="")
        rows = csv.writer(text)
        rows.writerow(COLUMNS)
        for name, each in sorted(self.patients.items()):
            rows.writerow(map(_cell, (name, each.patient_id, each.issuer, each.name, each.days)))
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            replace(path, text.getvalue().encode(), 0o600)


def check_places(
    target: Path, mapping: Path | None, mapping_csv: Path | None, key_file: Path | None = None
) -> None:
    """Raise WrongPlace for a secret inside `target`, from where it would go out, TargetExists for an old CSV."""
    for path in (mapping, mapping_csv, key_file):
        if path is not None and path.resolve().is_relative_to(target.resolve()):
            raise WrongPlace(f"{path} lies in {target}.")
    if mapping_csv is not None and mapping_csv.exists():
        raise TargetExists(f"{mapping_csv}")


def _cell(value: object) -> object:
    """A value that no spreadsheet takes for a formula."""
    return f"'{value}" if isinstance(value, str) and value[:1] in tuple("=+-@\t\r") else value


def _head(key: Key) -> bytes:
    return MAGIC + key.fingerprint.encode()


def _cipher(key: Key):  # type: ignore[no-untyped-def]
    try:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    except ImportError as error:
        raise MissingPackage("cryptography, for the mapping as an encrypted file.") from error
    return AESGCM(key.derived(PURPOSE))
