# SPDX-License-Identifier: Apache-2.0
"""The log: one line a message on standard error, and no patient in it.

What an exception or a library's warning says may quote a value, such as a birth date that is none; so a fault
is logged by where it came from and what kind it is, and warnings are not logged at all.
"""

import logging
import os
import sys
import threading
import traceback
import warnings
from typing import Any

from imaging_data import ExplainedError

FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def log_plainly() -> None:
    """Log so from now on, whatever part of this process, and whatever thread, it comes from."""
    handler = logging.StreamHandler()
    handler.setFormatter(_Formatter(FORMAT))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.getLogger("pynetdicom").setLevel(logging.ERROR)
    logging.getLogger("pydicom").setLevel(logging.CRITICAL)  # it quotes values
    logging.getLogger("httpx").setLevel(logging.WARNING)
    warnings.simplefilter("ignore")
    sys.excepthook = lambda kind, error, trace: _unexpected(error)
    threading.excepthook = lambda ended: _unexpected(ended.exc_value)


def fault_trace(error: BaseException) -> str:
    """Where an error came from, and the errors before it: frames and kinds, and words only where they are ours."""
    earlier = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    several = error.exceptions if isinstance(error, BaseExceptionGroup) else ()
    before = [fault_trace(one) for one in (earlier, *several) if one is not None]
    return "\n".join([*before, "".join(traceback.format_tb(error.__traceback__)) + _said(error)])


def _said(error: BaseException) -> str:
    kind = type(error).__qualname__
    if isinstance(error, ExplainedError):
        return f"{kind}: {error}"
    if isinstance(error, OSError) and error.errno:
        return f"{kind}: {os.strerror(error.errno)}"
    return kind


class _Formatter(logging.Formatter):
    def formatException(self, ei: Any) -> str:
        return fault_trace(ei[1])


def _unexpected(error: BaseException | None) -> None:
    if error is not None:
        logging.getLogger("gantry").critical("nobody expected this", exc_info=error)
