# SPDX-License-Identifier: Apache-2.0
"""CT slices without the patient: ours, Orthanc's /anonymize, dicom-anonymizer, deid; as a program, one of them."""

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
from contenders import Case, Contender, child, report
from images import make_slices

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))  # their Orthanc

FILES, QUICK_FILES = 300, 8
NAMES = {
    "ours": "Gantry, pixels looked at",
    "no_pixels": "Gantry, pixels not looked at",
    "orthanc": "Orthanc /anonymize",
    "dicom_anonymizer": "dicom-anonymizer",
    "deid": "deid",
}


def cases(folder: Path, quick: bool) -> Iterator[Case]:
    """One series; each contender reads every file and writes a new one.

    Seconds are those of the work, without interpreters, imports and Orthanc's start and upload.  Ours looks for text
    in the pixels, moves UIDs and dates by a key and synchronises every file to the disk; theirs do neither.
    """
    count = QUICK_FILES if quick else FILES
    (folder / "source").mkdir()
    make_slices(folder / "source", count)
    contenders = [Contender(name, child(__file__, key, folder / "source")) for key, name in NAMES.items()]
    yield Case(f"De-identification of {count} CT slices of 526 kB", contenders)


def ours(source: Path, target: Path) -> Callable[[], object]:
    """What `gantry deidentify` calls."""
    return _gantry(source, target, frozenset({"clean-pixel-data"}))


def no_pixels(source: Path, target: Path) -> Callable[[], object]:
    """The same, without the option that looks for text in pixels."""
    return _gantry(source, target, frozenset())


def _gantry(source: Path, target: Path, options: frozenset[str]) -> Callable[[], object]:
    from imaging_data.deidentify import Key, Profile, deidentify_files

    key = Key.new(target.parent / "key")
    return lambda: deidentify_files(source, target, None, Profile("bench", options), key)


def orthanc(source: Path, target: Path) -> Callable[[], object]:
    """Its REST API: one job for the study, whose result it stores; the Orthanc of the tests."""
    from orthanc import new_orthanc

    server = new_orthanc(target.parent / "orthanc")
    for path in source.iterdir():
        server.upload(path)
    [study] = server.client.get("/studies").json()
    asked = {"KeepSource": True, "Synchronous": True}

    def anonymize() -> None:
        made = (
            server.client.post(f"/studies/{study}/anonymize", json=asked, timeout=600)
            .raise_for_status()
            .json()
        )
        found = server.client.get(f"/studies/{made['ID']}/instances").json()
        target.mkdir()
        for number, _ in enumerate(found):
            (target / str(number)).touch()  # they are in its storage: only counted here

    return anonymize


def dicom_anonymizer(source: Path, target: Path) -> Callable[[], object]:
    """Its function, file by file."""
    from dicomanonymizer import anonymize_dicom_file

    target.mkdir()

    def anonymize() -> None:
        for path in source.iterdir():
            anonymize_dicom_file(str(path), str(target / path.name))

    return anonymize


def deid(source: Path, target: Path) -> Callable[[], object]:
    """Its recipe for DICOM headers, as its documentation has it: identifiers read, then replaced."""
    from deid.dicom import get_identifiers, replace_identifiers

    target.mkdir()
    files = [str(path) for path in source.iterdir()]

    def anonymize() -> None:
        found = get_identifiers(files)
        replace_identifiers(files, ids=found, save=True, output_folder=str(target))

    return anonymize


def main(key: str, source: Path) -> None:
    """De-identify once, count what came out, and take it away again."""
    contenders = {each.__name__: each for each in (ours, no_pixels, orthanc, dicom_anonymizer, deid)}
    with tempfile.TemporaryDirectory(dir=source.parent) as folder:
        work = contenders[key](source, Path(folder) / "target")
        begin, cpu = time.perf_counter(), _cpu_s()
        work()
        seconds, cpu = time.perf_counter() - begin, _cpu_s() - cpu
        files = [
            path for path in (Path(folder) / "target").rglob("*") if path.is_file() and path.name[0] != "."
        ]
        for one in psutil.Process().children():  # Orthanc
            one.kill()
            one.wait()
        count = len(list(source.iterdir()))
        if len(files) != count:
            raise SystemExit(f"{key}: {len(files)} of {count} files came out")
        shutil.rmtree(Path(folder) / "target")
    report(seconds, cpu_s=round(cpu, 3), files_per_s=round(count / seconds, 1))


def _cpu_s() -> float:
    """Of this process, of its children, such as Orthanc, and of theirs that ended, such as our workers."""
    return sum(os.times()[:4]) + sum(sum(one.cpu_times()[:4]) for one in psutil.Process().children())


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
