# SPDX-License-Identifier: Apache-2.0
"""Results as files: the DICOM objects in an order in which references point back, then results.json."""

import hashlib
import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydicom import Dataset
from pydicom.filebase import DicomBytesIO

from ..context import Run
from ..errors import InvalidResult
from ..files import sync_folder, write_durably, write_whole
from ..timing import Stopwatch
from .base import Placed, Result, ResultContext, RunContext, Trace
from .envelope import seal
from .key_object import KeyObject
from .measurements import Measurements
from .segmentation import Segmentation

if TYPE_CHECKING:
    from ..info import AppInfo
    from .source import Image

CONTRACT = 1


@dataclass(frozen=True)
class Writer:
    """What results.json says apart from the results; `times` is filled as the run goes on."""

    run: Run
    info: "AppInfo"
    digest: str
    model_sha256s: dict[str, str]
    times: dict[str, float]
    engine: str = ""

    @property
    def trace(self) -> Trace:
        """How the results were computed."""
        return Trace(self.model_sha256s, self.engine, _device())


def write_results(writer: Writer, image: "Image", returned: Any) -> None:
    """Write what `predict` returned, and last results.json.  Raises InvalidResult."""
    results = in_order(_listed(returned))
    context = RunContext(image, writer.info, writer.digest, writer.run.job, writer.trace)
    with Stopwatch() as watch:
        entries = _write_all(results, context, writer.run)
    document = _document(writer, context, results, entries, watch.seconds)
    write_durably(writer.run.folders.output / "results.json", json.dumps(document, indent=2).encode())


def _listed(returned: Any) -> list[Result]:
    """What predict returned, as a list of results."""
    results = list(returned) if isinstance(returned, list | tuple) else [returned]
    for result in results:
        if not hasattr(result, "to_dicom"):
            raise InvalidResult(
                f"predict() returned {type(result).__name__}.",
                "Return one of the results of imaging_operators, a TextReport for one, or a list of them.",
            )
    if not results:
        raise InvalidResult("predict() returned an empty list.", "Say what was found in a TextReport.")
    return results


def in_order(results: Iterable[Result]) -> list[Result]:
    """Segmentations first, those that only measurements name included; key objects last, which name others.

    Else the author's order.
    """
    named = [result.segmentation for result in results if isinstance(result, Measurements)]
    every = [*results, *(segmentation for segmentation in named if segmentation is not None)]
    once = list({id(result): result for result in every}.values())
    return sorted(once, key=_rank)


def _rank(result: Result) -> int:
    return 0 if isinstance(result, Segmentation) else 2 if isinstance(result, KeyObject) else 1


def _write_all(results: list[Result], context: RunContext, run: Run) -> list[dict[str, Any]]:
    """The entries of results.json.  A file goes to the disk while the next result is made."""
    with ThreadPoolExecutor(1) as disk:
        entries, writing = [], []
        for place, dataset, content in _encode_each(results, context):
            entry = _entry(content, dataset, place)
            entries.append(entry)
            writing.append(disk.submit(write_whole, run.folders.output / entry["file"], content))
        for one in writing:
            one.result()
    sync_folder(run.folders.output)
    return entries


def _encode_each(
    results: list[Result], context: RunContext
) -> Iterator[tuple[ResultContext, Dataset, bytes]]:
    encoded: dict[int, Dataset] = {}
    ordinals: Counter[str] = Counter()
    for result in results:
        place = ResultContext(context, result.kind, ordinals[result.kind], encoded)
        ordinals[result.kind] += 1
        dataset = result.to_dicom(place)
        seal(dataset, place)
        encoded[id(result)] = dataset
        yield place, dataset, _checked(result, dataset, place)


def _checked(result: Result, dataset: Dataset, place: ResultContext) -> bytes:
    """The bytes of the file; those of a result with a place in the patient are read back and compared."""
    buffer = DicomBytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    content = buffer.getvalue()
    if isinstance(result, Placed):
        result.check_written(content, place)
    return content


def _entry(content: bytes, dataset: Dataset, place: ResultContext) -> dict[str, Any]:
    return {
        "kind": place.kind,
        "ordinal": place.ordinal,
        "file": f"{place.kind}-{place.ordinal}.dcm",
        "sop_class_uid": dataset.SOPClassUID,
        "sop_instance_uid": dataset.SOPInstanceUID,
        "study_instance_uid": dataset.StudyInstanceUID,
        "series_instance_uid": dataset.SeriesInstanceUID,
        "series_number": int(dataset.SeriesNumber),
        "sha256": hashlib.sha256(content).hexdigest(),
    }


def _document(
    writer: Writer, context: RunContext, results: list[Result], entries: list[dict[str, Any]], write_s: float
) -> dict[str, Any]:
    info, series = writer.info, context.image.series
    return {
        "contract": CONTRACT,
        "app": {
            "name": info.name,
            "version": info.version,
            "creator": info.creator,
            "digest": writer.digest,
            "profile": context.profile.name,
        },
        "input": {
            "hash": context.input_hash,
            "series_instance_uid": series.series_instance_uid,
            "instances": len(series.instances),
        },
        "results": entries,
        "measurements": [
            number for result in results if hasattr(result, "plain") for number in result.plain()
        ],
        "findings": [finding for result in results for finding in getattr(result, "findings", ())],
        "notes": [note for note in (*context.source.notes, context.cheaper_text) if note],
        "models": writer.model_sha256s,
        "times": {name: round(seconds, 6) for name, seconds in (writer.times | {"write_s": write_s}).items()},
        "device": _device(),
    }


def _device() -> str:
    """ "cpu", or the name of the GPU where torch is loaded and sees one."""
    torch = sys.modules.get("torch")
    return str(torch.cuda.get_device_name()) if torch is not None and torch.cuda.is_available() else "cpu"
