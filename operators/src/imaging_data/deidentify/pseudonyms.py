# SPDX-License-Identifier: Apache-2.0
"""Pseudonyms, UIDs and days, each an HMAC-SHA256 of the original under one secret key (RFC 2104).

The same original always gets the same, on every machine with the key; without the key nothing leads back.
"""

import base64
import hmac
import os
import secrets
import unicodedata
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from pydicom._uid_dict import UID_dictionary

from ..errors import ImagingDataError

KEY_BYTES = 32
MOST_DAYS = 3650  # a patient's dates are moved 1 to this many days back


class MissingKey(ImagingDataError):
    """The key file is not there."""

    hint = "Name it with --key-file; --new-key makes one there."


class UnusableKey(ImagingDataError):
    """The key file holds no key that may be used."""

    hint = "A key is 32 random bytes in a file that only its owner reads: `chmod 600`; --new-key makes one."


class KeyExists(ImagingDataError):
    """There is a key already: a new one would give every patient another pseudonym."""

    hint = "Leave --new-key out to use it, or name another file."


class OtherKey(ImagingDataError):
    """The mapping was made with another key."""

    hint = "Name the key file that it was made with, or another file for the mapping."


@dataclass(frozen=True)
class Key:
    """The secret: 32 bytes."""

    secret: bytes = field(repr=False)

    @classmethod
    def read(cls, path: Path) -> Self:
        """The key in a file.  Raises MissingKey, and UnusableKey for another size or one that others may read."""
        try:
            with path.open("rb") as file:
                mode, secret = os.fstat(file.fileno()).st_mode, file.read(KEY_BYTES + 1)
        except FileNotFoundError as error:
            raise MissingKey(f"{path}") from error
        except OSError as error:
            raise UnusableKey(f"{path}: {error.strerror}.") from error
        if mode & 0o077:
            raise UnusableKey(f"{path} can be read by others than its owner.")
        if len(secret) != KEY_BYTES:
            raise UnusableKey(f"{path} does not hold {KEY_BYTES} bytes.")
        return cls(secret)

    @classmethod
    def new(cls, path: Path) -> Self:
        """Make a key, in a new file of mode 0600.  Raises KeyExists, UnusableKey where it cannot be written."""
        secret = secrets.token_bytes(KEY_BYTES)
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(secret)
                file.flush()
                os.fsync(file.fileno())
        except FileExistsError as error:
            raise KeyExists(f"{path}") from error
        except OSError as error:
            raise UnusableKey(f"{path}: {error.strerror}.") from error
        return cls(secret)

    @property
    def fingerprint(self) -> str:
        """What tells two keys apart and gives nothing of them away: 16 hexadecimal digits."""
        return self._digest("fingerprint").hex()[:16]

    def pseudonym(self, *parts: str) -> str:
        """16 letters and digits for the original that `parts` name together, such as issuer and PatientID."""
        return base64.b32encode(self._digest("pseudonym", *parts)[:10]).decode()

    def uid(self, original: str) -> str:
        """The UID that stands for `original`; one of the Standard's own (PS3.6 Annex A) stands for itself."""
        if not original or original in UID_dictionary:
            return original
        bits = bytearray(self._digest("uid", original)[:16])
        bits[6] = bits[6] & 0x0F | 0x80  # version 8 (RFC 9562 section 5.8)
        bits[8] = bits[8] & 0x3F | 0x80
        return f"2.25.{uuid.UUID(bytes=bytes(bits)).int}"  # PS3.5 section B.2

    def days(self, *parts: str) -> int:
        """By how many days the dates of the patient whom `parts` name are moved: -1 to -3650."""
        return -1 - int.from_bytes(self._digest("days", *parts)[:8]) % MOST_DAYS

    def derived(self, purpose: bytes) -> bytes:
        """A key of 32 bytes for another purpose (HKDF, RFC 5869).  Needs `cryptography`."""
        from cryptography.hazmat.primitives.hashes import SHA256
        from cryptography.hazmat.primitives.kdf.hkdf import HKDF

        return HKDF(SHA256(), KEY_BYTES, None, purpose).derive(self.secret)

    def _digest(self, *parts: str) -> bytes:
        """Parts are told apart; one text in two Unicode forms is one text."""
        texts = [unicodedata.normalize("NFC", part).strip().encode() for part in parts]
        return hmac.digest(self.secret, b"".join(b"%d:%s" % (len(text), text) for text in texts), "sha256")
