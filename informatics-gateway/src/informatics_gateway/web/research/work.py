# SPDX-License-Identifier: Apache-2.0
"""What the research pages begin: conversion to DICOM, and taking the patient out."""

from dataclasses import dataclass
from pathlib import Path

from imaging_data import ImagingDataError
from imaging_data.convert import ToDicom, convert_to_dicom
from imaging_data.deidentify import Deidentified, Key, Mapping, Profile, deidentify_files

from ...sending import Sent, send
from .forms import CSV, Target
from .tasks import Outcome, Task
from .uploads import Upload

MOST_NAMED = 200


@dataclass(frozen=True)
class Conversion:
    """Pictures and volumes to DICOM, to `target`."""

    upload: Upload
    options: ToDicom
    target: Target

    def __call__(self, task: Task) -> Outcome:
        """Convert what was uploaded, and send it.  Raises as `convert_to_dicom` and `send`."""
        made = task.folder / "dicom"
        try:
            converted = convert_to_dicom(self.upload.folder, made, self.options, task.at("converting"))
        except ImagingDataError as error:
            raise type(error)(_renamed(error.detail, self.upload), hint=error.hint) from error
        skipped = [(each.name, each.reason) for each in converted.skipped]
        outcome = Outcome(
            facts={
                "Files sent to this page": str(len(self.upload.names)),
                "Series": str(len(converted.series)),
            },
            skipped=_named([*self.upload.refused, *skipped], self.upload),
        )
        _deliver(task, made, self.target, outcome)
        return outcome


@dataclass(frozen=True)
class Deidentification:
    """DICOM without the patient, to `target`.

    source: the folder of the originals.  mapping_csv: where who is who is written; None for a download, which
    `download` asks for.  hold: what is not certain.  upload: None where the source is a folder of this machine.
    """

    source: Path
    upload: Upload | None
    profile: Profile
    key: Key
    hold: Path
    target: Target
    mapping_csv: Path | None
    download: bool

    def __call__(self, task: Task) -> Outcome:
        """De-identify and send.  Raises as `deidentify_files`, `Mapping.save_csv` and `send`."""
        made = task.folder / "dicom"
        progress = task.at("taking the patient out")
        done = deidentify_files(self.source, made, self.hold, self.profile, self.key, progress)
        outcome = self._outcome(done)
        csv = self.mapping_csv or (task.folder / CSV if self.download else None)
        if csv is not None:
            done.mapping.save_csv(csv)
            outcome.facts["Mapping"] = str(csv) if self.mapping_csv else "as a download, below"
            outcome.download = None if self.mapping_csv else csv
        if done.out:
            _deliver(task, made, self.target, outcome)
        return outcome

    def _outcome(self, done: Deidentified) -> Outcome:
        patients: Mapping = done.mapping
        facts = {
            "Patients": str(len(patients.patients)),
            "Files that went out": str(len(done.out)),
            "Files that were held back": f"{len(done.held)}, in {self.hold}" if done.held else "none",
        }
        held = [(each.source.name, each.reason) for each in done.held]
        skipped = [(each.source.name, each.reason) for each in done.skipped]
        refused = self.upload.refused if self.upload else []
        return Outcome(facts, _named(held, self.upload), _named([*refused, *skipped], self.upload))


def _deliver(task: Task, made: Path, target: Target, outcome: Outcome) -> None:
    sent: Sent = send([made], target.destination, task.at("sending"), target.calling)
    where = str(getattr(target.destination, "path", target.destination.name))
    outcome.facts["Arrived"] = f"{sent.present} of {sent.instances} in {where} ({sent.proof})"
    outcome.failed += [*sent.failed, *(f"Missing: {uid}" for uid in sent.missing)]


def _named(pairs: list[tuple[str, str]], upload: Upload | None) -> list[tuple[str, str]]:
    """Under the names that people know."""
    some = pairs[:MOST_NAMED]
    if upload is None:
        return some
    return [(upload.called(name), _renamed(reason, upload)) for name, reason in some]


def _renamed(text: str, upload: Upload) -> str:
    for kept, name in upload.names.items():
        if kept in text:
            return text.replace(kept, name)
    return text
