# SPDX-License-Identifier: Apache-2.0
"""Who an app is and what it needs."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Needs:
    """What one run of the app needs at most: cores, memory in MB (2**20 bytes), seconds."""

    cpu: int = 1
    memory_mb: int = 4096
    gpu_memory_mb: int = 0
    timeout_s: float = 600


@dataclass(frozen=True)
class AppInfo:
    """Who the app is.

    The three texts stand in every result (PS3.3 C.7.5.1): name as ManufacturerModelName, version as
    SoftwareVersions, creator as Manufacturer.  `models` are file names in the models folder that must be
    there.  Raises ValueError for a text that is empty or longer than 64 characters (LO).
    """

    name: str
    version: str
    creator: str
    needs: Needs = field(default_factory=Needs)
    models: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for key in ("name", "version", "creator"):
            text = getattr(self, key)
            if not 0 < len(text) <= 64 or "\\" in text:
                raise ValueError(f"AppInfo.{key} {text!r} must have 1 to 64 characters and no backslash")
