# SPDX-License-Identifier: Apache-2.0
"""An app on the contract alone (docs/map-contract.md): one small picture, no MONAI Deploy, no torch.

It starts in well under a second, for tests that run or kill an app many times.  Environment variables make it
misbehave: SLEEP_S (works that long), CRASH=1 (kills itself), HANG=1 (never ends), WRONG_PATIENT=1 (of its
result), MEMORY_MB (holds that much while it works), NO_MANIFEST=1 (writes no results.json).
"""

import hashlib
import json
import os
import signal
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydicom import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage

from imaging_data.errors import ImagingDataError, NoMatchingSeries, NotAVolume
from imaging_data.identifiers import derive_uid
from imaging_data.instances import Series, find_instances
from imaging_data.rule import SeriesRule

RULE = SeriesRule(Modality="CT")
APP = {
    "name": "torch-free",
    "version": "1.0",
    "creator": "Gantry",
    "digest": hashlib.sha256(Path(__file__).read_bytes()).hexdigest(),
}
NEEDS = {"cpu": 1, "memory_mb": 1024, "gpu_memory_mb": 0, "timeout_s": 60}
COPIED = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyInstanceUID",
    "StudyDate",
    "StudyTime",
    "StudyID",
    "AccessionNumber",
    "ReferringPhysicianName",
    "IssuerOfPatientID",
    "SpecificCharacterSet",
)
SIDE = 8


def run(source: Path, output: Path, job: dict[str, Any]) -> int:
    """One run; the exit status."""
    held = bytearray(int(os.environ.get("MEMORY_MB", "0")) * 2**20)
    time.sleep(float(os.environ.get("SLEEP_S", "0")))
    if os.environ.get("CRASH"):
        os.kill(os.getpid(), signal.SIGKILL)
    while os.environ.get("HANG"):
        time.sleep(3600)
    try:
        _write(RULE.select(find_instances(source).series), output, job)
    except ImagingDataError as error:
        document = {"error": type(error).__name__, "message": str(error), "hint": error.hint}
        _replace(output / "error.json", json.dumps(document).encode())
        return 2 if isinstance(error, NoMatchingSeries | NotAVolume) else 1
    del held
    return 0


def _write(series: Series, output: Path, job: dict[str, Any]) -> None:
    picture = _picture(series, job)
    path = output / "secondary-capture-0.dcm"
    picture.save_as(path, enforce_file_format=True)
    if not os.environ.get("NO_MANIFEST"):
        document = _document(series, picture, hashlib.sha256(path.read_bytes()).hexdigest())
        _replace(output / "results.json", json.dumps(document).encode())


def _picture(series: Series, job: dict[str, Any]) -> Dataset:
    source, picture = series.instances[0].dataset, Dataset()
    for keyword in COPIED:
        if keyword in source:
            picture[keyword] = source[keyword]
    if os.environ.get("WRONG_PATIENT"):
        picture.PatientID = "SOMEBODY-ELSE"
    revision = job.get("revision", 1)
    moment = datetime.fromisoformat(job.get("content_datetime") or datetime.now(UTC).isoformat())
    for what in ("Series", "Content"):
        setattr(picture, f"{what}Date", moment.strftime("%Y%m%d"))
        setattr(picture, f"{what}Time", moment.strftime("%H%M%S"))
    picture.SOPClassUID = SecondaryCaptureImageStorage
    origin = ("torch-free", APP["digest"], series.input_hash, str(revision))
    picture.SOPInstanceUID = derive_uid(*origin, "instance")
    picture.SeriesInstanceUID = derive_uid(*origin, "series")
    picture.SeriesNumber, picture.InstanceNumber = 304 + 10 * (revision - 1), 1
    picture.SeriesDescription = _description(job)
    picture.Modality, picture.ConversionType, picture.ImageType = "OT", "WSD", ["DERIVED", "SECONDARY"]
    picture.Laterality = picture.PatientOrientation = None
    _add_equipment(picture)
    _add_pixels(picture)
    picture.file_meta = FileMetaDataset()
    picture.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return picture


def _description(job: dict[str, Any]) -> str:
    numbers = [old["series_number"] for old in job.get("replaces", [])]
    revision = f" rev {job['revision']}, replaces series {numbers[0]}" if numbers else ""
    return "NOT FOR CLINICAL USE - RESEARCH ONLY" + revision


def _add_equipment(picture: Dataset) -> None:
    purpose, contribution = Dataset(), Dataset()
    purpose.CodeValue, purpose.CodingSchemeDesignator = "109102", "DCM"
    purpose.CodeMeaning = "Processing Equipment"
    contribution.PurposeOfReferenceCodeSequence = [purpose]
    contribution.Manufacturer = contribution.ManufacturerModelName = "Gantry"
    picture.ContributingEquipmentSequence = [contribution]
    picture.Manufacturer, picture.ManufacturerModelName = APP["creator"], APP["name"]
    picture.SoftwareVersions = APP["version"]


def _add_pixels(picture: Dataset) -> None:
    picture.Rows = picture.Columns = SIDE
    picture.SamplesPerPixel, picture.PhotometricInterpretation, picture.PlanarConfiguration = 3, "RGB", 0
    picture.BitsAllocated = picture.BitsStored = 8
    picture.HighBit, picture.PixelRepresentation, picture.BurnedInAnnotation = 7, 0, "NO"
    picture.PixelData = bytes(range(SIDE * SIDE)) * 3


def _document(series: Series, picture: Dataset, sha256: str) -> dict[str, Any]:
    return {
        "contract": 1,
        "app": APP,
        "input": {
            "hash": series.input_hash,
            "series_instance_uid": series.series_instance_uid,
            "instances": len(series.instances),
        },
        "results": [
            {
                "kind": "secondary-capture",
                "ordinal": 0,
                "file": "secondary-capture-0.dcm",
                "sop_class_uid": picture.SOPClassUID,
                "sop_instance_uid": picture.SOPInstanceUID,
                "study_instance_uid": picture.StudyInstanceUID,
                "series_instance_uid": picture.SeriesInstanceUID,
                "series_number": int(picture.SeriesNumber),
                "sha256": sha256,
            }
        ],
        "measurements": [],
        "findings": [],
        "models": {},
        "times": {},
        "device": "cpu",
    }


def _replace(path: Path, content: bytes) -> None:
    """Write `path` whole: by rename, after fsync."""
    part = path.with_name(f".{path.name}.part")
    with part.open("wb") as file:
        file.write(content)
        os.fsync(file.fileno())
    part.rename(path)


def worker() -> None:
    """The warm worker's protocol; what is printed during a job goes to its log."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    print(json.dumps({"ready": True}), file=answers)
    for line in sys.stdin:
        order = json.loads(line)
        log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.close(log)
        status = run(Path(order["input"]), Path(order["output"]), order.get("job", {}))
        print(json.dumps({"exit": status}), file=answers)
        if status:
            sys.exit(status)


def main(arguments: list[str]) -> None:
    """The process entry."""
    if arguments == ["manifest"]:
        print(json.dumps({**APP, "series": RULE.to_config(), "needs": NEEDS, "models": [], "profiles": {}}))
    elif arguments == ["worker"]:
        worker()
    else:
        job = json.loads(os.environ.get("GANTRY_JOB") or "{}")
        folders = (Path(os.environ[f"HOLOSCAN_{name}_PATH"]) for name in ("INPUT", "OUTPUT"))
        sys.exit(run(*folders, job))


if __name__ == "__main__":
    main(sys.argv[1:])
