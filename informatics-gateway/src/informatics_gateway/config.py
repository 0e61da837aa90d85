# SPDX-License-Identifier: Apache-2.0
"""gantry.toml: read once, frozen, refused early with file, key and value."""

import json
import os
import tomllib
from datetime import time
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from imaging_data import SeriesRule

from .errors import BadConfiguration

AETitle = Annotated[
    str, Field(min_length=1, max_length=16, pattern=r"^[^\\\x00-\x1f]*[^\\\x00-\x20][^\\\x00-\x1f]*$")
]
Port = Annotated[int, Field(ge=1, le=65535)]
ListeningPort = Annotated[int, Field(ge=0, le=65535)]  # 0: a free one
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
ImageName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._/:-]*@sha256:[0-9a-f]{64}$")]
ProfileName = Annotated[str, Field(pattern=r"^[a-z0-9_.-]{1,64}$")]
PriorityName = Literal["urgent", "normal", "background"]
TimeOfDay = Annotated[str, Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]
HOW_TO_NAME_IT = (
    "Name it with --config or GANTRY_CONFIG; informatics-gateway/gantry.example.toml is one to begin with."
)
LOOPBACK = ("127.0.0.1", "::1", "localhost")


def _from_file_folder(path: Path, info: ValidationInfo) -> Path:
    folder: Path = (info.context or {}).get("folder", Path.cwd())
    return (folder / path).resolve()


class Section(BaseModel):
    """A table of the file: unknown keys, wrong types and later changes are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)


class Storage(Section):
    """Where instances, journal and job folders live; never a network file system."""

    path: Path = Field("data", validate_default=True)
    reserve_gb: float = Field(10, ge=0)

    resolve = field_validator("path")(_from_file_folder)


class Dicom(Section):
    """The listening AE.  `max_associations` and `max_instance_mb` bound what comes in."""

    host: str = "127.0.0.1"
    port: ListeningPort = 11112
    ae_title: AETitle = "GANTRY"
    max_associations: int = Field(50, ge=1)
    max_instance_mb: int = Field(2048, ge=1)
    idle_timeout_s: float = Field(60, gt=0)


class Assemble(Section):
    """`quiet_s`: how long a series that is not seen to be complete must be quiet."""

    quiet_s: float = Field(5, gt=0)


class Web(Section):
    """The status page.  Without a sign-in it answers on loopback only."""

    host: str = "127.0.0.1"
    port: Port = 8080

    @field_validator("host")
    @classmethod
    def loopback_only(cls, host: str) -> str:
        if host not in LOOPBACK and os.environ.get("GANTRY_IN_CONTAINER") != "1":
            raise ValueError("must be a loopback address: there is no sign-in yet")
        return host


class Deliver(Section):
    """How long a destination that is down is tried again, with growing waits."""

    retry_hours: float = Field(24, gt=0)


class Background(Section):
    """When jobs of priority "background" may start, as local time of day; over midnight when `to` is earlier."""

    from_: TimeOfDay = Field("00:00", alias="from")
    to: TimeOfDay = "00:00"

    def is_open(self, now: time) -> bool:
        """Whether a background job may start at this time of day; always, when both ends are the same."""
        begin, end = time.fromisoformat(self.from_), time.fromisoformat(self.to)
        if begin < end:
            return begin <= now < end
        return now >= begin or now < end

    @property
    def in_words(self) -> str:
        """From when to when, "" for always."""
        return "" if self.from_ == self.to else f"from {self.from_} to {self.to}"


class Gpu(Section):
    """`hottest_c`: a card of this temperature or above gets no new job.

    `cards`: UUIDs of the cards and MIG slices that may be used; all of them when left out.
    """

    hottest_c: int = Field(85, ge=1)
    cards: tuple[str, ...] = ()


class Ray(Section):
    """The cluster for apps of runner "ray": its address, or "auto" for the one that this machine is a node of.

    `token_file`: of its token, which is always asked for; without it Ray looks in its own places.
    """

    address: Annotated[str, Field(pattern=r"^(auto|[A-Za-z0-9.-]+:[0-9]{1,5})$")] = "auto"
    token_file: Path | None = None

    resolve = field_validator("token_file")(lambda path, info: path and _from_file_folder(path, info))


class Dataset(Section):
    """The data set that the gateway's web app shows: its folder, None for none."""

    path: Path | None = None

    resolve = field_validator("path")(lambda path, info: path and _from_file_folder(path, info))


