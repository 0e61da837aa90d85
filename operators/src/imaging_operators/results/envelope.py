# SPDX-License-Identifier: Apache-2.0
"""What all results share: whose study, which series, made by whom and when, and their identifiers."""

import hashlib
import re
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone

from pydicom import Dataset
from pydicom.charset import convert_encodings, default_encoding
from pydicom.dataelem import RawDataElement
from pydicom.dataset import FileMetaDataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_sequence_item
from pydicom.tag import Tag
from pydicom.uid import UID, ExplicitVRLittleEndian

from imaging_data.characters import UTF_8, keep_character_set
from imaging_data.hashing import content_sha256
from imaging_data.identity import DEIDENTIFICATION, IDENTITY, OPTIONAL, REQUIRED

from .. import __version__
from ..coding import PRIVATE_SCHEME
from .base import RESEARCH_ONLY, ResultContext
from .equipment import add_equipment

LONGEST_DESCRIPTION = 64  # LO, PS3.5 section 6.2
CHEAPER = " cheaper profile"
IMPLEMENTATION_CLASS_UID = UID("2.25.303567854779137544279516874533915086209")

FUNCTIONAL_GROUPS = {Tag("SharedFunctionalGroupsSequence"), Tag("PerFrameFunctionalGroupsSequence")}
SERIES_NUMBERS = {
    "segmentation": 301,
    "measurements": 302,
    "text-report": 303,
    "secondary-capture": 304,
    "classification": 305,
    "rtstruct": 306,
    "pdf": 307,
    "presentation-state": 308,
    "mesh": 310,
    "parametric-map": 311,
    "key-object": 312,
    "fractional-segmentation": 313,
}
OTHER_SERIES_NUMBER = 309
SCHEME_OF_ITS_OWN = re.compile(rb"\x08\x00\x02\x01SH.\x00(99[!-~]*)", re.DOTALL)  # CodingSchemeDesignator
SHORT_NAMES = {
    "segmentation": "SEG",
    "measurements": "numbers",
    "text-report": "report",
    "secondary-capture": "picture",
    "classification": "scores",
    "pdf": "PDF",
    "presentation-state": "marks",
    "key-object": "key images",
    "placed-findings": "findings",
    "parametric-map": "map",
    "fractional-segmentation": "probabilities",
}


def seal(dataset: Dataset, context: ResultContext) -> None:
    """Complete `dataset` in place: identity, series, equipment, dates, character set, last its content's UIDs."""
    _add_identity(dataset, context)
    add_equipment(dataset, context)
    _add_dates(dataset, context)
    dataset.InstanceNumber = 1
    dataset.SeriesNumber = series_number(context.kind, context.ordinal, context.run.job.revision)
    dataset.SeriesDescription = series_description(context)
    _declare_private_schemes(dataset)
    keep_character_set(dataset, context.source.character_set)
    _add_uids(dataset, context)


def series_number(kind: str, ordinal: int, revision: int) -> int:
    """That of the kind (SERIES_NUMBERS), 309 of one that is not listed.

    Each later one of a kind adds 1000, each revision of the input adds 10.
    """
    return SERIES_NUMBERS.get(kind, OTHER_SERIES_NUMBER) + 1000 * ordinal + 10 * (revision - 1)


def series_description(context: ResultContext) -> str:
    """The research-only line, the app's and kind's names as far as LO has room, and the revision.

    Between them, that the app ran in a cheaper profile than it was asked for; the revision goes before it.
    """
    revision = "" if context.replaced is None else f" {context.run.revision_text(context.replaced)}"
    room = LONGEST_DESCRIPTION - len(RESEARCH_ONLY) - len(revision)
    if room < 0:  # numbers of many digits
        revision, room = revision.replace(" series", ""), 0
    if context.run.job.instead_of and len(CHEAPER) <= room:
        revision, room = CHEAPER + revision, room - len(CHEAPER)
    kind = SHORT_NAMES.get(context.kind, context.kind)
    name = f" {context.info.name[: max(room - len(kind) - 2, 0)].strip()} {kind}".replace("  ", " ")
    text = RESEARCH_ONLY + (name if len(name) <= room else "") + revision
    return text[:LONGEST_DESCRIPTION]


def _add_identity(dataset: Dataset, context: ResultContext) -> None:
    identity = context.source.identity
    for keyword in (*IDENTITY, *REQUIRED, *OPTIONAL, *DEIDENTIFICATION):
        if keyword in identity:
            dataset[keyword] = identity[keyword]
    dataset.SpecificCharacterSet = UTF_8


def _add_dates(dataset: Dataset, context: ResultContext) -> None:
    """All dates and times are the job's, in the time zone of the source where that is known."""
    moment = _local(context.run.job.content_datetime, dataset.get("TimezoneOffsetFromUTC"))
    date, time = moment.strftime("%Y%m%d"), moment.strftime("%H%M%S")
    made = ("PresentationCreation",) if "PresentationCreationDate" in dataset else ()
    for what in ("InstanceCreation", "Series", "Content", *made):
        setattr(dataset, f"{what}Date", date)
        setattr(dataset, f"{what}Time", time)
    for item in dataset.ContributingEquipmentSequence:
        item.ContributionDateTime = date + time


