# SPDX-License-Identifier: Apache-2.0
"""The REST of a data set, under /api/dataset: patients, studies, series, images, and their pictures.

An id is a PatientID or a DICOM UID, percent-encoded; a fixed word such as `count` wins over an id.
"""

from collections.abc import Callable, Sequence
from typing import Annotated, Generic, TypeVar
from urllib.parse import unquote

from fastapi import APIRouter, HTTPException, Path, Query
from fastapi.responses import FileResponse
from pydantic import AfterValidator, BaseModel

from imaging_data.dataset import (
    Counts,
    Database,
    ImageRecord,
    PatientRecord,
    PictureRecord,
    SeriesRecord,
    StudyRecord,
)

from ..answers import MISTAKES, VERSION
from .shelf import Shelf

PREFIX = "/api/dataset"
LONGEST_ID = 1024
MOST = 1000  # records on a page
T = TypeVar("T")
Id = Annotated[
    str, Path(max_length=LONGEST_ID, description="PatientID or DICOM UID."), AfterValidator(unquote)
]
After = Annotated[str, Query(max_length=LONGEST_ID, description="`next` of the page before.")]
AfterPatient = Annotated[str | None, Query(max_length=LONGEST_ID, description="`next`, which may be empty.")]
Limit = Annotated[int, Query(ge=1, le=MOST, description="At most this many records.")]


class Page(BaseModel, Generic[T]):
    """Some records.  `next` is `after` of the page that follows, null on the last one."""

    items: list[T]
    next: str | None


class Welcome(BaseModel):
    """What answers at the root."""

    message: str
    version: str
    counts: Counts


class Count(BaseModel):
    """How many there are."""

    count: int


class PatientCounts(BaseModel):
    """How many a patient has of each."""

    studies: int
    series: int
    images: int


class ImageInfo(BaseModel):
    """Attributes of the image of a picture, as texts; null where absent."""

    InstanceNumber: str | None
    PatientID: str | None
    RescaleIntercept: str | None
    RescaleSlope: str | None
    SeriesDescription: str | None
    StudyDescription: str | None
    WindowCenter: str | None
    WindowWidth: str | None


def page(items: Sequence[T], limit: int, key: Callable[[T], str]) -> Page[T]:
    """The first `limit` of `limit` + 1 records that were asked for."""
    shown = list(items[:limit])
    return Page(items=shown, next=key(shown[-1]) if len(items) > limit else None)


def found(record: T | None, what: str) -> T:
    """The record, or the answer 404."""
    if record is None:
        raise HTTPException(404, f"There is no such {what} in this data set.")
    return record


def follows(record: Callable[[str], object | None], after: str) -> str:
    """`after`, or the answer 422 where `record` knows none of that name: its page would be the first one again."""
    if after and record(after) is None:
        raise HTTPException(422, "`after` is not the `next` of a page before.")
    return after


def routes(shelf: Shelf) -> APIRouter:
    """Everything under /api/dataset; fixed words come before ids."""
    router = APIRouter(prefix=PREFIX, tags=["data set"], responses=MISTAKES)
    _root(router, shelf)
    _counts(router, shelf)
    _lists(router, shelf)
    _records(router, shelf)
    _below(router, shelf)
    _pictures(router, shelf)
    return router


def _root(router: APIRouter, shelf: Shelf) -> None:
    @router.get("", include_in_schema=False)
    @router.get("/")
    def welcome() -> Welcome:
        """A welcome, and how much there is."""
        message = "Welcome to this data set: /patients, /studies, /series, /images, /imageinfo, /search."
        return Welcome(message=message, version=VERSION, counts=shelf.database().counts())


def _counts(router: APIRouter, shelf: Shelf) -> None:
    @router.get("/patients/count")
    def patient_count() -> Count:
        """How many patients."""
        return Count(count=shelf.database().counts().patients)

    @router.get("/studies/count")
    def study_count() -> Count:
        """How many studies."""
        return Count(count=shelf.database().counts().studies)

    @router.get("/series/count")
    def series_count() -> Count:
        """How many series."""
        return Count(count=shelf.database().counts().series)

    @router.get("/images/count")
    def image_count() -> Count:
        """How many images."""
        return Count(count=shelf.database().counts().images)


def _lists(router: APIRouter, shelf: Shelf) -> None:
    @router.get("/patients")
    def patients(after: AfterPatient = None, limit: Limit = 100, split: str = "") -> Page[PatientRecord]:
        """Patients, in the order in which they were added; `split`: train, validation or test."""
        database = shelf.database()
        follows(database.patient, after or "")
        return page(database.patients(after, limit + 1, split), limit, lambda patient: patient.patient_id)

    @router.get("/studies")
    def studies(after: After = "", limit: Limit = 100) -> Page[StudyRecord]:
        """All studies."""
        return _studies(shelf.database(), None, after, limit)

    @router.get("/series")
    def series(after: After = "", limit: Limit = 100) -> Page[SeriesRecord]:
        """All series."""
        return _series(shelf.database(), None, after, limit)

    @router.get("/search")
    def search(
        q: Annotated[str, Query(max_length=LONGEST_ID)] = "", after: After = "", limit: Limit = 100
    ) -> Page[SeriesRecord]:
        """Series in which every word of `q` begins a word of PatientID, descriptions or Modality; or a UID."""
        database = shelf.database()
        series = database.search(q, follows(database.series, after), limit + 1)
        return page(series, limit, lambda each: each.series_instance_uid)