class Source(Section):
    """Who may send; everybody else is refused.  `priority`: of all that it sends, whatever the route says."""

    ae_title: AETitle
    host: str
    priority: PriorityName | None = None

    @property
    def name(self) -> str:
        """How the source is named in the journal."""
        return f"{self.ae_title}@{self.host}"


class _Destination(Section):
    name: Name
    clinical: bool = True
    segmentation: Literal["binary", "labelmap"] = "binary"


class DicomwebDestination(_Destination):
    """STOW-RS to `url` (the root of the DICOMweb service, without a final slash)."""

    kind: Literal["dicomweb"]
    url: Annotated[str, Field(pattern=r"^https?://[^\s]+$")]
    username: str | None = None
    password_env: str | None = None
    password_file: Path | None = None
    token_env: str | None = None
    timeout_s: float = Field(60, gt=0)

    resolve = field_validator("password_file")(lambda path, info: path and _from_file_folder(path, info))

    @field_validator("url")
    @classmethod
    def no_final_slash(cls, url: str) -> str:
        return url.rstrip("/")

    @model_validator(mode="after")
    def one_secret(self) -> Self:
        if sum(key is not None for key in (self.password_env, self.password_file, self.token_env)) > 1:
            raise ValueError("give one of password_env, password_file, token_env")
        if (self.password_env or self.password_file) and not self.username:
            raise ValueError("a password needs a username")
        return self


class DimseDestination(_Destination):
    """C-STORE to an AE.  `proof`: how the archive proves that it has an object.

    "retrieve": C-GET and compare; "find": C-FIND at image level; "auto": the best of the two that the AE
    offers; "response": the C-STORE response is taken as proof, for an AE that offers neither.
    """

    kind: Literal["dimse"]
    host: str
    port: Port
    ae_title: AETitle
    proof: Literal["auto", "retrieve", "find", "response"] = "auto"
    timeout_s: float = Field(30, gt=0)


class FolderDestination(_Destination):
    """DICOM files in a folder."""

    kind: Literal["folder"]
    path: Path

    resolve = field_validator("path")(_from_file_folder)


Destination = Annotated[
    DicomwebDestination | DimseDestination | FolderDestination, Field(discriminator="kind")
]


class App(Section):
    """One AI tool, in a folder or an image by digest, how it is run, and its stage."""

    name: Name
    path: Path | None = None
    image: ImageName | None = None
    runner: Literal["process", "warm", "container", "ray"] = "process"  # of an image: "container"
    on_node: Literal["process", "warm", "container"] = "warm"  # of runner "ray": which one works on the node
    stage: Literal["draft", "shadow"] = "shadow"
    models: Path | None = (
        None  # the models folder; by default models/ in the app's folder, or the image's own
    )
    timeout_s: float | None = Field(None, gt=0)  # None: what the app declares
    memory_mb: int | None = Field(None, gt=0)
    gpu: Literal["required", "preferred", "none"] | None = None
    gpu_memory_mb: int | None = Field(None, gt=0)
    jobs_at_once: int = Field(1, ge=1, le=64)
    output_mb: int = Field(16384, gt=0)  # results and what else the app writes
    idle_s: float = Field(900, gt=0)  # a warm worker without work is stopped after this
    environment: dict[str, str] = {}

    resolve = field_validator("path", "models")(lambda path, info: path and _from_file_folder(path, info))

    @model_validator(mode="before")
    @classmethod
    def an_image_is_a_container(cls, given: Any) -> Any:
        return {"runner": "container"} | given if isinstance(given, dict) and "image" in given else given

    @model_validator(mode="after")
    def folder_or_image(self) -> Self:
        if (self.path is None) == (self.image is None):
            raise ValueError(f"{self.name}: give one of path and image")
        where = self.on_node if self.runner == "ray" else self.runner
        if self.image and where == "process":
            raise ValueError(f'{self.name}: an image is run by runner "container" or "warm"')
        if self.path and where == "container":
            raise ValueError(
                f'{self.name}: runner "container" needs an image; a folder is "process" or "warm"'
            )
        return self


