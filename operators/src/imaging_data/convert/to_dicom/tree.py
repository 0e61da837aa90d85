# SPDX-License-Identifier: Apache-2.0
"""What of a file or folder tree becomes a series each, and how it is read."""

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ...errors import MissingFolder
from ..converted import Skipped
from ..errors import UnreadableInput
from . import arrays, nifti, pictures, slides, video

VOLUMES = (*nifti.ENDINGS, *arrays.ITK_ENDINGS, *arrays.NUMPY_ENDINGS)
ENDINGS = (*VOLUMES, *pictures.ENDINGS, *slides.ENDINGS, *video.ENDINGS)
BESIDE = {".npy": ".json"}  # what belongs to a file and says more about it


@dataclass(frozen=True)
class Item:
    """One source of a series: a file, or the pictures of a folder in their order.

    name: its path below the tree's root, with slashes; how a table of attributes names it.
    stacked: the paths are slices of one series.
    """

    name: str
    paths: tuple[Path, ...]
    ending: str
    stacked: bool = False

    @property
    def written(self) -> tuple[str, str]:
        """Date and time (YYYYMMDD, HHMMSS; UTC) at which the file was written."""
        moment = datetime.fromtimestamp(int(self.paths[0].stat().st_mtime), UTC)
        return moment.strftime("%Y%m%d"), moment.strftime("%H%M%S")

    def sha256(self) -> str:
        """Of its bytes, and of the files that belong to it."""
        digest = hashlib.sha256()
        for path in self.paths:
            for one in (path, *_beside(path)):
                with one.open("rb") as file:
                    digest.update(hashlib.file_digest(file, "sha256").digest())
        return digest.hexdigest()


def find_items(source: Path, stacked: bool = False) -> tuple[list[Item], list[Skipped]]:
    """The items of a file or a folder tree, in the order of their names, and the files that are none.

    stacked: the pictures of each folder are the slices of one series, in the order of the numbers in their names.
    Raises MissingFolder.
    """
    if not source.exists():
        raise MissingFolder(f"{source}")
    if source.is_file():
        ending = ending_of(source)
        return ([Item(source.name, (source,), ending)], []) if ending else ([], [_skipped(source, source)])
    paths = sorted((path for path in source.rglob("*") if path.is_file()), key=_natural)
    belonging = {one for path in paths for one in _beside(path)}
    items, skipped, stacks = [], [], defaultdict(list)
    for path in paths:
        ending = ending_of(path)
        hidden = any(part.startswith(".") for part in path.relative_to(source).parts)
        if hidden or (not ending and path not in belonging):
            skipped.append(_skipped(path, source))
        elif stacked and ending in pictures.ENDINGS:
            stacks[path.parent].append(path)
        elif ending:
            items.append(Item(path.relative_to(source).as_posix(), (path,), ending))
    items += [
        Item(folder.relative_to(source).as_posix(), tuple(found), ending_of(found[0]), True)
        for folder, found in stacks.items()
    ]
    return items, skipped


def ending_of(path: Path) -> str:
    """The ending that says its format, in lower case; "" for none of those that can be converted."""
    name = path.name.lower()
    return next((ending for ending in sorted(ENDINGS, key=len, reverse=True) if name.endswith(ending)), "")


def _skipped(path: Path, root: Path) -> Skipped:
    with path.open("rb") as file:
        dicom = file.read(132)[128:] == b"DICM"
    name = path.relative_to(root).as_posix() if path != root else path.name
    return Skipped(name, "It is DICOM already." if dicom else "No conversion to DICOM reads such files.")


def _beside(path: Path) -> Iterator[Path]:
    ending = BESIDE.get(path.suffix.lower())
    if ending and path.with_suffix(ending).is_file():
        yield path.with_suffix(ending)
    if path.suffix.lower() in arrays.ITK_ENDINGS:
        with suppress(UnreadableInput):  # said when it is read
            yield from arrays.data_files(path)


def _natural(path: Path) -> list[tuple[int, str]]:
    """Slice 10 comes after slice 9."""
    parts = re.split(r"(\d+)", path.as_posix())
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]
