# SPDX-License-Identifier: Apache-2.0
"""A folder of DICOM files without the patients: what is certain goes out, the rest is held back with the reason."""

import hashlib
import json
import multiprocessing
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from pydicom.uid import MediaStorageDirectoryStorage

from ..errors import ImagingDataError, NotDicom
from ..files import read_file
from ..parts import Parts, split
from ..values import UNREADABLE, text_of
from .encode import encode
from .holding import HeldBack
from .instance import deidentify
from .mapping import Mapping, Original
from .pixels import clean_pixels
from .places import CannotWrite, check_apart, files_of, put, results
from .profile import Profile
from .pseudonyms import Key

LARGEST = 1 << 32  # bytes of one file; a larger one is held back
FEW = 64  # files that one process does sooner than others start
A_CORE = 2  # processes for each: one waits for the disk while another works
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Out:
    """An instance that went out: its original file, the new one, and what stands for what."""

    source: Path
    path: Path
    mapping: Mapping


@dataclass(frozen=True)
class Held:
    """A file that was held back: its original, its copy in the hold folder, and why."""

    source: Path
    path: Path
    reason: str


@dataclass(frozen=True)
class Skipped:
    """A file that is no DICOM instance."""

    source: Path
    reason: str


@dataclass
class Deidentified:
    """What became of each file, in the order of the sources, and what stands for what."""

    out: list[Out] = field(default_factory=list)
    held: list[Held] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    mapping: Mapping = field(default_factory=Mapping)

    def add(self, result: Out | Held | Skipped) -> None:
        """Take in what became of one file."""
        match result:
            case Out():
                self.out.append(result)
                self.mapping.add(result.mapping)
            case Held():
                self.held.append(result)
            case Skipped():
                self.skipped.append(result)


@dataclass(frozen=True)
class Job:
    """What is the same for each file of a run."""

    source: Path
    target: Path
    hold: Path
    profile: Profile
    key: Key


def deidentify_files(
    source: Path,
    target: Path,
    hold: Path | None,
    profile: Profile,
    key: Key,
    on_progress: Progress = lambda done, total: None,
) -> Deidentified:
    """De-identify the file `source`, or each file in that folder and below, into the folder `target`.

    Results are TARGET/<new study UID>/<new series UID>/<new SOP instance UID>.dcm.  What is not certain is
    copied to `hold` (default: TARGET-held beside it), with the reason in a JSON file.  Files that are there
    already with the same content are left, so a run that was broken off is simply started again.
    Raises MissingFolder, WrongPlace, AlreadyRunning, CannotWrite.
    """
    paths = files_of(source)
    hold = hold or target.with_name(f"{target.name}-held")
    check_apart(source, target, hold)
    job, done = Job(source, target, hold, profile, key), Deidentified()
    with results(target), _workers(job, len(paths)) as work:
        for number, result in enumerate(work(paths), start=1):
            done.add(result)
            on_progress(number, len(paths))
    return done


Results = Callable[[list[Path]], Iterable[Out | Held | Skipped]]


@contextmanager
def _workers(job: Job, count: int) -> Iterator[Results]:
    """What does many files: this process, or as many as there are cores where that is worth their start."""
    cores = len(os.sched_getaffinity(0))
    if count <= FEW or cores == 1:
        yield lambda paths: (one_file(job, path) for path in paths)
        return
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])  # imported once, not by each process
    with ProcessPoolExecutor(cores * A_CORE, context, _start, (job,)) as pool:
        try:
            yield lambda paths: pool.map(_one, paths, chunksize=8)
        except BrokenProcessPool as error:
            raise CannotWrite(
                "A worker process was killed.", "Give it more memory, and run it again."
            ) from error
        finally:
            pool.shutdown(cancel_futures=True)


_job: list[Job] = []  # of this worker process


def _start(job: Job) -> None:
    _job[:] = [job]


def _one(path: Path) -> Out | Held | Skipped:
    return one_file(_job[0], path)


def one_file(job: Job, path: Path) -> Out | Held | Skipped:
    """What becomes of one file.  Raises CannotWrite."""
    content = b""
    try:
        if path.stat().st_size > LARGEST:
            raise HeldBack(f"It is larger than {LARGEST >> 30} GiB.")
        content = read_file(path)[0]
        return _out(job, path, _instance(content))
    except NotDicom as error:
        return Skipped(path, str(error))
    except CannotWrite:
        raise
    except ImagingDataError as error:
        return _held(job, path, content, error)


def _instance(content: bytes) -> Parts:
    parts = split(content)
    if text_of(parts.dataset.file_meta, "MediaStorageSOPClassUID") == MediaStorageDirectoryStorage:
        raise NotDicom("A DICOMDIR is no instance.")
    return parts


def _out(job: Job, path: Path, parts: Parts) -> Out:
    clean = clean_pixels(parts, job.profile)
    changed = deidentify(clean.dataset, job.profile, job.key)
    dataset, patient = changed.dataset, changed.patient
    folder = job.target / dataset.StudyInstanceUID / dataset.SeriesInstanceUID
    new = folder / f"{dataset.SOPInstanceUID}.dcm"
    try:
        content = encode(dataset, clean)
    except UNREADABLE as error:  # such as a value of the profile that the character set lacks
        raise HeldBack(f"It cannot be encoded again ({type(error).__name__}).") from error
    put(new, content)
    original = Original(*patient.identity, changed.name, patient.days)
    uids = {new: old for old, new in changed.uids.items()}
    return Out(path, new, Mapping({patient.pseudonym: original}, uids))


def _held(job: Job, path: Path, content: bytes, error: ImagingDataError) -> Held:
    """Copy the file as it is, with the reason beside it.  Only the owner may read either."""
    name = hashlib.sha256(content or os.fsencode(path)).hexdigest()[:24]
    copy = job.hold / f"{name}.dcm"
    source = path.relative_to(job.source) if path != job.source else path.name
    said = {"source": str(source), "reason": str(error), "hint": error.hint, "profile": job.profile.name}
    if content:
        put(copy, content, 0o600)
    put(copy.with_suffix(".json"), json.dumps(said, indent=1).encode(), 0o600)
    return Held(path, copy, str(error))