def _local(moment: datetime, offset: str | None) -> datetime:
    if not offset:
        return moment.astimezone()
    sign = -1 if offset.startswith("-") else 1
    digits = offset.lstrip("+-")
    zone = sign * timedelta(hours=int(digits[:2]), minutes=int(digits[2:4]))
    return moment.astimezone(timezone(zone))


def _declare_private_schemes(dataset: Dataset) -> None:
    """Declare every scheme of our own or of the author's (PS3.3 C.12.1.1.1; names from 99)."""
    schemes = sorted({scheme for scheme in _schemes(dataset) if scheme.startswith("99")})
    if schemes:
        dataset.CodingSchemeIdentificationSequence = [_scheme_item(scheme) for scheme in schemes]


def _scheme_item(designator: str) -> Dataset:
    item = Dataset()
    item.CodingSchemeDesignator = designator
    ours = designator == PRIVATE_SCHEME
    item.CodingSchemeName = "Gantry concepts without a public code" if ours else designator
    item.CodingSchemeResponsibleOrganization = "Gantry" if ours else "Author of the app"
    return item


def _schemes(dataset: Dataset) -> Iterator[str]:
    """The scheme of each code in `dataset`; functional groups of frames hold none of the author's."""
    if "CodingSchemeDesignator" in dataset:
        yield dataset.CodingSchemeDesignator
    for tag in dataset.keys() - FUNCTIONAL_GROUPS:
        element = dataset.get_item(tag)
        if element.VR == "SQ":
            if isinstance(element, RawDataElement):  # which stays as it is
                found = SCHEME_OF_ITS_OWN.findall(element.value or b"")
                yield from {designator.decode("ascii") for designator in found}
                continue
            for item in element.value:
                yield from _schemes(item)


def _add_uids(dataset: Dataset, context: ResultContext) -> None:
    """SOPInstanceUID and SeriesInstanceUID, derived from the masked content and from what it refers to."""
    referenced = list(_referenced(dataset))
    if context.replaced is not None:
        referenced.append(context.replaced.sop_instance_uid)
    _encode_tree(dataset)
    content = _content(dataset)
    dataset.SOPInstanceUID = context.uid("instance", *content, *referenced)
    dataset.SeriesInstanceUID = context.uid("series", *content, *referenced)
    dataset.file_meta = _file_meta(dataset)


def _referenced(dataset: Dataset) -> Iterator[str]:
    """The instances that `dataset` names, in its order; not those that are bytes, which are the source's."""
    if "ReferencedSOPInstanceUID" in dataset:
        yield dataset.ReferencedSOPInstanceUID
    for tag in sorted(dataset.keys() - FUNCTIONAL_GROUPS):
        element = dataset.get_item(tag)
        if element.VR == "SQ" and not isinstance(element, RawDataElement):
            for item in element.value:
                yield from _referenced(item)


def _encode_tree(dataset: Dataset) -> None:
    """A report's content as the bytes of the file: else it would be encoded for its hash, and once more for it.

    It names instances, whose UIDs follow from the input, and no date.
    """
    tag, encodings = Tag("ContentSequence"), convert_encodings(dataset.get("SpecificCharacterSet"))
    tree = dataset.get_item(tag)
    if tree is None:
        return
    if not isinstance(tree, RawDataElement):
        buffer = DicomBytesIO()
        buffer.is_implicit_VR, buffer.is_little_endian = False, True
        for item in tree.value:
            write_sequence_item(buffer, item, encodings)
        content = buffer.getvalue()
        dataset[tag] = RawDataElement(tag, "SQ", len(content), content, 0, False, True)
    declared = "SpecificCharacterSet" in dataset
    dataset.set_original_encoding(False, True, encodings if declared else default_encoding)


def _content(dataset: Dataset) -> list[str]:
    """The sha256 of the masked content, and one more for each element that is bytes already.

    Those are pixels and documents, or name the source's instances, which the input's hash stands for, and
    their own place.
    """
    light = Dataset()
    encoded: list[str] = []
    for tag in sorted(dataset.keys()):
        item = dataset.get_item(tag)
        if isinstance(item, RawDataElement) or isinstance(item.value, bytes):
            encoded.append(hashlib.sha256(item.value or b"").hexdigest())
        else:
            light[tag] = item
    return [content_sha256(light), *encoded]


def _file_meta(dataset: Dataset) -> FileMetaDataset:
    before = getattr(dataset, "file_meta", FileMetaDataset())
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.TransferSyntaxUID = before.get("TransferSyntaxUID", ExplicitVRLittleEndian)
    meta.ImplementationClassUID = IMPLEMENTATION_CLASS_UID
    meta.ImplementationVersionName = f"GANTRY_{__version__}"
    return meta
