# SPDX-License-Identifier: Apache-2.0
"""DICOM without the patient: PS3.15 Annex E, pseudonyms that are keyed, text in pixels."""

from .files import Deidentified, deidentify_files
from .holding import HeldBack
from .instance import Changed, deidentify
from .mapping import Mapping
from .profile import Profile
from .pseudonyms import Key

__all__ = [
    "Changed",
    "Deidentified",
    "HeldBack",
    "Key",
    "Mapping",
    "Profile",
    "deidentify",
    "deidentify_files",
]
