# SPDX-License-Identifier: Apache-2.0
"""The JSON API, and what a monitor asks."""

from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Path, Query, Response

from ..config import Config
from ..model import JobStatus
from .answers import VERSION, JobDetail, JobPage, QuarantineAnswer, RefusalAnswer
from .desk import Desk
from .health import Readiness

LARGEST_ID = 2**63 - 1  # SQLite's
JobId = Annotated[int, Path(ge=1, le=LARGEST_ID, description="The job's number.")]
Status = Annotated[JobStatus | None, Query(description="Only jobs with this status.")]
Before = Annotated[int | None, Query(ge=1, le=LARGEST_ID, description="Only jobs with a lower number.")]
Limit = Annotated[int, Query(ge=1, le=200, description="At most this many jobs.")]


def routes(desk: Desk) -> APIRouter:
    """What is under /api."""
    router = APIRouter(tags=["line"], dependencies=[Depends(desk.need_journal)])

    @router.get("/jobs")
    def list_jobs(status: Status = None, before: Before = None, limit: Limit = 50) -> JobPage:
        """Jobs, the newest first."""
        return desk.jobs(limit, status, before)

    @router.get("/jobs/{number}")
    def show_job(number: JobId) -> JobDetail:
        """One job: its history, results, proofs and numbers."""
        return found(desk, number)

    @router.get("/refusals")
    def list_refusals() -> list[RefusalAnswer]:
        """Callers that were turned away, the newest first."""
        return desk.refusals()

    @router.get("/quarantine")
    def list_quarantine() -> list[QuarantineAnswer]:
        """What was refused and kept, the newest first."""
        return desk.quarantine()

    return router


def found(desk: Desk, number: int) -> JobDetail:
    """The job, or the answer 404."""
    job = desk.job(number)
    if job is None:
        raise HTTPException(404, f"There is no job {number}.")
    return job


def probes(config: Config, readiness: Readiness) -> APIRouter:
    """/healthz: the process answers.  /readyz: it can do its work, or 503 with the reasons."""
    router = APIRouter(tags=["health"])

    @router.head("/healthz", include_in_schema=False)
    @router.get("/healthz")
    def alive() -> dict[str, str]:
        """The gateway's process is alive, and which gateway it is."""
        return {"status": "alive", "product": "Gantry", "version": VERSION, "ae_title": config.dicom.ae_title}

    @router.head("/readyz", include_in_schema=False)
    @router.get("/readyz", responses={503: {"description": "Not ready; `reasons` says why and what to do."}})
    def ready(response: Response) -> dict[str, str | list[dict[str, str]]]:
        """Whether the gateway can receive, work and remember now."""
        reasons = [vars(reason) for reason in readiness.reasons()]
        response.status_code = 503 if reasons else 200
        return {"status": "not ready" if reasons else "ready", "reasons": reasons}

    return router
