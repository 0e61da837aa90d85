# SPDX-License-Identifier: Apache-2.0
"""Containers that were started by hand and whose starter was killed, told by a label that says which process it was.

Those of a gateway are found by its storage instead, by the next gateway.

A process number alone proves nothing: it counts within one boot and one process namespace, and is used again.
A starter in another container, or of an engine on another machine, cannot be seen from here and counts as alive.
"""

import os

from .engine import find_engine
from .leftovers import PROC, boot_id, start_ticks

STARTED_BY = "org.gantry.started-by"


def this_process() -> str:
    """This process's own label: the boot and the namespace that its number counts in, and since when it runs."""
    return f"{_place()}/{os.getpid()}/{start_ticks(os.getpid())}"


def is_gone(starter: str) -> bool:
    """Whether the process with this label is known to have ended."""
    place, _, process = starter.partition("/")
    number, _, started = process.partition("/")
    return place == _place() and number.isdecimal() and str(start_ticks(int(number))) != started


def end_abandoned() -> tuple[str, ...]:
    """End and remove the containers that nobody waits for any more; their names."""
    engine = find_engine()
    left = tuple(
        name for name in engine.labelled(STARTED_BY) if is_gone(engine.labels(name).get(STARTED_BY, ""))
    )
    if left:
        engine.remove(*left)
    return left


def _place() -> str:
    return f"{boot_id()}.{os.stat(PROC / 'self/ns/pid').st_ino}"
