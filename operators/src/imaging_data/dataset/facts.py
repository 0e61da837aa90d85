# SPDX-License-Identifier: Apache-2.0
"""What a data set writes down of an instance before anybody looks at its pixels."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydicom import Dataset

from ..errors import ChangedInstance, ImagingDataError
from ..instances import read_instance
from ..values import frame_values, items_of, numbers_of, text_of

LONGEST_TEXT = 1024  # characters of one attribute, as LT and UT have no bound of use here (PS3.5 section 6.2)
LARGEST_NUMBER = 2**53  # of InstanceNumber, and of what is counted
SEGMENTATIONS = ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7")  # PS3.4 Annex B.5
NO_IMAGE = "It has no image."
ACQUISITION = (  # what a sidecar of an MR volume says of it, none of which is of the patient
    "ImageType",
    "MRAcquisitionType",
    "ScanningSequence",
    "SequenceVariant",
    "SequenceName",
    "ProtocolName",
    "RepetitionTime",
    "EchoTime",
    "EffectiveEchoTime",
    "InversionTime",
    "FlipAngle",
    "EchoTrainLength",
    "MagneticFieldStrength",
    "PixelBandwidth",
    "SliceThickness",
    "Manufacturer",
    "ManufacturerModelName",
)


@dataclass(frozen=True)
class Facts:
    """An instance as the database will have it.

    The texts of attributes are None where absent; `patient_id` is then "".  `stratum` is the value to stratify by,
    `acquisition` the attributes ACQUISITION as JSON.
    `segmented`: the SeriesInstanceUID that a segmentation is of, "" for what is no segmentation.
    """

    path: str
    patient_id: str
    patient_sex: str
    study_instance_uid: str
    study_date: str
    study_description: str | None
    series_instance_uid: str
    modality: str
    series_number: str | None
    series_description: str | None
    stratum: str
    sop_instance_uid: str
    sop_class_uid: str
    instance_number: str | None
    rescale_intercept: str | None
    rescale_slope: str | None
    window_center: str | None
    window_width: str | None
    frames: int
    rows: int
    columns: int
    acquisition: str = "{}"
    segmented: str = ""

    @property
    def ordinal(self) -> int:
        """InstanceNumber as a number, 0 where it is none: what orders a series."""
        try:
            number = int(float(self.instance_number or 0))
        except (ValueError, OverflowError):
            return 0
        return number if abs(number) < LARGEST_NUMBER else 0


@dataclass(frozen=True)
class Looked:
    """A file that was looked at: its facts, or why it is skipped."""

    path: Path
    size: int
    modified_ns: int
    facts: Facts | None
    skipped: str = ""


def look(path: Path, stratify_by: str) -> Looked:
    """The facts of one file.  It never raises for what is wrong with a file: `skipped` says it."""
    try:
        state = path.stat()
        str(path).encode()
    except OSError as error:
        return Looked(path, 0, 0, None, f"{error.strerror}.")
    except UnicodeEncodeError:
        return Looked(path, state.st_size, state.st_mtime_ns, None, "Its name is no UTF-8.")
    try:
        facts = facts_of(read_instance(path).dataset, path, stratify_by)
    except ImagingDataError as error:
        return Looked(path, state.st_size, state.st_mtime_ns, None, error.sentence)
    skipped = "" if facts.rows and facts.columns else NO_IMAGE
    return Looked(path, state.st_size, state.st_mtime_ns, None if skipped else facts, skipped)


def facts_of(dataset: Dataset, path: Path, stratify_by: str = "") -> Facts:
    """The facts of an instance whose UIDs were checked; what a source got wrong is as if it were absent."""
    return Facts(
        path=str(path),
        patient_id=_text(dataset, "PatientID") or "",
        patient_sex=_text(dataset, "PatientSex") or "",
        study_instance_uid=str(dataset.StudyInstanceUID),
        study_date=_text(dataset, "StudyDate") or "",
        study_description=_text(dataset, "StudyDescription"),
        series_instance_uid=str(dataset.SeriesInstanceUID),
        modality=_text(dataset, "Modality") or "",
        series_number=_text(dataset, "SeriesNumber"),
        series_description=_text(dataset, "SeriesDescription"),
        stratum=(_text(dataset, stratify_by) or "") if stratify_by else "",
        sop_instance_uid=str(dataset.SOPInstanceUID),
        sop_class_uid=str(dataset.SOPClassUID),
        instance_number=_text(dataset, "InstanceNumber"),
        rescale_intercept=_framed(dataset, "RescaleIntercept"),
        rescale_slope=_framed(dataset, "RescaleSlope"),
        window_center=_framed(dataset, "WindowCenter"),
        window_width=_framed(dataset, "WindowWidth"),
        frames=_whole(dataset, "NumberOfFrames", 1),
        rows=_whole(dataset, "Rows", 0),
        columns=_whole(dataset, "Columns", 0),
        acquisition=_acquisition(dataset),
        segmented=_segmented(dataset),
    )


def _acquisition(dataset: Dataset) -> str:
    if text_of(dataset, "Modality") != "MR":
        return "{}"
    said = {keyword: text for keyword in ACQUISITION if (text := _framed(dataset, keyword))}
    return json.dumps(said, sort_keys=True)


def _text(dataset: Dataset, keyword: str) -> str | None:
    """The attribute's text, several values joined by backslashes, without what pads it; None where empty."""
    return _plain(text_of(dataset, keyword))


def _framed(dataset: Dataset, keyword: str) -> str | None:
    """As `_text`, of the first frame where an Enhanced instance says it in its functional groups."""
    values = next(iter(frame_values(dataset, keyword)), [])
    return _plain("\\".join(map(str, values)))


def _plain(text: str) -> str | None:
    """Text that a database takes: what no character set explains becomes question marks."""
    return text.strip(" \0")[:LONGEST_TEXT].encode("utf-8", "replace").decode() or None


def _whole(dataset: Dataset, keyword: str, otherwise: int) -> int:
    numbers = numbers_of(dataset, keyword, 1)
    return int(numbers[0]) if numbers and 0 < numbers[0] < LARGEST_NUMBER else otherwise


def _segmented(dataset: Dataset) -> str:
    """The series that a segmentation refers to (PS3.3 section C.8.20.2); its own where it says none."""
    if dataset.SOPClassUID not in SEGMENTATIONS:
        return ""
    referenced = [
        text_of(item, "SeriesInstanceUID") for item in items_of(dataset, "ReferencedSeriesSequence")
    ]
    return next(filter(None, referenced), str(dataset.SeriesInstanceUID))


def check_unchanged(dataset: Dataset, sop_instance_uid: str) -> None:
    """Raise ChangedInstance where a file is another instance by now than the one that was written down."""
    if text_of(dataset, "SOPInstanceUID") != sop_instance_uid:
        raise ChangedInstance("It has another SOPInstanceUID than when the data set was begun.")


def files_under(source: Path, without: Path) -> Iterator[Path]:
    """Every file in `source` and below, in one order, but for those under `without` and behind links to folders."""
    if source.is_file():
        yield source
        return
    for folder, folders, names in os.walk(source):
        here = Path(folder)
        folders[:] = sorted(name for name in folders if (here / name).resolve() != without)
        yield from (here / name for name in sorted(names))
