# SPDX-License-Identifier: Apache-2.0
"""Plain pages to browse a data set: search, patients, studies, series, images and their pictures.

They show PatientIDs, as the data set holds them, so they are for loopback only.
"""

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import FileResponse, HTMLResponse, RedirectResponse

from ..templates import render
from .api import LONGEST_ID, After, AfterPatient, found, page, png
from .shelf import Shelf

PATH = "/dataset"
ON_A_PAGE, PICTURES_ON_A_PAGE = 50, 60
Id = Annotated[str, Query(max_length=LONGEST_ID)]
ALONE = ((PATH, "Data set"),)
Nav = dict[str, tuple[tuple[str, str], ...]]


def routes(shelf: Shelf, alone: bool = False) -> APIRouter:
    """The pages under /dataset; alone: nothing else is served, so / leads there."""
    router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
    nav: Nav = {"nav": ALONE} if alone else {}
    _overview(router, shelf, nav)
    _levels(router, shelf, nav)
    if alone:
        router.add_api_route("/", lambda: RedirectResponse(PATH, 303), response_class=RedirectResponse)

    @router.get(f"{PATH}/picture")
    def picture(id: Id) -> FileResponse:
        return png(shelf, shelf.database().picture(id))

    return router


def _overview(router: APIRouter, shelf: Shelf, nav: Nav) -> None:
    @router.get(PATH)
    def overview(q: Id = "", after: AfterPatient = None, split: str = "") -> str:
        database = shelf.database()
        what = {"counts": database.counts(), "splits": database.splits(), "q": q, "split": split}
        if q:
            series = database.search(q, after or "", ON_A_PAGE + 1)
            shown = page(series, ON_A_PAGE, lambda each: each.series_instance_uid)
            return render("dataset/patients.html", **what, series=shown, patients=None, after=after, **nav)
        patients = database.patients(after, ON_A_PAGE + 1, split)
        some = page(patients, ON_A_PAGE, lambda each: each.patient_id)
        return render("dataset/patients.html", **what, series=None, patients=some, after=after, **nav)


def _levels(router: APIRouter, shelf: Shelf, nav: Nav) -> None:
    @router.get(f"{PATH}/patient")
    def patient(id: Id, after: After = "") -> str:
        about = found(shelf.database().patient(id), "patient")
        studies = shelf.database().studies(id, after, ON_A_PAGE + 1)
        shown = page(studies, ON_A_PAGE, lambda each: each.study_instance_uid)
        return render("dataset/patient.html", patient=about, studies=shown, after=after, **nav)

    @router.get(f"{PATH}/study")
    def study(id: Id, after: After = "") -> str:
        about = found(shelf.database().study(id), "study")
        series = shelf.database().series_of(id, after, ON_A_PAGE + 1)
        shown = page(series, ON_A_PAGE, lambda each: each.series_instance_uid)
        return render("dataset/study.html", study=about, series=shown, after=after, **nav)

    @router.get(f"{PATH}/series")
    def one_series(id: Id, after: After = "") -> str:
        database = shelf.database()
        about = found(database.series(id), "series")
        images = page(
            database.images(id, after, PICTURES_ON_A_PAGE + 1),
            PICTURES_ON_A_PAGE,
            lambda each: each.sop_instance_uid,
        )
        pictures = {
            each.sop_instance_uid: database.pictures(each.sop_instance_uid, 1) for each in images.items
        }
        return render(
            "dataset/series.html", series=about, images=images, pictures=pictures, after=after, **nav
        )

    @router.get(f"{PATH}/image")
    def image(id: Id, after: After = "") -> str:
        about = found(shelf.database().image(id), "image")
        pictures = shelf.database().pictures(id, ON_A_PAGE + 1, after)
        shown = page(pictures, ON_A_PAGE, lambda each: each.stem)
        return render(
            "dataset/image.html", image=about, pictures=shown.items, after=after, next=shown.next, **nav
        )
