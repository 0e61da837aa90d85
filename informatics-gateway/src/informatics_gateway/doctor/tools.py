# SPDX-License-Identifier: Apache-2.0
"""The apps: that each is there, says what it is, has its models and a button."""

from collections.abc import Iterator, Sequence

from ..app_manifest import AppManifest
from ..apps import AppFolder, AppImage, app_of, check_foreign, in_words
from ..config import App, Config, Route
from ..errors import GantryError, ImageUnavailable
from ..runners.engine import find_engine, is_in_registry
from .check import Check, fail, failed, ok, warn


def tools(config: Config) -> Iterator[Check]:
    """The checks of every [[app]], and that a [[route]] leads to it."""
    if not config.apps:
        yield warn("apps", "There is no app.", "Add an [[app]] and a [[route]] to it.")
    if any(app.image for app in config.apps):
        yield _engine()
    for app in config.apps:
        routes = [route for route in config.routes if route.app == app.name]
        yield _app(app, routes)
        if not routes:
            hint = f'Add a [[route]] with app = "{app.name}".'
            yield warn(f"app {app.name}", "No button leads to it.", hint)


def _engine() -> Check:
    try:
        engine = find_engine()
        engine.call("info")
    except GantryError as error:
        return failed("container engine", error)
    return ok("container engine", f"{engine.path} ({engine.kind}) answers.")


def _app(app: App, routes: Sequence[Route]) -> Check:
    name = f"app {app.name}"
    if app.path and not app.path.is_dir():
        return fail(name, f"There is no folder {app.path}.", "Correct `path` of this [[app]].")
    folder = app_of(app)
    try:
        manifest = folder.manifest()
        for route in routes:
            manifest.check_profile(route.profile or "")
        if isinstance(folder, AppImage) and folder.is_foreign:
            check_foreign(app, routes)
        return _models(name, app, folder, manifest)
    except ImageUnavailable as error:
        if app.image and is_in_registry(app.image):
            return warn(name, str(error), "It is fetched for the first job; `podman pull` does it before.")
        return failed(name, error)
    except GantryError as error:
        return failed(name, error)


def _models(name: str, app: App, folder: AppFolder | AppImage, manifest: AppManifest) -> Check:
    models = app.models or folder.models
    faults = folder.model_faults(manifest, models, thorough=True)
    if faults:
        hint = f"Run `scripts/fetch-models {folder.name}`, or correct `models` of this [[app]]."
        return fail(name, in_words(faults, models), hint)
    has = (
        f"its {len(manifest.models)} model files are as they should be"
        if manifest.models
        else "it needs no model files"
    )
    return ok(name, f"{manifest.name} {manifest.version}, runner {app.runner}, stage {app.stage}; {has}.")
