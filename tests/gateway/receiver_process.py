# SPDX-License-Identifier: Apache-2.0
"""A receiver to be killed and traced: STORAGE streaming|stock [what is never synchronised: file|folder]."""

import os
import signal
import stat
import sys
from pathlib import Path

from receivers import STOCK, STREAMING, Heard, settings

from informatics_gateway import receive


def main(storage: Path, kind: str, broken: str = "") -> None:
    """Print the port, and receive until the process is killed."""
    receive.TRIED_WITH = STREAMING if kind == "streaming" else STOCK
    if broken:
        _break_fsync(folders=broken == "folder")
    receiver = receive.Receiver(settings(storage), Heard())
    receiver.start()
    print(receiver.port, flush=True)
    signal.pause()


def _break_fsync(folders: bool) -> None:
    real = os.fsync

    def broken(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode) != folders:
            real(descriptor)

    os.fsync = broken  # type: ignore[assignment]


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
