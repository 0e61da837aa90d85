# SPDX-License-Identifier: Apache-2.0
"""From a form that was filled in to the work that it asks for; what is wrong with it is said before it begins.

Apart from the pages, so that the gateway starts without what converts and de-identifies.
"""

from pathlib import Path

from starlette.datastructures import FormData

from imaging_data import MissingFolder
from imaging_data.convert import Attributes, ToDicom
from imaging_data.deidentify import Key, Profile
from imaging_data.deidentify.mapping import check_places

from ...config import Config
from ..health import GB
from .forms import NAMED, PROFILES, Fields, WrongForm, outside
from .tasks import Task
from .uploads import save
from .work import Conversion, Deidentification, Uploaded

HELD = "research-held"  # in the storage folder, unless the form names another place


def conversion(config: Config, form: FormData, task: Task) -> Conversion:
    """What the form of the conversion asks for.  Raises ExplainedError for what is wrong with it."""
    fields = Fields.of(form)
    given = {keyword: fields.get(keyword) for keyword in NAMED} | _lines(fields.get("more"))
    attributes = Attributes.of({keyword: text for keyword, text in given.items() if text})
    options, target = ToDicom(fields.get("modality"), attributes), fields.target(config)
    upload = _save(config, form, task)
    if not upload.names and not upload.refused:
        raise WrongForm("Choose at least one file.")
    return Conversion(upload, options, target)


def deidentification(config: Config, form: FormData, task: Task) -> Deidentification:
    """What the form of the de-identification asks for.  Raises ExplainedError for what is wrong with it."""
    fields = Fields.of(form)
    target = fields.target(config)
    if fields.get("profile") not in PROFILES:
        raise WrongForm("Choose a profile.")
    csv = fields.path("csv", "The mapping as CSV") if fields.get("mapping") == "file" else None
    check_places(getattr(target.destination, "path", task.folder), None, csv and outside(csv, config))
    hold = fields.path("hold", "The folder for what is held back") if fields.get("hold") else None
    upload = _save(config, form, task)
    if upload.names and fields.get("source"):
        raise WrongForm("Choose files, or give a folder of this machine: not both.")
    return Deidentification(
        source=upload.folder if upload.names else _source(fields),
        upload=upload if upload.names else None,
        profile=Profile.read(fields.get("profile")),
        key=_key(fields),
        hold=outside(hold, config) if hold else config.storage.path / HELD / task.id,
        target=target,
        mapping_csv=csv,
        download=fields.get("mapping") == "download",
    )


def _save(config: Config, form: FormData, task: Task) -> Uploaded:
    """What was uploaded; the disk keeps what the line needs."""
    upload = save(form, task.folder / "uploaded", config.storage.reserve_gb * GB)
    return Uploaded(upload.folder, upload.names, upload.refused)


def _key(fields: Fields) -> Key:
    path = fields.path("key", "The key file")
    return Key.new(path) if fields.get("new_key") and not path.exists() else Key.read(path)


def _source(fields: Fields) -> Path:
    if not fields.get("source"):
        raise WrongForm("Choose files, or give a folder of this machine.")
    path = fields.path("source", "The folder of the originals")
    if not path.exists():
        raise MissingFolder(f"{path}")
    return path


def _lines(text: str) -> dict[str, str]:
    """Further attributes, one KEYWORD=VALUE a line."""
    found = {}
    for line in filter(str.strip, text.splitlines()):
        keyword, equals, value = line.partition("=")
        if not equals:
            raise WrongForm("Further attributes: write KEYWORD=VALUE, one a line.")
        found[keyword.strip()] = value.strip()
    return found
