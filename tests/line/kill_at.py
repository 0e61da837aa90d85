# SPDX-License-Identifier: Apache-2.0
"""A gateway that dies by SIGKILL just before or just after one of its durable steps.

The gateway is the real one; only the step named by POINT is wrapped.  POINTS lists every place where something
becomes durable, in the order of the line.
"""

import os
import signal
from collections.abc import Callable
from typing import Any

from informatics_gateway.destinations import dicomweb, dimse
from informatics_gateway.execute import Executor
from informatics_gateway.model import JobStatus
from informatics_gateway.pipeline import intake
from informatics_gateway.receive.incoming import AssociationFolder
from informatics_gateway.store import Store

Condition = Callable[..., bool]


def always(*_: Any, **__: Any) -> bool:
    return True


def moves_to(status: JobStatus) -> Condition:
    return lambda store, job, to, *rest, **named: to is status


POINTS: dict[str, tuple[Any, str, Condition]] = {
    "association": (AssociationFolder, "new_instance", always),
    "instance": (AssociationFolder, "keep", always),
    "journal": (Store, "record_arrivals", always),
    "taken in": (intake, "take_in", always),
    "seal": (Store, "seal", always),
    "queue": (Store, "queue", always),
    "begin": (Store, "begin", always),
    "execute": (Executor, "execute", always),
    "executed": (Store, "move", moves_to(JobStatus.EXECUTED)),
    "validated": (Store, "move", moves_to(JobStatus.VALIDATED)),
    "begin sending": (Store, "begin_sending", always),
    "send by dicomweb": (dicomweb.DicomwebClient, "send", always),
    "send by dimse": (dimse.DimseClient, "send", always),
    "proof": (Store, "record_proof", always),
    "delivered": (Store, "move", moves_to(JobStatus.DELIVERED)),
}


def die() -> None:
    """What kill -9 does."""
    os.kill(os.getpid(), signal.SIGKILL)


def arm(point: str, when: str) -> None:
    """Wrap the step so that its first call kills the process."""
    owner, name, condition = POINTS[point]
    real = getattr(owner, name)

    def deadly(*arguments: Any, **named: Any) -> Any:
        applies = condition(*arguments, **named)
        if applies and when == "before":
            die()
        result = real(*arguments, **named)
        if applies and when == "after":
            die()
        return result

    setattr(owner, name, deadly)
