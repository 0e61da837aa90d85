# SPDX-License-Identifier: Apache-2.0
"""`gantry serve`: the gateway.  What it runs is imported then, for which the other commands need not wait."""

from ..config import load
from ..logs import log_plainly
from .output import DEFAULT_CONFIG, ConfigOption


def serve(config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Run the gateway: the DICOM receiver, the line and the status page."""
    from ..route import check_profiles
    from .serving import run

    log_plainly()
    settings = load(config)
    check_profiles(settings, config)
    run(settings)
