# SPDX-License-Identifier: Apache-2.0
"""Who an app is, what it needs, and the profiles in which it runs."""

import json
import re
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from .errors import BadJob

PROFILE_NAME = re.compile(r"[a-z0-9_.-]{1,64}")


@dataclass(frozen=True)
class Needs:
    """What one run of the app needs at most: cores, memory in MB (2**20 bytes), seconds.

    `gpu`: "required", "preferred" (it runs on the CPU where there is no GPU that is large enough) or "none"; "" is
    "required" where `gpu_memory_mb` is given, else "none".  A GPU without `gpu_memory_mb`: the gateway sees what
    the app takes.  Raises ValueError for another word.
    """

    cpu: int = 1
    memory_mb: int = 4096
    gpu_memory_mb: int = 0
    timeout_s: float = 600
    gpu: Literal["required", "preferred", "none", ""] = ""

    def __post_init__(self) -> None:
        if self.gpu not in get_args(type(self).__annotations__["gpu"]):
            raise ValueError(f"Needs.gpu {self.gpu!r} must be 'required', 'preferred', 'none' or ''")


@dataclass(frozen=True)
class Profile:
    """A way to run the app: keyword arguments of `predict`.  An app without profiles has one without a name."""

    name: str
    parameters: Mapping[str, Any]

    @property
    def text(self) -> str:
        """Name and parameters as one text, for the UIDs of results: another profile is another result."""
        return json.dumps([self.name, self.parameters], sort_keys=True)


@dataclass(frozen=True)
class AppInfo:
    """Who the app is.

    The three texts stand in every result (PS3.3 C.7.5.1): name as ManufacturerModelName, version as
    SoftwareVersions, creator as Manufacturer.  `models` are file names in the models folder that must be
    there.  `profiles` are keyword arguments of `predict`, by names that a route may give; the first is the
    default.  `cheaper`: for a profile, the one to run instead when it needs more GPU memory than there is.
    Raises ValueError for a text that is empty or longer than 64 characters (LO), and for a profile
    with another kind of name or with values that JSON does not keep.
    """

    name: str
    version: str
    creator: str
    needs: Needs = field(default_factory=Needs)
    models: tuple[str, ...] = ()
    profiles: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, hash=False)
    cheaper: Mapping[str, str] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        for key in ("name", "version", "creator"):
            text = getattr(self, key)
            if not 0 < len(text) <= 64 or "\\" in text:
                raise ValueError(f"AppInfo.{key} {text!r} must have 1 to 64 characters and no backslash")
        for name, parameters in self.profiles.items():
            _check_profile(name, parameters)
        for pair in self.cheaper.items():
            if not set(pair) <= set(self.profiles) or pair[1] in self.cheaper:
                raise ValueError(
                    f"AppInfo.cheaper: {pair} must be two profiles, the second without a cheaper one"
                )

    def profile(self, name: str = "") -> Profile:
        """The profile of this name, the default one for "".  Raises BadJob, naming those there are.

        Its parameters are a copy: what `predict` does to them must not reach the next job.
        """
        chosen = name or next(iter(self.profiles), "")
        if chosen and chosen not in self.profiles:
            there = ", ".join(self.profiles) or "none"
            raise BadJob(
                f"The app has no profile {name!r}. There is: {there}.", "Correct `profile` of the route."
            )
        return Profile(chosen, deepcopy(dict(self.profiles.get(chosen, {}))))


def _check_profile(name: str, parameters: Mapping[str, Any]) -> None:
    if not PROFILE_NAME.fullmatch(name):
        raise ValueError(f"AppInfo.profiles: {name!r} must have 1 to 64 of the characters a-z 0-9 _ . -")
    where = f"AppInfo.profiles[{name!r}]"
    for key in parameters:
        if not str(key).isidentifier():
            raise ValueError(f"{where}: {key!r} can be no parameter of predict()")
    try:
        kept = json.loads(json.dumps(parameters, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise ValueError(f"{where} cannot be JSON: {error}") from None
    if kept != parameters:
        raise ValueError(f"{where} is not the same after JSON: use lists, texts, finite numbers and booleans")
