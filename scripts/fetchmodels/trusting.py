# SPDX-License-Identifier: Apache-2.0
"""Write the hash of a file into a model.lock that has none of it yet; the rest stays as it is written."""

import os
import re
import tomllib
from itertools import pairwise
from pathlib import Path

from imaging_data.model_lock import BadModelLock, LockedModel

TABLE = re.compile(r"^\s*\[\[\s*model\s*\]\]", re.MULTILINE)


def write_hash(lock: Path, found: LockedModel) -> None:
    """Put size and hash of `found`, computed from the file, into its [[model]], where the hash is empty.

    Raises BadModelLock, and changes nothing, for a lock in which that cannot be done in place.
    """
    text = lock.read_text(encoding="utf-8")
    edited = _edited(text, found)
    wanted = tomllib.loads(text)
    for table in wanted["model"]:
        if table["name"] == found.name and table["sha256"] == "":
            table |= {"sha256": found.sha256, "size": found.size}
    if tomllib.loads(edited) != wanted:
        raise BadModelLock(
            f'{lock}: write `sha256 = ""` and `size = 0` of {found.name} on lines of their own.'
        )
    temporary = lock.with_name(f".{lock.name}.part")
    temporary.write_text(edited, encoding="utf-8")
    os.replace(temporary, lock)


def _edited(text: str, found: LockedModel) -> str:
    starts = [0, *(match.start() for match in TABLE.finditer(text)), len(text)]
    blocks = [text[begin:end] for begin, end in pairwise(starts)]
    names = re.compile(rf'^\s*name\s*=\s*["\']{re.escape(found.name)}["\']', re.MULTILINE)
    return "".join(_filled(block, found) if names.search(block) else block for block in blocks)


def _filled(block: str, found: LockedModel) -> str:
    block = re.sub(r'^(\s*sha256\s*=\s*)(""|\'\')', rf'\g<1>"{found.sha256}"', block, flags=re.MULTILINE)
    if not re.search(r"^\s*size\s*=", block, re.MULTILINE):
        return re.sub(
            r"^(\s*)(sha256\s*=)", rf"\g<1>size = {found.size}\n\g<1>\g<2>", block, flags=re.MULTILINE
        )
    return re.sub(r"^(\s*size\s*=\s*)0\b", rf"\g<1>{found.size}", block, flags=re.MULTILINE)
