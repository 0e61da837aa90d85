# SPDX-License-Identifier: Apache-2.0
"""Bring an app's models folder to what its model.lock says, one model after the other; nothing is left half."""

import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from imaging_data.model_lock import FILE, LockedModel, Models, describe_file, lock_text, read_lock

from .download import Partial, Told, download
from .trusting import write_hash
from .unpacking import convert, unpack
from .wrong import NoRoom, NoSuchModel, NotThere, NotTrusted, WrongContent

BLOCK = 1 << 20
WORK = ".fetch"  # in the models folder, so that a finished file is renamed into place
COMMENT = "What scripts/fetch-models made here.  It is verified before an app loads it."


class Fetch:
    """One run for one app.  Raises NotFetched and BadModelLock, in `all`."""

    def __init__(self, app: Path, folder: Path, source: Path | None, trust: bool, console: Console) -> None:
        """source: a folder to take the files from, None for the web.  trust: write hashes that are not there yet."""
        self.app, self.folder, self.source, self.trust = app, folder.absolute(), source, trust
        self.console = console
        self.lock = app / FILE
        self.work = self.folder / WORK

    def all(self, pattern: str = "*") -> None:
        """Every model of the lock whose name is like `pattern`; one that is there with the right hash is left."""
        locked = read_lock(self.lock)
        if not locked:
            self._say(f"{self.app.name} needs no models.")
            return
        models = [model for name, model in locked.items() if fnmatch(name, pattern)]
        if not models:
            raise NoSuchModel(f"{pattern!r} is like none of {', '.join(locked)}.")
        if self.source is not None and not self.source.is_dir():
            raise NotThere(f"There is no folder {self.source}.")
        self._refuse_untrusted(models)
        with self._alone():
            for model in models:
                self._say(f"{model.name}: already there." if self._is_there(model) else self._one(model))

    def _refuse_untrusted(self, models: list[LockedModel]) -> None:
        """Before anything is fetched: a gigabyte later is late for a refusal."""
        without = [model.name for model in models if not model.sha256]
        if without and not self.trust:
            raise NotTrusted(f"{self.lock}: {', '.join(without)}.")

    def _is_there(self, model: LockedModel) -> bool:
        if not model.sha256:
            return False
        now = Models.of(self.app, self.folder)
        if not model.makes_files:
            return not any(now.faults([model.name]))
        made = [each.name for each in now.made.values() if each.source == model.name]
        return bool(made) and not any(now.faults(made))

    def _one(self, model: LockedModel) -> str:
        """Fetch, verify and put into place; what was done, in a sentence."""
        file = self._brought(model)
        found = self._verified(model, file)
        if not model.makes_files:
            place(file, self.folder / model.name)
            return f"{model.name}: {found.size} bytes, SHA-256 {found.sha256} as in {FILE}."
        made = self._made(model, found, file)
        Partial(file).remove()
        of_it = made[0] if len(made) == 1 else f"{len(made)} files"
        return f"{model.name}: SHA-256 {found.sha256} as in {FILE}; made of it: {of_it}."

    def _brought(self, model: LockedModel) -> Path:
        """A file in the work folder, from the folder --from, from the web, or from its place in the folder."""
        partial = Partial(self.work / f"{hashlib.sha256(model.name.encode()).hexdigest()[:16]}.part")
        self._room(model.size - partial.length)
        with self._bar(model) as told:
            if self.source is not None:
                _copy(_find(self.source, model), partial.path, told)
            elif model.url:
                download(model.url, partial, model.size, told)
            else:
                _copy(_find(self.folder, model), partial.path, told)
        return partial.path

    def _verified(self, model: LockedModel, file: Path) -> LockedModel:
        """Size and hash of the file; where the lock has no hash yet, they are shown and written into it."""
        found = describe_file(file.parent, file.name)
        wrong = [
            f"{what} is {is_}, {FILE} says {said}."
            for what, is_, said in (
                ("Its size", found.size, model.size),
                ("SHA-256", found.sha256, model.sha256),
            )
            if said and said != is_
        ]
        if wrong:
            Partial(file).remove()
            raise WrongContent(f"{model.name}: {' '.join(wrong)}")
        found = LockedModel(model.name, found.sha256, found.size)
        if not model.sha256:
            self._say(
                f"{model.name}: {found.size} bytes, SHA-256 {found.sha256}: trusted, written into {self.lock}."
            )
            write_hash(self.lock, found)
        return found

    def _made(self, model: LockedModel, found: LockedModel, file: Path) -> list[str]:
        """Unpack or convert, put the files into place, and write down what they are."""
        with tempfile.TemporaryDirectory(dir=self.work) as temporary:
            folder = Path(temporary)
            if model.unpack:
                unpack(file, folder)
            else:
                convert(self.app, model, file, folder)
            names = sorted(
                path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
            )
            made = [self._of(model, found, describe_file(folder, name)) for name in names]
            for name in names:
                place(folder / name, self.folder / name)
        others = [each for each in read_lock(self.folder / FILE).values() if each.source != model.name]
        kept = [each for each in others if each.name not in names]
        (self.work / FILE).write_text(lock_text([*kept, *made], COMMENT))
        place(self.work / FILE, self.folder / FILE)
        return names

    @staticmethod
    def _of(model: LockedModel, found: LockedModel, made: LockedModel) -> LockedModel:
        about = {"licence": model.licence, "source": model.name, "source_sha256": found.sha256}
        return LockedModel(made.name, made.sha256, made.size, **about)

    def _room(self, size: int) -> None:
        free = shutil.disk_usage(self.folder).free
        if size > free:
            raise NoRoom(f"{self.folder} has {free / 1e9:.1f} GB, {size / 1e9:.1f} GB are needed.")

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """One fetch at a time in one models folder, which it locks; a second one waits."""
        self.folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self._say(f"Another fetch is under way in {self.folder}; waiting for it.")
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            self.work.mkdir(exist_ok=True)
            yield
        finally:
            with suppress(OSError):  # a partial file stays, for the next time
                self.work.rmdir()
            os.close(descriptor)

    @contextmanager
    def _bar(self, model: LockedModel) -> Iterator[Told]:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
        )
        silent = not self.console.is_terminal
        with Progress(*columns, console=self.console, transient=True, disable=silent) as progress:
            task = progress.add_task(model.name, total=model.size or None)
            yield lambda done, whole: progress.update(task, completed=done, total=whole or None)

    def _say(self, sentence: str) -> None:
        self.console.print(sentence, markup=False)


def place(file: Path, path: Path) -> None:
    """Rename `file`, synchronised, to `path`: after a crash the old file or the new one is there, whole."""
    with file.open("rb") as opened:
        os.fsync(opened.fileno())
    path.parent.mkdir(parents=True, exist_ok=True)
    os.replace(file, path)
    Partial(file).remove()


def _find(folder: Path, model: LockedModel) -> Path:
    """The file in a folder that somebody brought: under its path, its name, or its name in the url."""
    names = dict.fromkeys(
        filter(None, (model.name, PurePosixPath(model.name).name, PurePosixPath(model.url).name))
    )
    for name in names:
        if (folder / name).is_file():
            return folder / name
    raise NotThere(f"{' or '.join(names)} is not in {folder}.")


def _copy(source: Path, target: Path, told: Callable[[int, int], None]) -> None:
    size, done = source.stat().st_size, 0
    Partial(target).remove()
    with source.open("rb") as read, target.open("wb") as write:
        while block := read.read(BLOCK):
            write.write(block)
            done += len(block)
            told(done, size)
