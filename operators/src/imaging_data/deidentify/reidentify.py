# SPDX-License-Identifier: Apache-2.0
"""The way back: pseudonyms, UIDs and moved dates to the originals, with the key and the mapping."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from pydicom import DataElement, Dataset
from pydicom.multival import MultiValue
from pydicom.sequence import Sequence

from ..errors import ImagingDataError, NotDicom, naming
from ..files import read_file
from ..parts import split
from ..values import UNREADABLE, text_of
from .dates import shift
from .encode import encode
from .mapping import Mapping, Original
from .places import check_apart, files_of, put, results
from .substitutes import DUMMIES

STAMPS = (
    "DeidentificationMethod",
    "DeidentificationMethodCodeSequence",
    "LongitudinalTemporalInformationModified",
)
UNICODE = "ISO_IR 192"


class UnknownPseudonym(ImagingDataError):
    """The mapping does not know this pseudonym."""

    hint = "Name the mapping of the run that made it."


@dataclass
class Reidentified:
    """paths: the files that were written.  unknown: those whose PatientID no mapping knows."""

    paths: list[Path] = field(default_factory=list)
    unknown: list[Path] = field(default_factory=list)


def reidentify(dataset: Dataset, mapping: Mapping) -> None:
    """Give `dataset` back, in place, what its mapping knows: patient, UIDs, and dates where they were moved.

    What was removed stays removed.  Instances that others made of a de-identified study, such as a
    segmentation, come back with it: their own new UIDs stay, those they refer to become the originals.
    Dates move back only where the instance says that they were moved.  Raises UnknownPseudonym.
    """
    original = mapping.patients.get(text_of(dataset, "PatientID").strip())
    if original is None:
        raise UnknownPseudonym()
    moved = text_of(dataset, "LongitudinalTemporalInformationModified") == "MODIFIED"
    _restore(dataset, mapping, -original.days if moved else 0)
    _name(dataset, original)
    dataset.PatientIdentityRemoved = "NO"
    for keyword in STAMPS:
        if keyword in dataset:
            delattr(dataset, keyword)


def _restore(dataset: Dataset, mapping: Mapping, days: int) -> None:
    for tag in list(dataset.keys()):
        try:
            element = dataset[tag]
        except UNREADABLE:
            continue
        if isinstance(element.value, Sequence):
            for item in element.value:
                _restore(item, mapping, days)
        elif element.VR == "UI":
            _change(element, lambda uid: mapping.uids.get(uid, uid))
        elif element.VR in ("DA", "DT") and days:
            _change(
                element, lambda value: value if value in DUMMIES.values() else shift(value, days) or value
            )


def _change(element: DataElement, change: Callable[[str], str]) -> None:
    value = element.value
    if isinstance(value, MultiValue):
        element.value = [change(str(one)) for one in value]
    elif value:
        element.value = change(str(value))


def _name(dataset: Dataset, original: Original) -> None:
    """The patient's own; in Unicode where the name needs more than the letters of ASCII."""
    name, patient_id, issuer = original.name, original.patient_id, original.issuer
    if not (name + patient_id + issuer).isascii():
        for _ in dataset.iterall():  # decodes what is still as it was read
            pass
        dataset.SpecificCharacterSet = UNICODE
    dataset.PatientName, dataset.PatientID = name, patient_id
    if issuer:
        dataset.IssuerOfPatientID = issuer


def reidentify_files(
    source: Path,
    target: Path,
    mapping: Mapping,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Reidentified:
    """Re-identify each DICOM file of `source` into TARGET/<study UID>/<series UID>/<SOP instance UID>.dcm.

    Raises MissingFolder, WrongPlace, AlreadyRunning, CannotWrite, UnreadableInstance.
    """
    paths = files_of(source)
    check_apart(source, target)
    done = Reidentified()
    with results(target):
        for number, path in enumerate(paths, start=1):
            _one(path, target, mapping, done)
            on_progress(number, len(paths))
    return done


def _one(path: Path, target: Path, mapping: Mapping, done: Reidentified) -> None:
    try:
        with naming(path.name):
            parts = split(read_file(path)[0])
            reidentify(parts.dataset, mapping)
    except NotDicom:
        return
    except UnknownPseudonym:
        done.unknown.append(path)
        return
    dataset = parts.dataset
    new = target / dataset.StudyInstanceUID / dataset.SeriesInstanceUID / f"{dataset.SOPInstanceUID}.dcm"
    put(new, encode(dataset, parts), 0o600)
    done.paths.append(new)
