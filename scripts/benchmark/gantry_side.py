# SPDX-License-Identifier: Apache-2.0
"""The measured receiver: FOLDER PORT CALLED_AE_TITLE [stock].  Runs until it is ended."""

import signal
import sys
from pathlib import Path

from informatics_gateway import receive
from informatics_gateway.config import Config
from informatics_gateway.model import Association, Refusal


class Silent:
    """A listener that only listens."""

    def arrived(self, association: Association, path: Path) -> None:
        """Nothing to do."""

    def ended(self, association: Association, released: bool) -> None:
        """Nothing to do."""

    def refused(self, refusal: Refusal) -> None:
        """Nobody is refused here."""
        print(refusal, file=sys.stderr)


def main(folder: Path, port: int, called: str, *stock: str) -> None:
    """Receive until the process is ended."""
    if stock:
        receive.TRIED_WITH = ""
    config = Config.model_validate(
        {
            "storage": {"path": folder, "reserve_gb": 1},
            "dicom": {"port": port},
            "source": [{"ae_title": "STORESCU", "host": "127.0.0.1"}],
            "destination": [{"name": "none", "kind": "folder", "path": folder, "clinical": False}],
            "app": [{"name": "none", "path": folder}],
            "route": [{"called_ae_title": called, "app": "none", "destinations": ["none"]}],
        }
    )
    receive.Receiver(config, Silent()).start()
    signal.pause()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:])
