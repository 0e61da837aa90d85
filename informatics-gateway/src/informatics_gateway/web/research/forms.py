# SPDX-License-Identifier: Apache-2.0
"""What the research pages' forms say, checked: texts, places on this machine, where results go."""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from fastapi import HTTPException
from starlette.datastructures import FormData
from starlette.requests import Request

from ...config import Config, Destination, FolderDestination
from ...errors import GantryError
from ...sending.addressee import to_button
from .outcome import Target

LONGEST = 4096  # characters of a field
NAMED = (
    "PatientID",
    "PatientName",
    "PatientBirthDate",
    "PatientSex",
    "StudyDescription",
    "SeriesDescription",
)
PROFILES = ("research", "basic")
BUTTON, FOLDER = "button:", "folder"


class WrongForm(GantryError):
    """The form cannot be used as it is filled in."""

    hint = "Go back, correct it, and send it again."


@dataclass(frozen=True)
class Fields:
    """The texts of a form."""

    texts: Mapping[str, str]

    @classmethod
    def of(cls, form: FormData) -> "Fields":
        """The fields that are texts, without blanks around them.  Raises WrongForm for one that is too long."""
        texts = {name: value.strip() for name, value in form.multi_items() if isinstance(value, str)}
        for name, value in texts.items():
            if len(value) > LONGEST:
                raise WrongForm(f"{name} is too long.")
        return cls(texts)

    def get(self, name: str) -> str:
        """The text of a field, "" for none."""
        return self.texts.get(name, "")

    def path(self, name: str, words: str) -> Path:
        """A place on this machine.  Raises WrongForm unless it is an absolute path."""
        text = self.get(name)
        if not text.startswith("/") or "\0" in text:
            raise WrongForm(f"{words}: give an absolute path, one that begins with /.")
        return Path(text)

    def target(self, config: Config) -> Target:
        """Where results go.  Raises WrongForm and NoSuchButton."""
        to = self.get("to")
        if to == FOLDER:
            folder = outside(self.path("folder", "The folder for results"), config)
            return Target(FolderDestination(kind="folder", name="folder", path=folder), "")
        if to.startswith(BUTTON):
            return Target(*to_button(to.removeprefix(BUTTON), config))
        for destination in research_destinations(config):
            if destination.name == to:
                return Target(destination, config.dicom.ae_title)
        raise WrongForm("Choose where the results go.")


def research_destinations(config: Config) -> list[Destination]:
    """Those that are not used for care."""
    return [destination for destination in config.destinations if not destination.clinical]


def outside(path: Path, config: Config) -> Path:
    """`path`, unless it lies in the gateway's own storage.  Raises WrongForm."""
    if path.resolve().is_relative_to(config.storage.path):
        raise WrongForm("That lies in the gateway's storage: choose another place.")
    return path


def check_token(fields: Fields, token: str) -> None:
    """Raise the answer 403 unless the form is one of ours, of this process."""
    if not hmac.compare_digest(fields.get("token").encode(), token.encode()):
        raise HTTPException(403, "The form is too old, or not from here: load its page again.")


def local_only(request: Request) -> None:
    """Raise the answer 403 for whoever is not on this machine: there is no sign-in yet."""
    try:
        local = request.client is not None and ip_address(request.client.host).is_loopback
    except ValueError:
        local = False
    if not local:
        raise HTTPException(403, "This page answers on its own machine only: there is no sign-in yet.")
