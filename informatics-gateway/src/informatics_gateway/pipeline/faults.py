# SPDX-License-Identifier: Apache-2.0
"""The pipeline's one edge."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from imaging_data import ExplainedError

from ..errors import GatewayFault

log = logging.getLogger("gantry.pipeline")


@contextmanager
def faults_named(what: str) -> Iterator[None]:
    """A fault of ours becomes a GatewayFault, with its trace in the log, so that no thread ends by it."""
    try:
        yield
    except ExplainedError:
        raise
    except Exception as error:
        log.exception("fault in the gateway: %s", what)
        raise GatewayFault(f"{type(error).__name__} while {what}.") from error
