# SPDX-License-Identifier: Apache-2.0
"""Tidies up after a station that was killed: `python -m informatics_gateway.runners.ray_watchman FD WORK CONTAINERS`.

Ray kills an actor's child processes with it, keepers too, and a container outlives whoever started it.  So a
process that is nobody's child waits for the end of the pipe FD, which the station holds.
"""

import os
import subprocess
import sys
from pathlib import Path

from . import folders
from .container import end_containers
from .leftovers import FILE, end_recorded, read_record


def watch_over(work: Path, has_containers: bool) -> int:
    """Start a watchman for this process; the descriptor that it waits for, to be kept open."""
    reader, writer = os.pipe()
    command = [sys.executable, "-m", __name__, str(reader), str(work), "containers" if has_containers else ""]
    # The shell leaves it behind, so that it is no child of this process.
    subprocess.run(
        ["/bin/sh", "-c", '"$@" &', "sh", *command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        pass_fds=[reader],
        start_new_session=True,
        check=True,
    )
    os.close(reader)
    return writer


def tidy(work: Path, has_containers: bool) -> None:
    """End what was started in this folder, and remove it."""
    if has_containers:
        end_containers(work)
    for path in work.glob(f"*/{FILE}"):
        record = read_record(path)
        if record is not None:
            end_recorded(record)
    folders.remove(work)


def main(descriptor: int, work: Path, has_containers: bool) -> None:
    """Wait, and tidy."""
    os.read(descriptor, 1)
    tidy(work, has_containers)


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]), bool(sys.argv[3]))
