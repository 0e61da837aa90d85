# SPDX-License-Identifier: Apache-2.0
"""What the work of a task is given, and what comes of it.  Apart, so that a process that does it starts fast."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from imaging_data import ExplainedError

from ...config import Destination

CSV = "mapping.csv"  # a download's name
FAULT = "A fault in Gantry itself; the log of `gantry serve` holds the trace."
FULL_HINT = "Make room on the disk, then begin it again."
SMALLER_HINT = "Begin it again with fewer or smaller files."
SENDING = "sending"  # the step of which something is left where it was sent
At = Callable[[str], Callable[[int, int], None]]  # say what is done now; gives what tells how far it is
Check = Callable[[], None]  # raises Stopped where the work is to end now


@dataclass(frozen=True)
class Target:
    """Where results go, and the AE title that calls it."""

    destination: Destination
    calling: str

    @property
    def where(self) -> str:
        """Its name, or the folder that it is."""
        return str(getattr(self.destination, "path", self.destination.name))


@dataclass
class Outcome:
    """What came of a task.

    facts: counts by name.  held: names and reasons of what was held back; skipped: of what was left out; failed:
    sentences about what did not arrive.  download: a file in the task's folder for the reader.
    """

    facts: dict[str, str] = field(default_factory=dict)
    held: list[tuple[str, str]] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    download: Path | None = None


@dataclass(frozen=True)
class Ended:
    """How a task ended: with an outcome; else with a sentence about what went wrong, and what to do."""

    outcome: Outcome = field(default_factory=Outcome)
    error: str = ""
    hint: str = ""


class Work(Protocol):
    """What a task does.  It can be pickled, because another process does it."""

    @property
    def places(self) -> Mapping[str, str]:
        """Where its results go, and what it holds back: there to look when it ended too early."""

    def __call__(self, folder: Path, at: At) -> Outcome:
        """Do it in the task's folder.  Raises ExplainedError, OSError, MemoryError."""


def attempt(work: Work, folder: Path, at: At) -> Ended:
    """Do it here and now; what can go wrong is told."""
    try:
        return Ended(work(folder, at))
    except ExplainedError as known:
        return Ended(error=str(known), hint=known.hint)
    except OSError as refused:
        return Ended(error=f"{refused.strerror}.", hint=FULL_HINT)
    except MemoryError:
        return Ended(error="It needs more memory than there is.", hint=SMALLER_HINT)
