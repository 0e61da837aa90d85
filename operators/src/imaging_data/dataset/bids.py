# SPDX-License-Identifier: Apache-2.0
"""MR volumes as a BIDS data set (https://bids-specification.readthedocs.io): anatomical and diffusion images.

Participants are numbers of the data set's rows, sessions those of their studies: the same when patients are added,
and nothing of DICOM's identifiers.
"""

import csv
import re
from collections import Counter
from pathlib import Path
from typing import Any

from .cases import Case, Exported, Tally, cases_of, put
from .database import Database
from .diffusion import bval_and_bvec
from .json_files import write_json

VERSION = "1.10.0"
CONTRASTS = (
    ("FLAIR", r"flair|dark.?fluid"),
    ("T2starw", r"t2\s*\*|t2.?star|swi"),
    ("PDw", r"\bpd"),
    ("T2w", r"t2"),
    ("T1w", r"t1|mprage|spgr|bravo"),
)
DIFFUSION = r"dwi|dti|diff|trace"
FUNCTIONAL = r"bold|fmri"
OTHERS = rf"{DIFFUSION}|{FUNCTIONAL}|adc|asl|perf|field.?map|angio|tof|scout|localizer"
OTHER_TYPES = r"(P|.*PHASE.*|LOCALIZER|PROJECTION IMAGE|MOSAIC|ADC|FA|TRACEW?)"  # in ImageType
STATED_AXES = (
    r"siemens|philips"  # whose directions are the patient's; those of GE, and others', have axes of their own
)
MILLISECONDS = {  # the later counts: Enhanced instances have the one, others the other
    "RepetitionTime": "RepetitionTime",
    "EffectiveEchoTime": "EchoTime",
    "EchoTime": "EchoTime",
    "InversionTime": "InversionTime",
}
NUMBERS = ("FlipAngle", "EchoTrainLength", "MagneticFieldStrength", "PixelBandwidth", "SliceThickness")
TEXTS = {"Manufacturer": "Manufacturer", "ManufacturerModelName": "ManufacturersModelName"}
TEXTS |= {name: name for name in ("MRAcquisitionType", "ScanningSequence", "SequenceVariant", "SequenceName")}
README = "MR volumes converted from DICOM. Each volume's JSON says how it was acquired; participants.tsv, the split.\n"


def write_bids(database: Database, output: Path) -> Exported:
    """sub-PATIENT/ses-STUDY/anat/ and dwi/, with participants.tsv, of every MR volume of a known kind."""
    tally = Tally()
    taken: Counter[str] = Counter()
    participants: dict[int, tuple[str, str, str]] = {}
    for case in cases_of(database):
        suffix, reason = kind_of(case)
        if reason:
            tally.left_out[reason] += 1
            continue
        subject, session = f"sub-{case.patient:05d}", f"ses-{case.session:02d}"
        place = f"{subject}/{session}/{'dwi' if suffix == 'dwi' else 'anat'}/{subject}_{session}"
        taken[place + suffix] += 1
        _write(case, suffix, f"{output / place}_run-{taken[place + suffix]:02d}_{suffix}")
        sex = case.patient_sex if case.patient_sex in ("F", "M", "O") else "n/a"
        participants[case.patient] = (subject, sex, case.split)
        tally.cases[case.split] += 1
    _describe(output, participants)
    return tally.exported()


def _write(case: Case, suffix: str, stem: str) -> None:
    put(case.folder / case.volume, Path(f"{stem}.nii.gz"))
    write_json(_sidecar(case.acquisition), Path(f"{stem}.json"))
    if suffix == "dwi":
        for name, text in zip(
            ("bval", "bvec"), bval_and_bvec(case.gradients, case.space.affine), strict=True
        ):
            Path(f"{stem}.{name}").write_text(text)


