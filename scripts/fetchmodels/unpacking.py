# SPDX-License-Identifier: Apache-2.0
"""What is made of a fetched file: a zip archive's files, or what the app's converter writes."""

import os
import shutil
import stat
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path, PurePosixPath

from imaging_data.model_lock import LockedModel, is_model_name

from .wrong import NoRoom, NotConverted, UnsafeArchive

LARGEST_BYTES = 50 * 2**30  # of what an archive unpacks to
CONVERTS_WITHIN_S = 1800
CONVERT = """
import importlib, pathlib, sys
module, function, source, folder = sys.argv[1:]
getattr(importlib.import_module(module), function)(pathlib.Path(source), pathlib.Path(folder))
"""


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a zip archive into the empty `folder`.

    Raises UnsafeArchive, before anything is written, for an entry that is a link, is encrypted, leaves the
    folder or is there twice, and for an archive that unpacks to more than 50 GiB; NoRoom.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            entries = [entry for entry in opened.infolist() if not entry.is_dir()]
            _check(entries, folder)
            for entry in entries:
                path = folder / entry.filename
                path.parent.mkdir(parents=True, exist_ok=True)
                # zipfile reads no more of an entry than its directory says, and checks its CRC
                with opened.open(entry) as packed, path.open("xb") as file:
                    shutil.copyfileobj(packed, file, 1 << 20)
    except (zipfile.BadZipFile, FileExistsError, NotADirectoryError, EOFError) as error:
        raise UnsafeArchive(f"{archive.name}: {error}") from error


def _check(entries: list[zipfile.ZipInfo], folder: Path) -> None:
    names = [entry.filename for entry in entries]
    for entry in entries:
        kind = stat.S_IFMT(entry.external_attr >> 16)
        if kind not in (0, stat.S_IFREG) or entry.flag_bits & 1 or not is_model_name(entry.filename):
            raise UnsafeArchive(f"It holds {entry.filename!r}: a link, encrypted, or outside its folder.")
    if len({name.casefold() for name in names}) < len(names):
        raise UnsafeArchive("It holds a file twice.")
    total = sum(entry.file_size for entry in entries)
    if total > LARGEST_BYTES:
        raise UnsafeArchive(f"It unpacks to {total / 2**30:.0f} GiB.")
    if total > shutil.disk_usage(folder).free:
        raise NoRoom(f"It unpacks to {total / 1e9:.1f} GB.")


def convert(app: Path, model: LockedModel, file: Path, folder: Path) -> None:
    """Call the model's converter, of the app's folder, in a Python of its own with its file and `folder`.

    The file goes by the model's name there.  What is written into the empty `folder` is what the app loads.
    Raises NotConverted with the last line it printed.
    """
    converter = model.convert
    module, _, function = converter.partition(":")
    with tempfile.TemporaryDirectory(prefix="gantry-") as home:
        source = Path(home) / PurePosixPath(model.name).name
        source.symlink_to(file)
        command = [sys.executable, "-c", CONVERT, module, function, str(source), str(folder)]
        environment = os.environ | {"PYTHONPATH": str(app), "HOME": home}
        try:
            done = subprocess.run(
                command,
                cwd=home,
                env=environment,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=CONVERTS_WITHIN_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise NotConverted(f"{converter} took more than {CONVERTS_WITHIN_S} s.") from None
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines() or ["It said nothing."]
        raise NotConverted(f"{converter} ended with {done.returncode}: {lines[-1]}")
    if not any(path.is_file() for path in folder.rglob("*")):
        raise NotConverted(f"{converter} wrote no file.")
