# SPDX-License-Identifier: Apache-2.0
"""`gantry serve`: the gateway.  What it runs is imported then, for which the other commands need not wait."""

import logging

from ..config import load
from .output import DEFAULT_CONFIG, ConfigOption


def serve(config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Run the gateway: the DICOM receiver, the line and the status page."""
    from ..route import check_profiles
    from .serving import run

    _log_plainly()
    settings = load(config)
    check_profiles(settings, config)
    run(settings)


def _log_plainly() -> None:
    """One line a message on standard error; no message of ours carries a patient attribute."""
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", force=True
    )
    logging.getLogger("pynetdicom").setLevel(logging.ERROR)
    logging.getLogger("httpx").setLevel(logging.WARNING)
