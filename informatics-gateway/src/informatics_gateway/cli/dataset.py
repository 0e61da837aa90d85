# SPDX-License-Identifier: Apache-2.0
"""`gantry dataset`: build data sets of images, hand them to trainers, serve them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from ..config import DicomwebDestination, load
from ..errors import BadConfiguration
from .dataset_serve import serve_dataset
from .output import DEFAULT_CONFIG, ConfigOption, JsonOption, counted, interruptible, print_json, say, table

if TYPE_CHECKING:
    from imaging_data.dataset.build import BuildOptions, Fetcher
    from imaging_data.dataset.summary import Summary

app = typer.Typer(help="Build, export and serve data sets.", no_args_is_help=True)
app.command("serve")(serve_dataset)

STORE, DICOMWEB = "store:", "dicomweb:"
MOST_REASONS = 10


class NoSuchArchive(BadConfiguration):
    """There is no such archive."""

    hint = "Give `dicomweb:` and the name of a [[destination]] of kind dicomweb."


class Like(StrEnum):
    """Whose grey levels pictures have."""

    standard = "standard"
    ohif = "ohif"


class Form(StrEnum):
    """What a data set is handed over as."""

    monai = "monai"
    nnunet = "nnunet"
    coco = "coco"
    bids = "bids"
    parquet = "parquet"


@app.command()
def build(
    source: Annotated[
        str,
        typer.Argument(metavar="SOURCE", help="A folder; store: the gateway's; dicomweb:NAME an archive."),
    ],
    target: Annotated[Path, typer.Argument(metavar="TARGET", help="The data set's folder, new or its own.")],
    formats: Annotated[str, typer.Option("--format", help="png, nifti, or png,nifti.")] = "png",
    bits: Annotated[int, typer.Option(help="8 or 16, of a grey level.")] = 8,
    window: Annotated[
        str, typer.Option(help="first, a number, centre,width, an explanation, or all.")
    ] = "first",
    like: Annotated[Like, typer.Option(help="Grey levels by PS3.3, or as OHIF shows them.")] = Like.standard,
    split: Annotated[str, typer.Option(help="Shares of train, validation and test.")] = "70,15,15",
    seed: Annotated[int, typer.Option(help="Of the split.")] = 0,
    stratify_by: Annotated[
        str, typer.Option(metavar="KEYWORD|CSV", help="What each split has its share of.")
    ] = "",
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
) -> None:
    """Make a data set of every DICOM image in SOURCE: pictures, volumes and dataset.sqlite, split by patient.

    Run it again after it was ended, and it goes on; after images were added, and they are added.
    """
    from imaging_data.dataset.build import build as build_dataset

    options = _options(formats, bits, window, like, split, seed, stratify_by)
    with interruptible("What was made is kept."), _source(source, config) as images, _bars() as at:
        built = build_dataset(images, target, options, at)
    if json:
        print_json(asdict(built))
    else:
        _show(built, target)


@app.command()
def export(
    target: Annotated[Path, typer.Argument(metavar="TARGET", help="The data set's folder.")],
    output: Annotated[Path, typer.Argument(metavar="OUTPUT", help="What is made; it must not be there.")],
    form: Annotated[Form, typer.Option("--format", help="What trainer it is for.")],
    json: JsonOption = False,
) -> None:
    """Hand a data set over to a trainer: MONAI, nnU-Net v2, COCO, BIDS, or a Parquet table."""
    from imaging_data.dataset.export import export as export_dataset

    exported = export_dataset(target, output, form.value)
    if json:
        print_json(asdict(exported))
        return
    said = ", ".join(f"{count} {split}" for split, count in exported.cases.items())
    say(f"{output}: {said}.")
    for reason, count in exported.left_out.items():
        say(f"{count} series left out: {reason}")


def _options(
    formats: str, bits: int, window: str, like: Like, split: str, seed: int, stratify_by: str
) -> "BuildOptions":
    from imaging_data.dataset.build import BuildOptions
    from imaging_data.dataset.split import parse_shares
    from imaging_data.dataset.strata import Stratification
    from imaging_data.display import Options, Window

    wanted = set(formats.split(","))
    if not wanted <= {"png", "nifti"}:
        raise typer.BadParameter(f"{formats!r} is not png, nifti or png,nifti.", param_hint="--format")
    if bits not in (8, 16):
        raise typer.BadParameter(f"{bits} is neither 8 nor 16.", param_hint="--bits")
    try:
        shares = parse_shares(split)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--split") from error
    return BuildOptions(
        png="png" in wanted,
        nifti="nifti" in wanted,
        pictures=Options(window=Window.read(window), like=like.value, bits=8 if bits == 8 else 16),
        shares=shares,
        seed=seed,
        stratify_by=Stratification.read(stratify_by),
    )


@contextmanager
def _source(source: str, config: Path) -> "Iterator[Path | Fetcher]":
    """What SOURCE means.  Raises BadConfiguration and NoSuchArchive."""
    if source == STORE:
        yield load(config).storage.path / "instances"
    elif source.startswith(DICOMWEB):
        from ..destinations.dicomweb_source import DicomwebSource

        with DicomwebSource(_archive(source.removeprefix(DICOMWEB), config)) as fetcher:
            yield fetcher
    else:
        yield Path(source)


def _archive(name: str, config: Path) -> DicomwebDestination:
    for destination in load(config).destinations:
        if destination.name == name and isinstance(destination, DicomwebDestination):
            return destination
    raise NoSuchArchive(f"{config} has no [[destination]] {name!r} of kind dicomweb.")


@contextmanager
def _bars() -> Iterator[Callable[[str, int, int], None]]:
    """A bar for each stage, on a terminal; gives a way to move it."""
    console = Console(stderr=True)
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        tasks = {}

        def at(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = progress.add_task(stage, total=None)
            progress.update(tasks[stage], completed=done, total=total or None)

        yield at


def _show(built: "Summary", target: Path) -> None:
    columns = ("split", "patients", "studies", "series", "images")
    rows = [(name, *(found[column] for column in columns[1:])) for name, found in built.splits.items()]
    counts = built.counts
    table(
        str(target), columns, [*rows, ("all", counts.patients, counts.studies, counts.series, counts.images)]
    )
    say(
        f"{counted(counts.pictures, 'picture')}, {counted(built.volumes, 'volume')}; copies of another image:"
        f" {built.duplicates}, {built.across_splits} of them of one in another split."
    )
    for what, reasons in (
        ("files skipped", built.skipped),
        ("images without a picture", built.no_picture),
        ("series without a volume", built.no_volume),
    ):
        for reason, count in list(reasons.items())[:MOST_REASONS]:
            say(f"{count} {what}: {reason}")
        if len(reasons) > MOST_REASONS:
            say(f"{len(reasons) - MOST_REASONS} more reasons, in --json.")
