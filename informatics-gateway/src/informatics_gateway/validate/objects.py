# SPDX-License-Identifier: Apache-2.0
"""From the files an app left to the DICOM objects they must be."""

import hashlib
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydicom import Dataset
from pydicom.uid import UID

from imaging_data import ImagingDataError, check_uid
from imaging_data.parts import Parts, split

from ..errors import InvalidResult
from ..model import Result
from .accepted import RESULT_CLASSES

NOT_RESULTS = {"results.json", "app.log"}
IDENTIFIERS = {
    "SOPClassUID": "sop_class_uid",
    "SOPInstanceUID": "sop_instance_uid",
    "SeriesInstanceUID": "series_instance_uid",
}


@dataclass(frozen=True)
class ResultObject:
    """A result with what its file says.  `dataset` is without pixel data, which `parts` has."""

    result: Result
    parts: Parts

    @property
    def dataset(self) -> Dataset:
        """Its attributes, without pixel data."""
        return self.parts.dataset

    @property
    def sop_class_uid(self) -> str:
        """Its SOP class, as results.json says."""
        return self.result.sop_class_uid


@contextmanager
def naming(result: Result) -> Iterator[None]:
    """Say of which result a sentence speaks, whoever raises it."""
    name = f"{result.kind} {result.ordinal} ({result.path.name})"
    try:
        yield
    except InvalidResult as error:
        raise InvalidResult(f"{name}: {error.detail}") from error
    except ImagingDataError as error:
        raise InvalidResult(f"{name}: {error}") from error


def check_files(results: Sequence[Result]) -> None:
    """The files in the output folder are those of the manifest, plain files all of them.

    Raises InvalidResult for a result outside the folder, a link, a file twice or missing, a file too many.
    """
    folder = results[0].path.parent
    if not stat.S_ISREG(_mode(folder / "results.json")):
        raise InvalidResult(f"{results[0].path.name}: it does not lie beside results.json.")
    for result in results:
        with naming(result):
            _check_place(result.path, folder)
    listed = {result.path.name for result in results}
    if len(listed) < len(results):
        raise InvalidResult("results.json lists one file twice.")
    for path in sorted(folder.iterdir()):
        if path.name not in listed | NOT_RESULTS:
            raise InvalidResult(f"{path.name} is in the output folder and not in results.json.")


def _check_place(path: Path, folder: Path) -> None:
    if path.parent != folder or path.name in ("", ".", ".."):
        raise InvalidResult("it lies outside the output folder.")
    if not stat.S_ISREG(_mode(path)):
        raise InvalidResult("it is not there, or is no plain file.")


def _mode(path: Path) -> int:
    """The kind of file, of the link itself where it is one; 0 where there is nothing."""
    try:
        return path.lstat().st_mode
    except OSError:
        return 0


def read_object(result: Result) -> ResultObject:
    """Read a result, and see that it is the object that results.json describes.

    Raises InvalidResult when its bytes or identifiers are other ones, or its SOP class is none for results;
    ImagingDataError when it is no whole DICOM file (PS3.10), or an identifier is malformed.
    """
    content = result.path.read_bytes()
    if hashlib.sha256(content).hexdigest() != result.sha256:
        raise InvalidResult("its sha256 is not the one in results.json.")
    found = ResultObject(result, split(content))
    for keyword, field in IDENTIFIERS.items():
        uid = check_uid(str(found.dataset.get(keyword, "")), keyword)
        if uid != getattr(result, field):
            raise InvalidResult(f"its {keyword} is not the one in results.json.")
    _check_meta(found.dataset)
    if result.sop_class_uid not in RESULT_CLASSES:
        raise InvalidResult(f"{UID(result.sop_class_uid).name} is an unknown SOP class for a result.")
    return found


def _check_meta(dataset: Dataset) -> None:
    """File meta information (PS3.10 section 7.1) agrees with the data set: storing goes by it."""
    meta = dataset.file_meta
    if not UID(str(meta.get("TransferSyntaxUID", ""))).is_transfer_syntax:
        raise InvalidResult("its file meta information names no transfer syntax.")
    for of_file, of_dataset in (
        ("MediaStorageSOPClassUID", "SOPClassUID"),
        ("MediaStorageSOPInstanceUID", "SOPInstanceUID"),
    ):
        if meta.get(of_file) != dataset.get(of_dataset):
            raise InvalidResult(f"{of_file} in its file meta information is not its {of_dataset}.")
