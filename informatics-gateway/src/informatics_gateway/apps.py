# SPDX-License-Identifier: Apache-2.0
"""Apps in folders and in images: which there are, what one says of itself, whether its models are there."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from imaging_data import SeriesRule
from imaging_data.model_lock import FILE, BadModelLock, ModelFault, Models, is_model_name, read_lock

from .config import App
from .errors import AppFailed, AppLacksModels, GantryError, NoSuchProfile
from .runners import BUNDLE, Layout, Limits, Program
from .runners.describe import describe
from .runners.engine import find_engine

MANIFEST_LABEL = "org.gantry.manifest"
SCRIPTS = ("app.py", "__main__.py", BUNDLE)
ProfileName = Annotated[str, Field(pattern=r"^[a-z0-9_.-]{1,64}$")]


def _model_name(name: str) -> str:
    if not is_model_name(name):
        raise ValueError("must be a path within the models folder")
    return name


ModelName = Annotated[str, Field(max_length=1024), AfterValidator(_model_name)]


class Needs(BaseModel):
    """What the app asks for: threads (0: any), MB, seconds; `gpu`: "" where `gpu_memory_mb` says it."""

    model_config = ConfigDict(frozen=True)

    cpu: int = Field(ge=0)
    memory_mb: int = Field(gt=0)
    gpu_memory_mb: int = Field(ge=0)
    timeout_s: float = Field(gt=0)
    gpu: Literal["required", "preferred", "none", ""] = ""

    @property
    def gpu_use(self) -> Literal["required", "preferred", "none"]:
        """Whether a job gets a GPU: one that asks for memory and says no more cannot do without."""
        return self.gpu or ("required" if self.gpu_memory_mb else "none")


class AppManifest(BaseModel):
    """What `python app.py manifest` prints (docs/map-contract.md)."""

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    name: str = Field(min_length=1, max_length=64)
    version: str = Field(min_length=1)
    creator: str
    digest: str = Field(min_length=1)
    series: SeriesRule
    needs: Needs
    models: tuple[ModelName, ...]
    profiles: dict[ProfileName, dict[str, Any]] = {}  # the first is the default
    cheaper: dict[ProfileName, ProfileName] = {}  # which profile takes less GPU memory than this one

    @field_validator("series", mode="before")
    @classmethod
    def rule(cls, conditions: Any) -> SeriesRule:
        return SeriesRule.from_config(conditions)

    @model_validator(mode="after")
    def cheaper_profiles_are_there(self) -> Self:
        """Refuse a profile that is not there, and a chain that never ends."""
        names = list(self.profiles)
        for profile, cheaper in self.cheaper.items():
            if profile not in names or cheaper not in names:
                raise ValueError(f"cheaper: {profile!r} and {cheaper!r} must be profiles")
            if cheaper in self.cheaper:
                raise ValueError(f"cheaper: {cheaper!r} is itself replaced; name the cheapest at once")
        return self

    def cheaper_than(self, profile: str) -> str:
        """The profile for a job that ran out of GPU memory in this one ("": the default), "" for none."""
        return self.cheaper.get(profile or next(iter(self.profiles), ""), "")

    def check_profile(self, name: str) -> None:
        """Raise NoSuchProfile when the app has no profile of this name; "" is its default one."""
        if name and name not in self.profiles:
            there = ", ".join(self.profiles) or "none"
            raise NoSuchProfile(f"{self.name} has not {name!r} but: {there}.")

    def but_with(self, **needs: float | str) -> "AppManifest":
        """The same with other needs."""
        return self.model_copy(update={"needs": self.needs.model_copy(update=needs)})


@dataclass(frozen=True)
class AppFolder:
    """The folder of one app; its name is what `gantry apps` and `scripts/fetch-models` call it by."""

    path: Path

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.path.resolve().name

    @property
    def place(self) -> Path:
        """Where it is."""
        return self.path

    @property
    def script(self) -> Path:
        """The file that is run; of a MONAI bundle, its metadata.  Raises AppFailed when there is none."""
        for name in SCRIPTS:
            if (self.path / name).is_file():
                return self.path.resolve() / name
        raise AppFailed(f"{self.path} has no {' or '.join(SCRIPTS)}.", "Give the folder of an app.")

    @property
    def models(self) -> Path:
        """Where its models are unless the configuration says otherwise."""
        return self.path.resolve() / "models"

    @property
    def edition(self) -> int:
        """Changes when the script is written anew, or a file beside a bundle's metadata."""
        files = [self.script, *self.script.parent.glob("*")] if self.script.match(BUNDLE) else [self.script]
        return max(file.stat().st_mtime_ns for file in files)

    def manifest(self) -> AppManifest:
        """What the app says of itself.  Raises AppFailed, naming the field."""
        return _manifest(describe(self.script), f"run `python {self.script} manifest`")

    def program(self, manifest: AppManifest, models: Path | None = None) -> Program:
        """What a runner needs to start the app, with what it declares.

        Raises AppLacksModels, naming the command that mends it, when a model is missing or has another size
        than its model.lock says.  The app itself looks at the hash before it loads one.
        """
        models = (models or self.models).absolute()  # the app runs in a folder of its own
        faults = self.model_faults(manifest, models)
        if faults:
            raise AppLacksModels(in_words(faults, models), f"Run `scripts/fetch-models {self.name}`.")
        needs = manifest.needs
        limits = Limits(needs.timeout_s, needs.memory_mb)
        return Program(self.name, self.script, models, limits, needs.cpu, edition=self.edition)

    def model_faults(self, manifest: AppManifest, models: Path, thorough: bool = False) -> list[ModelFault]:
        """Which of its model files in the folder `models` cannot be used; `thorough`: by hash, not by size.

        Raises AppFailed for a model.lock that is not as agreed.
        """
        try:
            return list(Models.of(self.path, models).faults(manifest.models, thorough))
        except BadModelLock as error:
            raise AppFailed(str(error), error.hint) from error


