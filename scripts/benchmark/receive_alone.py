# SPDX-License-Identifier: Apache-2.0
"""Gantry's receive step without what follows it: GANTRY_TOML.  Runs until it is ended."""

import os
import signal
import sys
from pathlib import Path

from informatics_gateway import receive
from informatics_gateway.config import load
from informatics_gateway.model import Association, Refusal


class Deaf:
    """A listener that does nothing."""

    def arrived(self, association: Association, path: Path) -> None:
        """Nothing."""

    def ended(self, association: Association, released: bool) -> None:
        """Nothing."""

    def refused(self, refusal: Refusal) -> None:
        """Goes to the log."""
        print(refusal, file=sys.stderr)


if __name__ == "__main__":
    if "BENCH_STOCK" in os.environ:
        receive.TRIED_WITH = ""  # pynetdicom's own server
    receive.Receiver(load(Path(sys.argv[1])), Deaf()).start()
    signal.pause()
