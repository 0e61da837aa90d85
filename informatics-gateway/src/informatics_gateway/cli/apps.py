# SPDX-License-Identifier: Apache-2.0
"""`gantry apps`: which there are, whether they keep their contract, one run by hand; pause and resume.

Only pause and resume need a configuration; with one, `list` says what is paused.
"""

import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer

from ..apps import AppFolder, AppImage, find_apps, find_images, find_tool
from ..config import load
from ..control import ask
from ..errors import AppFailed, GantryError
from ..store import Journal
from ..store.journal import FILE_NAME
from .declared import Check
from .output import DEFAULT_CONFIG, ConfigOption, JsonOption, counted, print_json, say, table
from .trial import Trial, run_by_hand, with_gpu
from .waiting import spinner, step_bar

app = typer.Typer(help="List, check, run, pause and resume apps.", no_args_is_help=True)
AppsOption = Annotated[Path, typer.Option("--apps", help="The folder of the apps.")]
ModelsOption = Annotated[
    Path | None, typer.Option("--models", help="The models folder, if not the app's own.")
]
ProfileOption = Annotated[
    str, typer.Option("--profile", metavar="NAME", help="One of the app's profiles, if not its first.")
]
AppArgument = Annotated[
    str, typer.Argument(metavar="APP", help="An app's name, the path of its folder, or an image: name:tag.")
]
ImagesOption = Annotated[bool, typer.Option("--images", help="Also the images of apps on this machine.")]
ConfiguredApp = Annotated[str, typer.Argument(metavar="NAME", help=r"The name of an [\[app]].")]
OptionalConfig = Annotated[
    Path | None,
    typer.Option("--config", envvar="GANTRY_CONFIG", help="Says which are paused.", dir_okay=False),
]
DEFAULT_APPS = Path("apps")


@app.command("list")
def list_apps(
    apps: AppsOption = DEFAULT_APPS,
    models: ModelsOption = None,
    images: ImagesOption = False,
    config: OptionalConfig = None,
    json: JsonOption = False,
) -> None:
    """The apps of a folder.  Exit status 1: one of them cannot say what it is.

    --models may be one folder, or hold a folder for each app by its name.
    """
    if not apps.is_dir():
        raise AppFailed(f"There is no folder {apps}.", "Go to Gantry's folder, or give --apps DIR.")
    paused = _paused(config) if config else {}
    described = [
        _describe(folder, models) | {"paused": paused.get(folder.path.resolve(), [])}
        for folder in find_apps(apps)
    ]
    if images:
        described += [_describe(image, None) | {"paused": []} for image in find_images()]
    if json:
        print_json(described)
    else:
        columns = (
            "name",
            "version",
            "models",
            *(("paused",) if config else ()),
            "profiles",
            "series",
            "path",
        )
        rows = [[each[key] for key in columns] for each in map(_in_words, described)]
        table(counted(len(described), "app"), columns, rows)
        for each in described:
            if each["error"]:
                say(f"{each['path']}: {each['error']}")
    raise typer.Exit(1 if any(each["error"] for each in described) else 0)


def _in_words(described: dict[str, Any]) -> dict[str, Any]:
    rule = described["series"] or {}
    series = ", ".join(f"{keyword} {wanted}" for keyword, wanted in rule.items())
    words = {
        "series": series,
        "profiles": ", ".join(described["profiles"] or ()),
        "paused": ", ".join(described["paused"]),
    }
    return {key: "" if value is None else value for key, value in described.items()} | words


def _paused(config: Path) -> dict[Path, list[str]]:
    """The names of paused [[app]] tables, by the folder of the app."""
    settings = load(config)
    if not (settings.storage.path / FILE_NAME).exists():
        return {}
    with Journal(settings.storage.path) as journal:
        paused = journal.paused()
    found: dict[Path, list[str]] = {}
    for each in settings.apps:
        if each.path and each.name in paused:
            found.setdefault(each.path, []).append(each.name)
    return found


def _models_of(folder: AppFolder | AppImage, models: Path | None) -> Path:
    own = models and models / folder.name
    return (own if own and own.is_dir() else models) or folder.models


def _describe(folder: AppFolder | AppImage, models: Path | None) -> dict[str, Any]:
    try:
        manifest = folder.manifest()
        faults = folder.model_faults(manifest, _models_of(folder, models), thorough=True)
    except GantryError as error:
        unknown = dict.fromkeys(
            ("version", "creator", "digest", "models", "missing", "wrong", "profiles", "series", "needs")
        )
        return {"name": folder.name, "path": folder.place, "error": str(error)} | unknown
    by_kind = {kind: [fault.name for fault in faults if fault.kind == kind] for kind in ("missing", "wrong")}
    return {
        "name": manifest.name,
        "version": manifest.version,
        "path": folder.place,
        "models": next((kind for kind, names in by_kind.items() if names), "ready"),
        **by_kind,
        "creator": manifest.creator,
        "digest": manifest.digest,
        "series": manifest.series.to_config(),
        "profiles": manifest.profiles,
        "needs": manifest.needs.model_dump(),
        "error": "",
    }