class Route(Section):
    """Series that match go to this app, its results to these destinations.

    `profile`: in which of its profiles the app runs; None is its first one.  `priority`: None is "normal".
    """

    called_ae_title: AETitle
    app: Name
    profile: ProfileName | None = None
    priority: PriorityName | None = None
    destinations: tuple[Name, ...] = Field(min_length=1)
    series: SeriesRule = SeriesRule()

    @field_validator("series", mode="before")
    @classmethod
    def rule(cls, conditions: Any) -> SeriesRule:
        return conditions if isinstance(conditions, SeriesRule) else SeriesRule.from_config(conditions)

    @property
    def name(self) -> str:
        """How jobs refer to the route."""
        return "/".join(filter(None, (self.called_ae_title, self.app, self.profile)))


class Config(Section):
    """The whole file.  Build it with `load`."""

    # Validated like one that is written: its default path is relative to the file too.
    storage: Storage = Field(default_factory=dict, validate_default=True)
    dicom: Dicom = Dicom()
    assemble: Assemble = Assemble()
    deliver: Deliver = Deliver()
    web: Web = Web()
    gpu: Gpu = Gpu()
    background: Background = Background()
    ray: Ray = Ray()
    dataset: Dataset = Dataset()
    sources: tuple[Source, ...] = Field((), alias="source")
    destinations: tuple[Destination, ...] = Field((), alias="destination")
    apps: tuple[App, ...] = Field((), alias="app")
    routes: tuple[Route, ...] = Field((), alias="route")

    def app(self, name: str) -> App:
        """The app with this name, which must be there."""
        return next(app for app in self.apps if app.name == name)

    def destination(self, name: str) -> Destination:
        """The destination with this name, which must be there."""
        return next(destination for destination in self.destinations if destination.name == name)

    def priority(self, route: Route, source: str) -> PriorityName | None:
        """What the source says, else what the route says."""
        said = [each.priority for each in self.sources if each.name == source]
        return next(filter(None, (*said, route.priority)), None)

    def route(self, name: str) -> Route | None:
        """The route with this name, None when it was taken out of the file."""
        return next((route for route in self.routes if route.name == name), None)

    @model_validator(mode="after")
    def names_are_known(self) -> Self:
        for what, names in (
            ("source", [source.name for source in self.sources]),
            ("destination", [destination.name for destination in self.destinations]),
            ("app", [app.name for app in self.apps]),
            ("route", [route.name for route in self.routes]),
        ):
            twice = {name for name in names if names.count(name) > 1}
            if twice:
                raise ValueError(f"{what}: {', '.join(sorted(twice))} is there twice")
        for route in self.routes:
            self._check_route(route)
        self._check_profiles()
        return self

    def _check_profiles(self) -> None:
        """Without a name, which profile is run is not known here: it might be one that is named beside it."""
        buttons = [(route.called_ae_title, route.app) for route in self.routes]
        for route, button in zip(self.routes, buttons, strict=True):
            if route.profile is None and buttons.count(button) > 1:
                raise ValueError(f"route.profile: each of several routes {route.name} must name its profile")

    def _check_route(self, route: Route) -> None:
        if route.app not in {app.name for app in self.apps}:
            raise ValueError(f"route.app: {route.app!r} is not the name of an [[app]]")
        known = {destination.name: destination for destination in self.destinations}
        for name in route.destinations:
            if name not in known:
                raise ValueError(f"route.destinations: {name!r} is not the name of a [[destination]]")
            if known[name].clinical:
                raise ValueError(
                    f"route.destinations: {name!r} is clinical, and {route.app!r} is not promoted: "
                    "set clinical = false on an archive that is not used for care"
                )


def load(path: Path) -> Config:
    """Read and check `path`; relative paths in it are relative to its folder.

    Raises BadConfiguration, naming the file, the key and the value.
    """
    path = path.resolve()
    if not path.is_file():
        raise BadConfiguration(f"There is no file {path}.", hint=HOW_TO_NAME_IT)
    try:
        raw = tomllib.loads(path.read_text())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadConfiguration(f"{path}: {error}") from error
    try:
        # By way of JSON, strictly: a number in quotes is no number, while a text may be a path.
        text = json.dumps(raw, default=str)
        return Config.model_validate_json(text, strict=True, context={"folder": path.parent})
    except ValidationError as error:
        raise BadConfiguration("; ".join(_sentences(path, error))) from error


def _sentences(path: Path, error: ValidationError) -> list[str]:
    problems = [
        (
            ".".join(map(str, problem["loc"])) or "file",
            "there is no such key" if problem["type"] == "extra_forbidden" else problem["msg"],
            _shown(problem["input"]),
        )
        for problem in error.errors(include_url=False)
    ]
    return [f"{path}: {key}: {message} (value: {value})" for key, message, value in problems]


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
