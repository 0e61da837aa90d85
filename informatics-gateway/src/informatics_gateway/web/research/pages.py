# SPDX-License-Identifier: Apache-2.0
"""Plain pages for researchers: files to DICOM, DICOM without the patient, and what became of either.

They change things, so every form carries a token of this process; they answer on this machine only.
"""

import secrets
from collections.abc import Callable
from contextlib import ExitStack

from fastapi import APIRouter, Depends, HTTPException
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import FileResponse, HTMLResponse, RedirectResponse, Response
from starlette.datastructures import FormData
from starlette.requests import Request

from imaging_data import ExplainedError

from ...config import Config
from ..health import GB
from ..templates import render
from .apart import apart
from .forms import NAMED, PROFILES, Fields, check_token, local_only, research_destinations
from .outcome import CSV, Work
from .spool import form_of
from .tasks import Task, Tasks
from .uploads import check_length

MODALITIES = ("CT", "MR", "PT", "CR", "DX", "MG", "US", "XA", "RF", "NM", "XC", "ES", "GM", "OP", "OT")
PREFIX = "/research"
Begin = Callable[[Config, FormData, Task], Work]


def routes(config: Config) -> APIRouter:
    """The pages under /research."""
    router = APIRouter(
        prefix=PREFIX,
        include_in_schema=False,
        default_response_class=HTMLResponse,
        dependencies=[Depends(local_only)],
    )
    desk = _Desk(config)
    _forms(router, desk)
    _outcomes(router, desk)
    return router


def _forms(router: APIRouter, desk: "_Desk") -> None:
    @router.get("/convert")
    def convert_page() -> str:
        return desk.page("research/convert.html", modalities=MODALITIES, named=NAMED)

    @router.get("/deidentify")
    def deidentify_page() -> str:
        return desk.page("research/deidentify.html", profiles=PROFILES)

    @router.post("/convert")
    async def convert(request: Request) -> Response:
        from .plans import conversion

        return await desk.begin(request, "Conversion to DICOM", conversion)

    @router.post("/deidentify")
    async def deidentify(request: Request) -> Response:
        from .plans import deidentification

        return await desk.begin(request, "De-identification", deidentification)


def _outcomes(router: APIRouter, desk: "_Desk") -> None:
    @router.get("/tasks/{identifier}")
    def task_page(identifier: str) -> str:
        return render("research/task.html", task=desk.task(identifier), token=desk.token)

    @router.post("/tasks/{identifier}/stop")
    async def stop(identifier: str, request: Request) -> Response:
        return await desk.stop(request, identifier)

    @router.get(f"/tasks/{{identifier}}/{CSV}")
    def mapping(identifier: str) -> FileResponse:
        path = desk.task(identifier).outcome.download
        if path is None or not path.is_file():
            raise HTTPException(404, "There is no mapping to download.")
        return FileResponse(path, media_type="text/csv", filename=CSV)


class _Desk:
    """What the pages share: the configuration, the `token` of their forms, and the work that was begun."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self.token = secrets.token_urlsafe(24)
        self._root, self._reserve = config.storage.path / "research", config.storage.reserve_gb * GB
        self._tasks = Tasks(self._root, apart, self._reserve)

    def page(self, name: str, **values: object) -> str:
        """A page with a form."""
        buttons = sorted({route.called_ae_title for route in self._config.routes})
        about = {"destinations": research_destinations(self._config), "buttons": buttons}
        return render(name, token=self.token, tasks=self._tasks.latest(), **about, **values)

    def task(self, identifier: str) -> Task:
        """The task, or the answer 404."""
        task = self._tasks.get(identifier)
        if task is None:
            raise HTTPException(404, "There is no such work any more.")
        return task

    async def begin(self, request: Request, name: str, plan: Begin) -> Response:
        """Take the form, begin the work, and lead to its page; or say what is wrong with the form."""
        check_length(request, self._root.parent, self._reserve)
        async with form_of(request, self._root.parent) as form:
            check_token(Fields.of(form), self.token)
            return await run_in_threadpool(self._begin, form, name, plan)

    def _begin(self, form: FormData, name: str, plan: Begin) -> Response:
        try:
            with ExitStack() as undoing:
                task = self._tasks.new(name)
                undoing.callback(self._tasks.drop, task)  # else it would count as waiting
                self._tasks.begin(task, plan(self._config, form, task))
                undoing.pop_all()
        except ExplainedError as error:
            sentence = f"{error} {error.hint}"
            return HTMLResponse(render("error.html", status=422, phrase="Not begun", sentence=sentence), 422)
        return RedirectResponse(f"{PREFIX}/tasks/{task.id}", 303)

    async def stop(self, request: Request, identifier: str) -> Response:
        """Stop the work that has not ended, and lead to its page.  Raises the answers 403 and 404."""
        check_length(request, self._root.parent, 0)
        async with form_of(request, self._root.parent) as form:
            check_token(Fields.of(form), self.token)
        self.task(identifier).stopped.set()
        return RedirectResponse(f"{PREFIX}/tasks/{identifier}", 303)
