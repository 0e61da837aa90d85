# SPDX-License-Identifier: Apache-2.0
"""`python -m imaging_operators.bundle FOLDER [manifest | worker]`: what `python app.py` is for other apps."""

import sys
from pathlib import Path

from imaging_data.errors import ImagingDataError

from .app import BundleApp

USAGE = "usage: python -m imaging_operators.bundle FOLDER [manifest | worker]"


def main(arguments: list[str]) -> None:
    """Run the bundle's app; the process ends with the contract's exit status, 1 for a bundle that is bad."""
    if not arguments:
        sys.exit(USAGE)
    try:
        app = BundleApp(Path(arguments[0]))
    except ImagingDataError as error:
        sys.exit(f"{type(error).__name__}: {error} {error.hint}")
    app.run(arguments[1:])


if __name__ == "__main__":
    main(sys.argv[1:])
