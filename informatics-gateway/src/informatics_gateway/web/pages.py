# SPDX-License-Identifier: Apache-2.0
"""The pages for people, and what they load."""

from pathlib import Path

from fastapi import APIRouter, Depends, HTTPException
from fastapi.responses import FileResponse, HTMLResponse, Response

from ..config import Config
from ..model import JobStatus
from . import stored
from .api import Before, JobId, Status, found
from .desk import Desk
from .line import stations
from .templates import render

HERE = Path(__file__).parent
JOBS_ON_A_PAGE = 50


def routes(desk: Desk) -> APIRouter:
    """The status page, and a page for each job with its picture."""
    needs = [Depends(desk.need_journal)]
    router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse, dependencies=needs)

    @router.get("/")
    def status_page(status: Status = None, before: Before = None) -> str:
        return _status_page(desk, status, before)

    @router.get("/jobs/{number}")
    def job_page(number: JobId) -> str:
        return render("job.html", job=found(desk, number), config=desk.config)

    @router.get("/jobs/{number}/picture.png")
    def picture(number: JobId) -> Response:
        return Response(_picture(desk, number), media_type="image/png")

    return router


def files() -> APIRouter:
    """What the pages load: the style sheet and the script."""
    router = APIRouter(include_in_schema=False)

    @router.get("/style.css")
    def style() -> FileResponse:
        return FileResponse(HERE / "style.css", media_type="text/css")

    @router.get("/refresh.js")
    def script() -> FileResponse:
        return FileResponse(HERE / "refresh.js", media_type="text/javascript")

    @router.get("/favicon.ico")
    def icon() -> Response:
        return Response(status_code=204)

    return router


def _status_page(desk: Desk, status: JobStatus | None, before: int | None) -> str:
    page = desk.jobs(JOBS_ON_A_PAGE, status, before)
    arriving, kept, reasons = desk.arriving(), desk.quarantine(), desk.readiness.reasons()
    return render(
        "status.html",
        page=page,
        status=status,
        before=before,
        arriving=arriving,
        refusals=desk.refusals(),
        quarantine=kept,
        reasons=reasons,
        space=desk.readiness.space(),
        stations=stations(page.counts, len(arriving)),
        config=desk.config,
        buttons=_buttons(desk.config),
        paused=desk.paused(),
    )


def _buttons(config: Config) -> dict[str, list[str]]:
    """For each app the called AE titles that lead to it."""
    return {
        app.name: [route.called_ae_title for route in config.routes if route.app == app.name]
        for app in config.apps
    }


def _picture(desk: Desk, number: int) -> bytes:
    result = desk.picture(number)
    if result is None:
        raise HTTPException(404, f"Job {number} has no validated picture.")
    try:
        return stored.picture(result)
    except stored.NoPicture as error:
        raise HTTPException(404, str(error)) from error
