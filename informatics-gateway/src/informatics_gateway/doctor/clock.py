# SPDX-License-Identifier: Apache-2.0
"""This machine's clock: the dates of results come from it."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime

from ..config import Config
from ..errors import BadConfiguration
from ..store import Journal
from .check import Check, fail, ok

RELEASED = datetime(2026, 11, 1, tzinfo=UTC).timestamp()
TOLERANCE_S = 60.0
HINT = "Let a time service (chrony, systemd-timesyncd) set this machine's clock."


def clock(config: Config) -> Iterator[Check]:
    """The clock against this program's own date and the newest job."""
    yield look_at_clock(time.time(), _newest(config))


def look_at_clock(now: float, newest_job: float) -> Check:
    """Whether `now` is after this program was made and after the newest job (seconds since the epoch)."""
    said = datetime.fromtimestamp(now).astimezone().strftime("%Y-%m-%d %H:%M:%S %Z")
    if now < RELEASED:
        return fail("clock", f"It is {said} here, before this program was made.", HINT)
    if now < newest_job - TOLERANCE_S:
        return fail("clock", f"It is {said} here, before the newest job came in.", HINT)
    return ok("clock", f"It is {said} here.")


def _newest(config: Config) -> float:
    try:
        with Journal(config.storage.path) as journal:
            jobs = [] if journal.trouble() else journal.jobs(limit=1)
    except BadConfiguration:  # there is no journal yet
        return 0.0
    return jobs[0].created_at if jobs else 0.0