def _studies(database: Database, patient: str | None, after: str, limit: int) -> Page[StudyRecord]:
    studies = database.studies(patient, follows(database.study, after), limit + 1)
    return page(studies, limit, lambda each: each.study_instance_uid)


def _series(database: Database, study: str | None, after: str, limit: int) -> Page[SeriesRecord]:
    series = database.series_of(study, follows(database.series, after), limit + 1)
    return page(series, limit, lambda each: each.series_instance_uid)


def _records(router: APIRouter, shelf: Shelf) -> None:
    @router.get("/patients/{id}")
    def patient(id: Id) -> PatientRecord:
        """One patient, with its counts and split."""
        return found(shelf.database().patient(id), "patient")

    @router.get("/studies/{id}")
    def study(id: Id) -> StudyRecord:
        """One study."""
        return found(shelf.database().study(id), "study")

    @router.get("/series/{id}")
    def one_series(id: Id) -> SeriesRecord:
        """One series."""
        return found(shelf.database().series(id), "series")

    @router.get("/images/{id}")
    def image(id: Id) -> ImageRecord:
        """One image, an SOP instance."""
        return found(shelf.database().image(id), "image")

    @router.get("/imageinfo/{filename}")
    def image_info(filename: Id) -> ImageInfo:
        """What the image of a picture says of itself; `filename` is the picture's name without its ending."""
        return ImageInfo(**found(shelf.database().image_info(filename), "picture"))


def _below(router: APIRouter, shelf: Shelf) -> None:
    @router.get("/patients/{id}/studycount")
    def studies_of_patient(id: Id) -> Count:
        """How many studies the patient has."""
        return Count(count=patient(id).studies)

    @router.get("/patients/{id}/seriescount")
    def series_of_patient(id: Id) -> Count:
        """How many series the patient has."""
        return Count(count=patient(id).series)

    @router.get("/patients/{id}/imagecount")
    def images_of_patient(id: Id) -> Count:
        """How many images the patient has."""
        return Count(count=patient(id).images)

    @router.get("/patients/{id}/counts")
    def counts_of_patient(id: Id) -> PatientCounts:
        """How many studies, series and images the patient has."""
        about = patient(id)
        return PatientCounts(studies=about.studies, series=about.series, images=about.images)

    @router.get("/patients/{id}/studies")
    def studies(id: Id, after: After = "", limit: Limit = 100) -> Page[StudyRecord]:
        """The patient's studies."""
        patient(id)
        return _studies(shelf.database(), id, after, limit)

    @router.get("/studies/{id}/series")
    def series(id: Id, after: After = "", limit: Limit = 100) -> Page[SeriesRecord]:
        """The study's series."""
        found(shelf.database().study(id), "study")
        return _series(shelf.database(), id, after, limit)

    @router.get("/series/{id}/images")
    def images(id: Id, after: After = "", limit: Limit = 100) -> Page[ImageRecord]:
        """The series' images, by InstanceNumber."""
        database = shelf.database()
        found(database.series(id), "series")
        images = database.images(id, follows(database.image, after), limit + 1)
        return page(images, limit, lambda each: each.sop_instance_uid)

    def patient(id: str) -> PatientRecord:
        return found(shelf.database().patient(id), "patient")


def _pictures(router: APIRouter, shelf: Shelf) -> None:
    @router.get("/images/{id}/pictures")
    def pictures(id: Id, after: After = "", limit: Limit = 100) -> list[PictureRecord]:
        """The image's pictures, one for each frame and window, with every parameter they were made with.

        `after`: the `stem` of the last one of the answer before.
        """
        database = shelf.database()
        found(database.image(id), "image")
        return database.pictures(id, limit, follows(database.picture, after))

    @router.get("/images/{id}/picture", response_class=FileResponse)
    def picture(id: Id, number: Annotated[int, Query(ge=1, le=MOST)] = 1) -> FileResponse:
        """The image's picture itself as PNG; `number`: which of several, from 1."""
        made = shelf.database().pictures(id, number)
        return png(shelf, made[number - 1] if len(made) >= number else None)

    @router.get("/pictures/{filename}", response_class=FileResponse)
    def picture_by_name(filename: Id) -> FileResponse:
        """A picture as PNG by its name without the ending."""
        return png(shelf, shelf.database().picture(filename))


def png(shelf: Shelf, picture: PictureRecord | None) -> FileResponse:
    """The picture's file, or the answer 404."""
    return FileResponse(shelf.file(found(picture, "picture")), media_type="image/png")
