# SPDX-License-Identifier: Apache-2.0
"""Whose image it is, and of which study: attributes from options, from a CSV, from a template instance.

What describes pixels and their place is the conversion's own and cannot be given.  Values are checked against
their VR (PS3.5 section 6.2); an error names the keyword, never the value.
"""

import csv
import hashlib
from collections.abc import Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from pydicom import Dataset
from pydicom.charset import convert_encodings
from pydicom.datadict import dictionary_VM, dictionary_VR, tag_for_keyword
from pydicom.tag import Tag
from pydicom.valuerep import PersonName

from ..characters import UTF_8, keep_character_set
from ..errors import ImagingDataError, NotDicom
from ..identifiers import check_uid
from ..identity import IDENTITY, OPTIONAL, REQUIRED, SEXES, identity_attributes, is_valid
from ..instances import read_instance
from ..values import text_of

OWN = {  # of the conversion, beside whole groups
    "SOPClassUID",
    "SOPInstanceUID",
    "SeriesInstanceUID",
    "Modality",
    "SpecificCharacterSet",
    "InstanceNumber",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "FrameOfReferenceUID",
    "PatientOrientation",
    "SliceThickness",
    "SpacingBetweenSlices",
    "SliceLocation",
    "TemporalPositionIdentifier",
    "NumberOfTemporalPositions",
    "NumberOfSlices",
    "ImageIndex",
}
OWN_GROUPS = {0x0000, 0x0002, 0x0028, 0x5400, 0x7FE0}
FREE = {"BurnedInAnnotation", "WindowCenter", "WindowWidth", "WindowCenterWidthExplanation"}  # of group 0028
WHOLE_NUMBERS = {"US", "SS", "UL", "SL", "SV", "UV"}
FLOATS = {"FL", "FD"}
NOT_TEXT = {"SQ", "OB", "OW", "OD", "OF", "OL", "OV", "UN", "AT"}
LARGEST_TABLE = 64 << 20  # bytes of a CSV
FILE = "file"  # the column that names the file of a row
STUDY = (*IDENTITY, *REQUIRED, *OPTIONAL)


class WrongAttribute(ImagingDataError):
    """An attribute cannot be given like this."""

    hint = "Give DICOM keywords with values of their VR, such as `--set PatientID=P1` or a column PatientID."


class WrongTable(ImagingDataError):
    """The table of attributes cannot be used."""

    hint = (
        "Make it a CSV in UTF-8: a row for each file, a column `file`, and a column for each DICOM keyword."
    )


@dataclass(frozen=True, eq=False)
class Attributes:
    """What the user says of patient, study and series.

    dataset: the attributes, in UTF-8.  character_set: the template's, kept where it can say all.
    template: the header of the template instance, whose FrameOfReferenceUID is kept for a volume on its grid.
    """

    dataset: Dataset = field(default_factory=Dataset)
    character_set: tuple[str, ...] = ("",)
    template: Dataset | None = None

    @classmethod
    def of(cls, given: Mapping[str, str]) -> Self:
        """Those of options or of a row: values by keyword, several of one keyword parted by backslashes.

        Raises WrongAttribute for a keyword that is unknown, holds no text or number, or is the conversion's
        own, and for a value that breaks its VR; InvalidIdentifier for a StudyInstanceUID.
        """
        dataset = Dataset()
        dataset.SpecificCharacterSet = UTF_8
        for keyword, text in given.items():
            value = _value(keyword, text)
            if dictionary_VR(keyword) == "PN":
                value = [PersonName(name, convert_encodings(UTF_8)) for name in value]
            setattr(dataset, keyword, value)
        return cls(dataset)

    @classmethod
    def from_template(cls, path: Path) -> Self:
        """Patient and study of the DICOM instance `path`: its study goes on, the series will be a new one.

        A value that breaks its VR is left out.  Raises NotDicom, UnreadableInstance, InvalidIdentifier.
        """
        if path.is_dir():
            path = next((one for one in sorted(path.rglob("*")) if one.is_file()), path)
        if not path.is_file():
            raise NotDicom("The template is no file and no folder with one.", "Give a DICOM instance.")
        header = read_instance(path).dataset
        dataset = identity_attributes(header)
        terms = header.get("SpecificCharacterSet") or ""  # of several, the first may be empty
        return cls(dataset, (terms,) if isinstance(terms, str) else tuple(terms), header)

    def updated(self, other: "Attributes") -> "Attributes":
        """These, with what `other` says instead where it says something.

        Raises WrongAttribute for another PatientID than the template's, whose study goes on.
        """
        mine, theirs = (text_of(one.dataset, "PatientID") for one in (self, other))
        if self.template is not None and mine and theirs not in ("", mine):
            raise WrongAttribute(
                "PatientID is another than that of the template, whose study goes on.",
                "Leave the template out, or give one of this patient.",
            )
        merged = Dataset()
        merged.update(self.dataset)
        merged.update(other.dataset)
        return Attributes(merged, self.character_set, other.template or self.template)

    @property
    def study_key(self) -> str:
        """SHA-256 of what is said of patient and study; "" without PatientID, which ties images together."""
        if not text_of(self.dataset, "PatientID"):
            return ""
        return _sha256((keyword, text_of(self.dataset, keyword)) for keyword in STUDY)

    @property
    def sha256(self) -> str:
        """Of all that is said, dates included."""
        return _sha256((element.keyword, repr(element.value)) for element in self.dataset)

    def add_to(self, dataset: Dataset) -> None:
        """Give `dataset` these attributes: what is type 2 of patient and study is there, maybe empty.

        They win over what `dataset` says.  SpecificCharacterSet is none for ASCII, the template's where that
        can say all, else UTF-8 (PS3.3 section C.12.1.1.2).
        """
        for keyword in ("PatientName", "PatientID", *REQUIRED):
            if keyword not in self.dataset:
                setattr(dataset, keyword, None)
        for element in self.dataset:
            dataset[element.tag] = deepcopy(element)  # else a value set there would be set here
        dataset.SpecificCharacterSet = UTF_8
        dataset.set_original_encoding(False, True, convert_encodings(UTF_8))
        keep_character_set(dataset, self.character_set)