@dataclass(frozen=True)
class AppImage:
    """An app in an image, by digest (`name@sha256:...`), which is never run to learn what it is.

    `pull`: whether an image that is not here is fetched from its registry.
    """

    reference: str
    pull: bool = False

    @property
    def name(self) -> str:
        """The last part of the image's name."""
        return self.reference.partition("@")[0].rpartition("/")[2]

    @property
    def place(self) -> str:
        """Where it is."""
        return self.reference

    @property
    def edition(self) -> int:
        """A digest stands for one content."""
        return 0

    @property
    def models(self) -> Path:
        """Where its models are in a container of it."""
        return Layout().models

    def manifest(self) -> AppManifest:
        """What the app says of itself in the image's label.  Raises what `Engine.image` raises, and AppFailed."""
        labels = find_engine().image(self.reference, self.pull).labels
        if MANIFEST_LABEL not in labels:
            raise AppFailed(
                f"{self.reference} has no label {MANIFEST_LABEL}, so it is no image of an app of ours.",
                "Make it with scripts/package-app.",
            )
        return _manifest(labels[MANIFEST_LABEL], "make the image anew with scripts/package-app")

    def program(self, manifest: AppManifest, models: Path | None = None) -> Program:
        """What a runner needs to start the app.  Raises ImageUnavailable, and what else `Engine.image` raises."""
        image = find_engine().image(self.reference, self.pull).id
        limits, models = Limits(manifest.needs.timeout_s, manifest.needs.memory_mb), models or self.models
        return Program(self.name, Path(), models.absolute(), limits, manifest.needs.cpu, image=image)

    def model_faults(self, manifest: AppManifest, models: Path, thorough: bool = False) -> list[ModelFault]:
        """None: an image's models are a part of its digest."""
        return []


def app_of(app: App, pull: bool = False) -> AppFolder | AppImage:
    """The folder or the image of a configured app; `pull`: an image is fetched when it is not here."""
    return AppImage(app.image, pull) if app.image else AppFolder(app.path or Path())


def _manifest(text: str, how_to_look: str) -> AppManifest:
    try:
        return AppManifest.model_validate_json(text)
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, problem["loc"])) or "it"
        raise AppFailed(
            f"Its manifest is not as agreed: {where}: {problem['msg']}.",
            f"See docs/map-contract.md, and {how_to_look}.",
        ) from error


def find_apps(folder: Path) -> list[AppFolder]:
    """The app folders directly in `folder`, by name."""
    if not folder.is_dir():
        return []
    return [
        AppFolder(path)
        for path in sorted(folder.iterdir())
        if any((path / name).is_file() for name in SCRIPTS)
    ]


def find_app(name: str, apps: Path) -> AppFolder:
    """The app called `name`: the name of a folder in `apps`, the name an app there gives itself, or a path.

    Raises AppFailed, listing what there is.
    """
    found = find_apps(apps)
    by_folder = [app for app in found if app.name == name]
    if by_folder:
        return by_folder[0]
    if any((Path(name) / script).is_file() for script in SCRIPTS):
        return AppFolder(Path(name))
    for app in found:
        if app.manifest().name == name:
            return app
    there = ", ".join(app.name for app in found) or "none"
    raise AppFailed(
        f"There is no app {name!r}. In {apps} there is: {there}.", "Give one of these names, or a path."
    )


def find_tool(name: str, apps: Path) -> AppFolder | AppImage:
    """The app called `name`, as `find_app` finds it, or an image, by its tag (`name:tag`) or by digest.

    Raises AppFailed, EngineUnavailable, ImageUnavailable.
    """
    if ":" not in name or Path(name).exists():
        return find_app(name, apps)
    return AppImage(name if "@" in name else find_engine().digest(name))


def find_images() -> list[AppImage]:
    """The images of apps of ours that are on this machine, by digest.  Raises EngineUnavailable."""
    engine = find_engine()
    return [AppImage(engine.digest(each)) for each in engine.images_with(MANIFEST_LABEL)]


def in_words(faults: Sequence[ModelFault], models: Path) -> str:
    """What is wrong with model files in the folder `models`, in sentences."""
    missing = [fault.name for fault in faults if fault.kind == "missing"]
    wrong = [fault.sentence for fault in faults if fault.kind != "missing"]
    return " ".join([*([f"Missing in {models}: {', '.join(missing)}."] if missing else []), *wrong])


def without_models(apps: Sequence[App]) -> Iterator[tuple[str, str]]:
    """Name and reason of each configured app whose job would fail for want of its models, with what to do.

    Only an app whose model.lock names models is asked what it loads: starting one takes a second.
    """
    for app in apps:
        folder = app_of(app)
        try:
            if app.path is None or read_lock(app.path / FILE):
                folder.program(folder.manifest(), app.models)
        except (GantryError, BadModelLock) as error:
            yield app.name, f"{error} {error.hint}"
