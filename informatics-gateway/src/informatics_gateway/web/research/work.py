# SPDX-License-Identifier: Apache-2.0
"""What the research pages begin: conversion to DICOM, and taking the patient out."""

from collections.abc import Mapping as Names
from dataclasses import dataclass
from pathlib import Path

from imaging_data import ImagingDataError
from imaging_data.convert import ToDicom, convert_to_dicom
from imaging_data.deidentify import Deidentified, Key, Mapping, Profile, deidentify_files

from ...sending import Sent, send
from .outcome import CSV, SENDING, At, Outcome, Target

MOST_NAMED = 200
RESULTS = "Results go to"


@dataclass(frozen=True)
class Uploaded:
    """Files that a page sent: where they lie, what they were called, and names and reasons of those left out."""

    folder: Path
    names: Names[str, str]
    refused: list[tuple[str, str]]

    def called(self, name: str) -> str:
        """What the file was called that is kept under `name`."""
        return self.names.get(Path(name).name, name)

    def renamed(self, text: str) -> str:
        """The text, with what a file was called in place of what it is kept under."""
        text = text.replace(f"{self.folder}/", "").replace(str(self.folder), "The upload")
        for kept, name in self.names.items():
            if kept in text:
                return text.replace(kept, name)
        return text


@dataclass(frozen=True)
class Conversion:
    """Pictures and volumes to DICOM, to `target`."""

    upload: Uploaded
    options: ToDicom
    target: Target

    @property
    def places(self) -> Names[str, str]:
        """Where its results go."""
        return {RESULTS: self.target.where}

    def __call__(self, folder: Path, at: At) -> Outcome:
        """Convert what was uploaded, and send it.  Raises as `convert_to_dicom` and `send`."""
        made = folder / "dicom"
        try:
            converted = convert_to_dicom(self.upload.folder, made, self.options, at("converting"))
        except ImagingDataError as error:
            raise type(error)(self.upload.renamed(error.detail), hint=error.hint) from error
        skipped = [(each.name, each.reason) for each in converted.skipped]
        outcome = Outcome(
            facts={
                "Files sent to this page": str(len(self.upload.names)),
                "Series": str(len(converted.series)),
            },
            skipped=_named([*self.upload.refused, *skipped], self.upload),
        )
        _deliver(made, self.target, at, outcome)
        return outcome


@dataclass(frozen=True)
class Deidentification:
    """DICOM without the patient, to `target`.

    source: the folder of the originals.  mapping_csv: where who is who is written; None for a download, which
    `download` asks for.  hold: what is not certain.  upload: None where the source is a folder of this machine.
    """

    source: Path
    upload: Uploaded | None
    profile: Profile
    key: Key
    hold: Path
    target: Target
    mapping_csv: Path | None
    download: bool

    @property
    def places(self) -> Names[str, str]:
        """Where its results and what is held back go."""
        return {RESULTS: self.target.where, "What is held back is in": str(self.hold)}

    def __call__(self, folder: Path, at: At) -> Outcome:
        """De-identify and send.  Raises as `deidentify_files`, `Mapping.save_csv` and `send`."""
        made = folder / "dicom"
        progress = at("taking the patient out")
        done = deidentify_files(self.source, made, self.hold, self.profile, self.key, progress)
        outcome = self._outcome(done, made)
        csv = self.mapping_csv or (folder / CSV if self.download else None)
        if csv is not None:
            done.mapping.save_csv(csv)
            outcome.facts["Mapping"] = str(csv) if self.mapping_csv else "as a download, below"
            outcome.download = None if self.mapping_csv else csv
        if done.out:
            _deliver(made, self.target, at, outcome)
        return outcome

    def _outcome(self, done: Deidentified, made: Path) -> Outcome:
        patients: Mapping = done.mapping
        facts = {
            "Patients": str(len(patients.patients)),
            "Files that went out": str(len(done.out)),
            "Files that were held back": f"{len(done.held)}, in {self.hold}" if done.held else "none",
        }
        held = [(self._name(each.source), each.reason.replace(f"{made}/", "")) for each in done.held]
        skipped = [(self._name(each.source), each.reason) for each in done.skipped]
        refused = self.upload.refused if self.upload else []
        return Outcome(facts, _named(held, self.upload), _named([*refused, *skipped], self.upload))

    def _name(self, path: Path) -> str:
        return str(path.relative_to(self.source)) if path != self.source else path.name


def _deliver(made: Path, target: Target, at: At, outcome: Outcome) -> None:
    sent: Sent = send([made], target.destination, at(SENDING), target.calling)
    outcome.facts["Arrived"] = f"{sent.present} of {sent.instances} in {target.where} ({sent.proof})"
    outcome.failed += [*sent.failed, *(f"Missing: {uid}" for uid in sent.missing)]


def _named(pairs: list[tuple[str, str]], upload: Uploaded | None) -> list[tuple[str, str]]:
    """Under the names that people know."""
    some = pairs[:MOST_NAMED]
    if upload is None:
        return some
    return [(upload.called(name), upload.renamed(reason)) for name, reason in some]
