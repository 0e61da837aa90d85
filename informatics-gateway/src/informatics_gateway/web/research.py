# SPDX-License-Identifier: Apache-2.0
"""Plain pages for researchers: files to DICOM, DICOM without the patient, and what became of either.

They change things, so every form carries a token of this process; they answer on this machine only.
"""

import secrets
from collections.abc import Callable
from pathlib import Path

from fastapi import APIRouter, Depends, HTTPException
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import FileResponse, HTMLResponse, RedirectResponse, Response
from starlette.datastructures import FormData
from starlette.requests import Request

from imaging_data import ExplainedError, MissingFolder
from imaging_data.convert.to_dicom import ToDicom
from imaging_data.deidentify import Key, Profile

from ..config import Config
from .forms import Fields, WrongForm, check_token, local_only, outside, research_destinations
from .research_work import CSV, Conversion, Deidentification, attributes, check_mapping
from .tasks import Task, Tasks, Work
from .templates import render
from .uploads import MOST_FIELDS, MOST_FILES, check_length, save

MODALITIES = ("CT", "MR", "PT", "CR", "DX", "MG", "US", "XA", "RF", "NM", "XC", "ES", "GM", "OP", "OT")
NAMED = (
    "PatientID",
    "PatientName",
    "PatientBirthDate",
    "PatientSex",
    "StudyDescription",
    "SeriesDescription",
)
PROFILES = ("research", "basic")
PREFIX = "/research"
Begin = Callable[[FormData, Fields, Task], Work]


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
        return desk.page("research_convert.html", modalities=MODALITIES, named=NAMED)

    @router.get("/deidentify")
    def deidentify_page() -> str:
        return desk.page("research_deidentify.html", profiles=PROFILES)

    @router.post("/convert")
    async def convert(request: Request) -> Response:
        return await desk.begin(request, "Conversion to DICOM", desk.conversion)

    @router.post("/deidentify")
    async def deidentify(request: Request) -> Response:
        return await desk.begin(request, "De-identification", desk.deidentification)


def _outcomes(router: APIRouter, desk: "_Desk") -> None:
    @router.get("/tasks/{identifier}")
    def task_page(identifier: str) -> str:
        return render("research_task.html", task=desk.task(identifier))

    @router.get(f"/tasks/{{identifier}}/{CSV}")
    def mapping(identifier: str) -> FileResponse:
        path = desk.task(identifier).outcome.download
        if path is None or not path.is_file():
            raise HTTPException(404, "There is no mapping to download.")
        return FileResponse(path, media_type="text/csv", filename=CSV)


class _Desk:
    """What the pages share: the configuration, the token of their forms, and the work that was begun."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._token = secrets.token_urlsafe(24)
        self._tasks = Tasks(config.storage.path / "research")
        self._held = config.storage.path / "research-held"

    def page(self, name: str, **values: object) -> str:
        """A page with a form."""
        buttons = sorted({route.called_ae_title for route in self._config.routes})
        about = {"destinations": research_destinations(self._config), "buttons": buttons}
        return render(name, token=self._token, tasks=self._tasks.latest(), **about, **values)

    def task(self, identifier: str) -> Task:
        """The task, or the answer 404."""
        task = self._tasks.get(identifier)
        if task is None:
            raise HTTPException(404, "There is no such work any more.")
        return task

    async def begin(self, request: Request, name: str, plan: Begin) -> Response:
        """Take the form, begin the work, and lead to its page; or say what is wrong with the form."""
        check_length(request)
        async with request.form(max_files=MOST_FILES, max_fields=MOST_FIELDS) as form:
            check_token(Fields.of(form), self._token)
            return await run_in_threadpool(self._begin, form, name, plan)

    def _begin(self, form: FormData, name: str, plan: Begin) -> Response:
        try:
            task = self._tasks.new(name)
            try:
                work = plan(form, Fields.of(form), task)
            except BaseException:
                self._tasks.drop(task)
                raise
        except ExplainedError as error:
            sentence = f"{error} {error.hint}"
            return HTMLResponse(render("error.html", status=422, phrase="Not begun", sentence=sentence), 422)
        self._tasks.begin(task, work)
        return RedirectResponse(f"{PREFIX}/tasks/{task.id}", 303)

    def conversion(self, form: FormData, fields: Fields, task: Task) -> Work:
        """What the form of the conversion asks for.  Raises ExplainedError for what is wrong with it."""
        given = {keyword: fields.get(keyword) for keyword in NAMED} | _lines(fields.get("more"))
        options = ToDicom(fields.get("modality"), attributes(given))
        target = fields.target(self._config)
        upload = save(form, task.folder / "uploaded")
        if not upload.names and not upload.refused:
            raise WrongForm("Choose at least one file.")
        return Conversion(upload, options, target)

    def deidentification(self, form: FormData, fields: Fields, task: Task) -> Work:
        """What the form of the de-identification asks for.  Raises ExplainedError for what is wrong with it."""
        target = fields.target(self._config)
        profile = Profile.read(fields.get("profile") if fields.get("profile") in PROFILES else PROFILES[0])
        download = fields.get("mapping") == "download"
        csv = fields.path("csv", "The mapping as CSV") if fields.get("mapping") == "file" else None
        check_mapping(target, csv and outside(csv, self._config), task.folder)
        key_file, new = fields.path("key", "The key file"), bool(fields.get("new_key"))
        key = Key.new(key_file) if new and not key_file.exists() else Key.read(key_file)
        hold = fields.path("hold", "The folder for what is held back") if fields.get("hold") else None
        upload = save(form, task.folder / "uploaded")
        source = upload.folder if upload.names else _source(fields)
        return Deidentification(
            source,
            upload if upload.names else None,
            profile,
            key,
            outside(hold, self._config) if hold else self._held / task.id,
            target,
            csv,
            download,
        )


def _source(fields: Fields) -> Path:
    if not fields.get("source"):
        raise WrongForm("Choose files, or give a folder of this machine.")
    path = fields.path("source", "The folder of the originals")
    if not path.exists():
        raise MissingFolder(f"{path}")
    return path


def _lines(text: str) -> dict[str, str]:
    """Further attributes, one KEYWORD=VALUE a line."""
    found = {}
    for line in filter(str.strip, text.splitlines()):
        keyword, equals, value = line.partition("=")
        if not equals:
            raise WrongForm("Further attributes: write KEYWORD=VALUE, one a line.")
        found[keyword.strip()] = value.strip()
    return found
