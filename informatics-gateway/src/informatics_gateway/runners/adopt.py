# SPDX-License-Identifier: Apache-2.0
"""Results of a MAP that writes no results.json: the gateway writes it, from the DICOM files that the MAP left.

The objects get what every result carries and a foreign MAP cannot know: the sentence that they are for research,
the maker by which they start no job, and, so that the same input gives the same bytes, UIDs that follow from
input, image and content and the job's date.  What they say of the patient and of the source is left alone, and
validated like that of every other app.
"""

import json
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import Any

from pydicom import DataElement, Dataset, dcmread
from pydicom.uid import (
    BasicTextSRStorage,
    Comprehensive3DSRStorage,
    ComprehensiveSRStorage,
    EncapsulatedOBJStorage,
    EncapsulatedSTLStorage,
    EnhancedSRStorage,
    KeyObjectSelectionDocumentStorage,
    ParametricMapStorage,
    RTStructureSetStorage,
    SegmentationStorage,
)

from imaging_data import ImagingDataError, NotDicom, content_sha256, derive_uid, file_sha256, read_header
from imaging_data.content import UNDECODABLE
from imaging_data.hashing import WELL_KNOWN

from ..errors import AppFailed, AppWroteNoManifest
from ..model import RESEARCH_ONLY
from .results import FILE

AUTHOR = "Report it to the author of the MAP."
LONGEST_DESCRIPTION = 64  # VR LO, PS3.5 section 6.2
# What is taken.  A picture or a page would need that sentence where it is seen, which only its maker can write.
KINDS = {
    str(SegmentationStorage): "segmentation",
    "1.2.840.10008.5.1.4.1.1.66.7": "segmentation",  # Label Map Segmentation
    str(ParametricMapStorage): "parametric-map",
    str(RTStructureSetStorage): "rtstruct",
    str(BasicTextSRStorage): "text-report",
    str(EnhancedSRStorage): "measurements",
    str(ComprehensiveSRStorage): "measurements",
    str(Comprehensive3DSRStorage): "measurements",
    str(KeyObjectSelectionDocumentStorage): "key-object",
    str(EncapsulatedSTLStorage): "mesh",
    str(EncapsulatedOBJStorage): "mesh",
}
DATES = {"InstanceCreationDate", "SeriesDate", "ContentDate", "StructureSetDate", "PresentationCreationDate"}
TIMES = {keyword.replace("Date", "Time") for keyword in DATES}
MOMENTS = {"ObservationDateTime", "ContributionDateTime"}
NOTE = "results.json is the gateway's own: which instances the MAP read, it does not say"


@dataclass(frozen=True)
class Given:
    """What a MAP was given and is called: `sources` are the files of the one series in its input.

    `content_datetime`: ISO 8601, that of the job.
    """

    app: str
    version: str
    digest: str
    input_hash: str
    sources: Sequence[Path]
    content_datetime: str


def adopt(output: Path, given: Given) -> None:
    """Make the files in `output` results, and nothing else of what is there; write results.json last.

    A MAP that wrote one itself is taken at its word.  Raises AppWroteNoManifest when there is no DICOM object
    that can be a result, AppFailed when one is damaged.
    """
    if (output / FILE).is_file():
        return
    try:
        _adopt(output, given)
    except (*UNDECODABLE, ImagingDataError) as error:
        said = str(error) if isinstance(error, ImagingDataError) else type(error).__name__
        raise AppFailed(f"A DICOM file that it left cannot be read: {said}", AUTHOR) from error


def _adopt(output: Path, given: Given) -> None:
    files = [path for path in sorted(output.rglob("*")) if path.is_file()]
    found = [dataset for path in files if (dataset := _read(path)) is not None]
    if not found:
        raise AppWroteNoManifest(f"Nor is one of the {len(files)} files that it left a DICOM result.")
    hashed = sorted(((_kind(each), content_sha256(each), each) for each in found), key=lambda one: one[:2])
    headers = [read_header(path) for path in given.sources]
    naming = _Naming(headers, (given.input_hash, given.digest, *(digest for _, digest, _ in hashed)))
    moment = datetime.fromisoformat(given.content_datetime)
    for _, _, dataset in hashed:
        _sign(dataset)
        for element in _elements(dataset):
            naming.rename(element)
            _date(element, moment)
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    shutil.rmtree(output)
    output.mkdir(mode=0o700)
    entries = list(_write(output, [(kind, dataset) for kind, _, dataset in hashed]))
    left_out = len(files) - len(found)
    notes = [NOTE] + ([f"{left_out} files that are no DICOM results were left out"] if left_out else [])
    document = _document(given, headers, entries, notes)
    (output / FILE).write_text(json.dumps(document))