def read_table(path: Path) -> dict[str, dict[str, str]]:
    """The rows of a CSV by their column `file`: values by keyword, empty ones left out.

    Parted by commas or semicolons, in UTF-8.  Raises WrongTable; WrongAttribute as `Attributes.of`.
    """
    if not path.is_file() or path.stat().st_size > LARGEST_TABLE:
        raise WrongTable(f"{path.name} is no file of at most {LARGEST_TABLE >> 20} MB.")
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise WrongTable(f"{path.name} is not in UTF-8.") from None
    first = lines[0] if lines else ""
    reader = csv.DictReader(lines, delimiter=";" if ";" in first and "," not in first else ",", strict=True)
    try:
        rows = list(reader)
    except csv.Error as error:
        raise WrongTable(f"{path.name}, line {reader.line_num}: {error}.") from None
    if FILE not in (reader.fieldnames or ()):
        raise WrongTable(f"{path.name} has no column `{FILE}`.")
    return _by_file(path.name, rows)


def _by_file(name: str, rows: Iterable[dict[str | Any, str | Any]]) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for number, row in enumerate(rows, start=1):
        if None in row or None in row.values():
            raise WrongTable(f"Row {number} of {name} has more or fewer cells than there are columns.")
        file = Path(row[FILE].strip()).as_posix()
        if file in found:
            raise WrongTable(f"Row {number} of {name} is for a file that has a row already.")
        values = {str(key).strip(): cell.strip() for key, cell in row.items() if key != FILE and cell.strip()}
        Attributes.of(values)  # said now, before anything is converted
        found[file] = values
    return found


def _value(keyword: str, text: str) -> Any:
    tag = tag_for_keyword(keyword)
    if tag is None:
        raise WrongAttribute(f"{keyword!r} is no DICOM keyword.")
    vr = dictionary_VR(tag)
    if keyword in OWN or (Tag(tag).group in OWN_GROUPS and keyword not in FREE):
        raise WrongAttribute(f"{keyword} follows from the image and from --modality.")
    if vr in NOT_TEXT:
        raise WrongAttribute(f"{keyword} holds no text or number (VR {vr}).", "Use a template that has it.")
    if keyword == "StudyInstanceUID":
        return check_uid(text, keyword)
    texts = text.split("\\") if dictionary_VM(tag) != "1" else [text]
    if vr in WHOLE_NUMBERS | FLOATS:
        return [_number(keyword, vr, one) for one in texts]
    if not all(is_valid(vr, one) for one in texts) or (keyword == "PatientSex" and text not in SEXES):
        raise WrongAttribute(f"The value of {keyword} is no {vr} (PS3.5 section 6.2).")
    return texts


def _number(keyword: str, vr: str, text: str) -> float:
    try:
        return int(text) if vr in WHOLE_NUMBERS else float(text)
    except ValueError:
        raise WrongAttribute(f"The value of {keyword} is no number.") from None


def _sha256(pairs: Iterable[tuple[str, str]]) -> str:
    digest = hashlib.sha256()
    for pair in pairs:
        for text in pair:
            digest.update(f"{len(text)}:{text}".encode())
    return digest.hexdigest()
