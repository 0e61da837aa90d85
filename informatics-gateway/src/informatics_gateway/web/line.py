# SPDX-License-Identifier: Apache-2.0
"""The line as a picture: its six steps and what stands before each."""

from collections.abc import Mapping
from dataclasses import dataclass

from ..model import JobStatus


@dataclass(frozen=True)
class Station:
    """One step: how much waits for it or is in it (None: nothing ever waits there), in which words."""

    name: str
    count: int | None
    words: str
    status: JobStatus | None = None  # of the jobs that are counted


def stations(counts: Mapping[JobStatus, int], arriving: int) -> list[Station]:
    """The line with its jobs; a job stands before the step that comes after its status."""
    return [
        Station("receive", None, "instances, made durable"),
        Station("assemble", arriving, "series coming in"),
        Station("route", None, "by button and rule"),
        Station("execute", counts[JobStatus.QUEUED], "queued", JobStatus.QUEUED),
        Station("validate", counts[JobStatus.EXECUTED], "executed", JobStatus.EXECUTED),
        Station("deliver", counts[JobStatus.VALIDATED], "validated", JobStatus.VALIDATED),
    ]