def _read(path: Path) -> Dataset | None:
    """The DICOM object in a file, None for what is none or cannot be taken."""
    content = path.read_bytes()
    try:
        read_header(content)
    except NotDicom:
        return None
    dataset = dcmread(BytesIO(content), force=True)
    return dataset if str(dataset.get("SOPClassUID", "")) in KINDS else None


def _kind(dataset: Dataset) -> str:
    return KINDS[str(dataset.SOPClassUID)]


def _sign(dataset: Dataset) -> None:
    """What each result says of itself (ContributingEquipmentSequence: PS3.3 section C.12.1.1.5)."""
    said = str(dataset.get("SeriesDescription") or "")
    if RESEARCH_ONLY not in said:
        dataset.SeriesDescription = f"{RESEARCH_ONLY} {said}".strip()[:LONGEST_DESCRIPTION]
    purpose, maker = Dataset(), Dataset()
    purpose.CodeValue, purpose.CodingSchemeDesignator = "109103", "DCM"
    purpose.CodeMeaning = "Modifying Equipment"
    maker.PurposeOfReferenceCodeSequence = [purpose]
    maker.Manufacturer = maker.ManufacturerModelName = "Gantry"
    dataset.ContributingEquipmentSequence = [*(dataset.get("ContributingEquipmentSequence") or []), maker]


class _Naming:
    """Other UIDs for those that the MAP made up: neither the source's nor the Standard's nor a coding scheme's."""

    def __init__(self, headers: Iterable[Dataset], seed: Sequence[str]) -> None:
        self._kept = {uid for header in headers for element in _elements(header) for uid in _uids(element)}
        self._seed, self._made = seed, dict[str, str]()

    def rename(self, element: DataElement) -> None:
        uids = _uids(element)
        if uids and element.keyword != "CodingSchemeUID":
            named = [self._name(uid) for uid in uids]
            element.value = named if len(named) > 1 else named[0]

    def _name(self, uid: str) -> str:
        if uid in self._kept or uid.startswith(WELL_KNOWN):
            return uid
        return self._made.setdefault(uid, derive_uid("adopted", *self._seed, str(len(self._made))))


def _uids(element: DataElement) -> list[str]:
    if element.VR != "UI" or not element.value:
        return []
    return [element.value] if isinstance(element.value, str) else list(element.value)


def _elements(dataset: Dataset) -> Iterator[DataElement]:
    """Every element, those of items too."""
    for element in dataset:
        if element.VR == "SQ":
            for item in element.value:
                yield from _elements(item)
        else:
            yield element


def _date(element: DataElement, moment: datetime) -> None:
    if element.keyword in DATES:
        element.value = f"{moment:%Y%m%d}"
    elif element.keyword in TIMES:
        element.value = f"{moment:%H%M%S}"
    elif element.keyword in MOMENTS:
        element.value = f"{moment:%Y%m%d%H%M%S}"


def _write(output: Path, results: Sequence[tuple[str, Dataset]]) -> Iterator[dict[str, Any]]:
    """Write each result; its entry of results.json."""
    counted: dict[str, int] = {}
    for kind, dataset in results:
        ordinal = counted[kind] = counted.get(kind, -1) + 1
        path = output / f"{kind}-{ordinal}.dcm"
        dataset.save_as(path, enforce_file_format=True)
        yield {
            "kind": kind,
            "ordinal": ordinal,
            "file": path.name,
            "sop_class_uid": str(dataset.SOPClassUID),
            "sop_instance_uid": str(dataset.SOPInstanceUID),
            "study_instance_uid": str(dataset.get("StudyInstanceUID", "")),
            "series_instance_uid": str(dataset.get("SeriesInstanceUID", "")),
            "series_number": int(dataset.get("SeriesNumber") or 0),
            "sha256": file_sha256(path),
        }


def _document(
    given: Given, headers: Sequence[Dataset], entries: list[dict[str, Any]], notes: list[str]
) -> dict[str, Any]:
    app = {"name": given.app, "version": given.version, "creator": "", "digest": given.digest}
    series = str(headers[0].SeriesInstanceUID)
    return {
        "contract": 1,
        "app": app,
        "input": {"hash": given.input_hash, "series_instance_uid": series, "instances": len(headers)},
        "results": entries,
        "notes": notes,
    }
