# SPDX-License-Identifier: Apache-2.0
"""Answers for what cannot be answered: plain sentences that repeat nothing of what was asked."""

from http import HTTPStatus

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from imaging_data.dataset import DatasetError

from .guard import HEADERS
from .templates import render

MACHINES = ("/api", "/healthz", "/readyz")


def install(app: FastAPI) -> None:
    """Replace the framework's own answers: JSON for programs, a page for people."""
    app.exception_handler(HTTPException)(_http_error)
    app.exception_handler(RequestValidationError)(_bad_value)
    app.exception_handler(DatasetError)(_no_dataset)
    app.exception_handler(Exception)(_fault)


async def _http_error(request: Request, error: HTTPException) -> Response:
    return _answer(request, error.status_code, str(error.detail), dict(error.headers or {}))


async def _bad_value(request: Request, error: RequestValidationError) -> Response:
    names = sorted({str(problem["loc"][-1]) for problem in error.errors()})
    return _answer(request, 422, f"Not a value that can be asked for: {', '.join(names)}.", {})


async def _no_dataset(request: Request, error: DatasetError) -> Response:
    return _answer(request, 503, f"{error} {error.hint}", {})


async def _fault(request: Request, _: Exception) -> Response:
    """The server logs the trace and calls this outside Guard, so the headers are set here.

    It closes the connection afterwards, which the answer says: else the next question on it may be lost.
    """
    sentence = "A fault in Gantry itself; the log of `gantry serve` holds the trace."
    return _answer(request, 500, sentence, {**HEADERS, "Connection": "close"})


def _answer(request: Request, status: int, sentence: str, headers: dict[str, str]) -> Response:
    if request.url.path.startswith(MACHINES):
        return JSONResponse({"detail": sentence}, status, headers)
    page = render("error.html", status=status, phrase=HTTPStatus(status).phrase, sentence=sentence)
    return HTMLResponse(page, status, headers)
