# SPDX-License-Identifier: Apache-2.0
"""Files that are written again while a test looks on."""

import os
from pathlib import Path


def overwrite(path: Path, content: bytes) -> None:
    """Other bytes in the same file, its modification time set back, a tick of the file system's clock later."""
    before = path.stat()
    with path.open("r+b") as file:
        file.write(content)
        file.truncate()
    while path.stat().st_ctime_ns == before.st_ctime_ns:
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_mtime_ns == before.st_mtime_ns
