# SPDX-License-Identifier: Apache-2.0
"""Work for a task of the research pages that shows where it is done; other processes import it."""

import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from imaging_data import MissingFolder
from informatics_gateway.web.research.outcome import At, Outcome
from informatics_gateway.web.research.tasks import Tasks

PATIENT = "Nightingale"


@dataclass(frozen=True)
class Waits:
    """Leaves a file, says its process number in place of a count, and waits."""

    places: ClassVar[dict[str, str]] = {"Results go to": "there"}

    def __call__(self, folder: Path, at: At) -> Outcome:
        """Never ends by itself."""
        (folder / "half").write_text(PATIENT)
        at("waiting")(0, os.getpid())
        time.sleep(600)
        return Outcome()


@dataclass(frozen=True)
class Looks:
    """Says what it sees of its process; `secret` reaches it, and nobody else."""

    secret: str
    places: ClassVar[dict[str, str]] = {}

    def __call__(self, folder: Path, at: At) -> Outcome:
        """Print as a library might, and look."""
        print("printed on standard output", flush=True)
        (folder / "made").touch()
        parent = Path(f"/proc/{os.getppid()}/cmdline")
        arguments = Path("/proc/self/cmdline").read_text() + parent.read_text()
        facts = {
            "nice": str(os.nice(0)),
            "mode": oct((folder / "made").stat().st_mode),
            "in an argument": str(self.secret in arguments),
            "environment": os.environ["GANTRY_TEST_SECRET"],
            "web": str("fastapi" in sys.modules),
        }
        return Outcome(facts, held=[("a", "b")], download=folder / "made")


@dataclass(frozen=True)
class Fails:
    """Raises what it is told."""

    error: type[BaseException]
    places: ClassVar[dict[str, str]] = {}

    def __call__(self, folder: Path, at: At) -> Outcome:
        """Always raises."""
        raise MissingFolder("there", hint="Look.") if self.error is MissingFolder else self.error(PATIENT)


def main(root: Path) -> None:
    """Be a gateway with a task; say the process number of its work, and stay."""
    from informatics_gateway.web.research.apart import apart

    tasks = Tasks(root, apart)
    task = tasks.new("waits")
    tasks.begin(task, Waits())
    while not task.total:
        time.sleep(0.02)
    print(task.total, flush=True)
    time.sleep(600)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    import research_deeds

    research_deeds.main(Path(sys.argv[1]))