@app.command("run")
def run_app(
    name: AppArgument,
    source: Annotated[Path, typer.Argument(metavar="INPUT", exists=True, file_okay=False)],
    output: Annotated[Path, typer.Argument(metavar="OUTPUT", file_okay=False)],
    apps: AppsOption = DEFAULT_APPS,
    models: ModelsOption = None,
    profile: ProfileOption = "",
    json: JsonOption = False,
) -> None:
    """Run APP once on the DICOM files in INPUT.  OUTPUT, for its results, must be new or empty."""
    folder = find_tool(name, apps)
    manifest = folder.manifest()
    manifest.check_profile(profile)
    program = with_gpu(folder.program(manifest, models), manifest)
    with step_bar(folder.name) as at:
        trial = run_by_hand(program, source, output, profile, at)
    if json:
        print_json(_as_json(trial))
    else:
        _show(trial)


def _as_json(trial: Trial) -> dict[str, Any]:
    return trial.results.model_dump(mode="json") | {
        "output": trial.output,
        "instances": trial.instances,
        "skipped": trial.skipped,
        "wall_s": round(trial.wall_s, 3),
    }


def _show(trial: Trial) -> None:
    results = trial.results
    skipped = f"; skipped what is not DICOM: {counted(trial.skipped, 'file')}" if trial.skipped else ""
    profile = f", profile {results.app.profile}," if results.app.profile else ""
    say(
        f"{results.app.name} {results.app.version}{profile} ran on {counted(trial.instances, 'instance')}{skipped}."
    )
    rows = [(each.kind, each.sop_instance_uid, each.file) for each in results.results]
    table(f"results in {trial.output}", ("kind", "SOPInstanceUID", "file"), rows)
    if results.measurements:
        numbers = [
            (each.name, each.site or "", f"{each.value:.6g}", each.unit) for each in results.measurements
        ]
        table("measurements", ("name", "site", "value", "unit"), numbers)
    for sentence in (*results.findings, *results.notes):
        say(sentence)
    parts = ", ".join(f"{name.removesuffix('_s')} {seconds:.2f} s" for name, seconds in results.times.items())
    say(f"It took {trial.wall_s:.2f} s in all on {results.device or 'an unnamed device'}: {parts}.")


@app.command("check")
def check(
    name: AppArgument,
    case: Annotated[
        list[Path] | None, typer.Option("--case", exists=True, file_okay=False, help="DICOM; two or none.")
    ] = None,
    apps: AppsOption = DEFAULT_APPS,
    models: ModelsOption = None,
    json: JsonOption = False,
) -> None:
    """See whether APP keeps docs/map-contract.md, and run it on two cases, A, B, A cold and warm.

    The cases are those of --case, else those in sample/ of the app, else phantoms.
    """
    if case and len(case) != 2:
        raise typer.BadParameter(
            "give two cases of different patients: --case A --case B", param_hint="--case"
        )
    folder = find_tool(name, apps)
    from .contract import check_app

    with tempfile.TemporaryDirectory(prefix="gantry-") as work, spinner(f"checking {folder.name}") as tell:
        checks = []
        for each in check_app(folder, models, case or (), Path(work)):
            checks.append(each)
            tell(f"checking {folder.name}: {each.name}")
    if json:
        print_json(
            [
                {"check": each.name, "passed": _passed(each), "cause": each.broken or each.unchecked}
                for each in checks
            ]
        )
    else:
        _show_checks(folder, checks)
    raise typer.Exit(1 if any(each.broken for each in checks) else 0)


def _passed(check: Check) -> bool | None:
    """None: it was not looked at."""
    if check.broken:
        return False
    return None if check.unchecked else True


def _show_checks(folder: AppFolder | AppImage, checks: list[Check]) -> None:
    words = {True: "passed", False: "failed", None: "not checked"}
    rows = [(words[_passed(each)], each.name, each.broken or each.unchecked) for each in checks]
    table(f"{folder.name} and docs/map-contract.md", ("", "check", "cause"), rows)
    broken = [each for each in checks if each.broken]
    say(
        f"{folder.name}: {broken[0].name}: {broken[0].broken}"
        if broken
        else f"{folder.name} keeps the contract."
    )


@app.command()
def pause(name: ConfiguredApp, config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Start no further job of an app until it is resumed, across restarts; what runs goes on."""
    say(ask(load(config).storage.path, "pause", app=name))


@app.command()
def resume(name: ConfiguredApp, config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Let a paused app's jobs start again."""
    say(ask(load(config).storage.path, "unpause", app=name))