def kind_of(case: Case) -> tuple[str, str]:
    """The BIDS suffix of a series, "" where none fits, and then the reason."""
    if case.modality != "MR":
        return "", "It is no MR."
    if not case.volume:
        return "", "It is no volume."
    if any(
        re.fullmatch(OTHER_TYPES, kind) for kind in case.acquisition.get("ImageType", "").upper().split("\\")
    ):
        return "", "Its ImageType is that of no anatomical or diffusion image."
    if case.gradients:
        known = re.search(STATED_AXES, case.acquisition.get("Manufacturer", "").lower())
        return (
            ("dwi", "")
            if known
            else ("", "The axes of its manufacturer's gradient directions are not known.")
        )
    names = _names(case.acquisition, case.series_description)
    if re.search(DIFFUSION, names):
        return "", "It does not say the diffusion gradient of each volume."
    if re.search(FUNCTIONAL, names):
        return "", "It is functional, and DICOM does not say its task."
    if case.volumes > 1:
        return "", "It has several volumes, which are no diffusion series."
    contrast = contrast_of(case.acquisition, case.series_description)
    return contrast, "" if contrast else "Its contrast is not known, or it is no anatomical image."


def contrast_of(acquisition: dict[str, str], description: str) -> str:
    """The BIDS suffix of an anatomical MR, "" where neither its names nor its times tell it.

    SeriesDescription and ProtocolName come first.  Without a word there, of a spin echo (SE in ScanningSequence):
    EchoTime of 60 ms and more is T2w, or FLAIR with an InversionTime over 1500 ms; EchoTime under 30 ms with
    RepetitionTime under 1500 ms is T1w, with 1500 ms and more PDw.
    """
    names = _names(acquisition, description)
    if re.search(OTHERS, names):
        return ""
    for suffix, pattern in CONTRASTS:
        if re.search(pattern, names):
            return suffix
    echo, repetition = _number(acquisition, "EchoTime"), _number(acquisition, "RepetitionTime")
    if "SE" not in acquisition.get("ScanningSequence", "").split("\\") or echo is None or repetition is None:
        return ""
    if echo >= 60:
        return "FLAIR" if (_number(acquisition, "InversionTime") or 0) > 1500 else "T2w"
    if echo >= 30:
        return ""
    return "T1w" if repetition < 1500 else "PDw"


def _names(acquisition: dict[str, str], description: str) -> str:
    return f"{description} {acquisition.get('ProtocolName', '')}".lower()


def _number(acquisition: dict[str, str], keyword: str) -> float | None:
    try:
        return float(acquisition[keyword])
    except (KeyError, ValueError):
        return None


def _sidecar(acquisition: dict[str, str]) -> dict[str, Any]:
    """How it was acquired, in BIDS' names and units: times in seconds."""
    said: dict[str, Any] = {"Modality": "MR"}
    for keyword, name in MILLISECONDS.items():
        if (time := _number(acquisition, keyword)) is not None:
            said[name] = time / 1000
    said |= {key: number for key in NUMBERS if (number := _number(acquisition, key)) is not None}
    return said | {name: acquisition[keyword] for keyword, name in TEXTS.items() if keyword in acquisition}


def _describe(output: Path, participants: dict[int, tuple[str, str, str]]) -> None:
    output.joinpath("README").write_text(README)
    said: dict[str, Any] = {"Name": "MR data set", "BIDSVersion": VERSION, "DatasetType": "raw"}
    said |= {"GeneratedBy": [{"Name": "gantry dataset export"}]}
    write_json(said, output / "dataset_description.json")
    columns = {
        "sex": {"Description": "PatientSex of DICOM", "Levels": {"F": "female", "M": "male", "O": "other"}},
        "split": {"Description": "What the participant is for: train, validation or test"},
    }
    write_json(columns, output / "participants.json")
    with (output / "participants.tsv").open("x", newline="", encoding="utf-8") as file:
        rows = csv.writer(file, dialect="excel-tab", lineterminator="\n")
        rows.writerow(("participant_id", "sex", "split"))
        rows.writerows(participants[patient] for patient in sorted(participants))
