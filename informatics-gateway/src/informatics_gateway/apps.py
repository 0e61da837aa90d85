# SPDX-License-Identifier: Apache-2.0
"""Apps in folders and in images: which there are, what one says of itself, whether its models are there."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from imaging_data.model_lock import FILE, BadModelLock, ModelFault, Models, read_lock

from .app_manifest import AppManifest, read_manifest
from .config import App, Route
from .errors import AppFailed, AppLacksModels, GantryError
from .foreign import Foreign, read_foreign
from .runners import BUNDLE, Layout, Limits, Program
from .runners.describe import describe
from .runners.engine import Image, find_engine

MANIFEST_LABEL = "org.gantry.manifest"
CONTEXT = "manifest.json"
SCRIPTS = ("app.py", "__main__.py", BUNDLE)


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
    def is_context(self) -> bool:
        """Whether it is what `scripts/package-app NAME --context` writes, which holds the app's own folder."""
        return (self.path / CONTEXT).is_file() and (self.path / "apps").is_dir()

    @property
    def source(self) -> Path:
        """The folder that the app's author wrote."""
        inner = sorted((self.path / "apps").iterdir()) if self.is_context else []
        return (inner[0] if inner else self.path).resolve()

    @property
    def models(self) -> Path:
        """Where its models are unless the configuration says otherwise."""
        return self.source / "models"

    @property
    def edition(self) -> int:
        """Changes when the script is written anew, or a file beside a bundle's metadata."""
        files = [self.script, *self.script.parent.glob("*")] if self.script.match(BUNDLE) else [self.script]
        return max(file.stat().st_mtime_ns for file in files)

    def manifest(self) -> AppManifest:
        """What the app says of itself.  Raises AppFailed, naming the field."""
        return read_manifest(describe(self.script), f"run `python {self.script} manifest`")

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
            return list(Models.of(self.source, models).faults(manifest.models, thorough))
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
        """What the app says of itself in the image's label or, of a MAP of others, in its app.json and pkg.json.

        Raises what `Engine.image` raises, and AppFailed.
        """
        labels = self.image().labels
        if MANIFEST_LABEL in labels:
            return read_manifest(labels[MANIFEST_LABEL], "make the image anew with scripts/package-app")
        return self.foreign().manifest

    def image(self) -> Image:
        """What the engine knows of it.  Raises what `Engine.image` raises."""
        return find_engine().image(self.reference, self.pull)

    @property
    def is_foreign(self) -> bool:
        """Whether it is a MAP that was not made by scripts/package-app."""
        return MANIFEST_LABEL not in self.image().labels

    def foreign(self) -> Foreign:
        """What a MAP of others says.  Raises AppFailed when it is none."""
        found = read_foreign(self.image(), self.name)
        if found is None:
            raise AppFailed(
                f"{self.reference} has no label {MANIFEST_LABEL} and no app.json of a MAP.",
                "Make it with scripts/package-app or `monai-deploy package`.",
            )
        return found

    def program(self, manifest: AppManifest, models: Path | None = None) -> Program:
        """What a runner needs to start the app.  Raises ImageUnavailable, and what else `Engine.image` raises."""
        foreign = self.foreign() if self.is_foreign else None
        layout, environment = (foreign.layout, foreign.environment) if foreign else (Layout(), {})
        needs, models = manifest.needs, (models or layout.models).absolute()
        limits = Limits(needs.timeout_s, needs.memory_mb)
        image = self.image().id
        return Program(
            self.name, Path(), models, limits, needs.cpu, image=image, layout=layout, environment=environment
        )

    def model_faults(self, manifest: AppManifest, models: Path, thorough: bool = False) -> list[ModelFault]:
        """None: an image's models are a part of its digest."""
        return []


def app_of(app: App, pull: bool = False) -> AppFolder | AppImage:
    """The folder or the image of a configured app; `pull`: an image is fetched when it is not here."""
    return AppImage(app.image, pull) if app.image else AppFolder(app.path or Path())


def check_foreign(app: App, routes: Sequence[Route]) -> None:
    """A MAP of others has no worker, and does not say on which series it works.  Raises AppFailed."""
    key, where = ("on_node", app.on_node) if app.runner == "ray" else ("runner", app.runner)
    if where == "warm":
        raise AppFailed(f"{app.image} is a MAP of others, without a worker.", f'Say {key} = "container".')
    if any(route.app == app.name and not route.series.to_config() for route in routes):
        raise AppFailed(
            f"{app.image} is a MAP of others, which does not say on which series it works.",
            "Give `series` of its [[route]].",
        )


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
