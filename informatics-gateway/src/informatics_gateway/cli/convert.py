# SPDX-License-Identifier: Apache-2.0
"""`gantry convert`: files of other formats to DICOM, and DICOM to them; the output's ending says which."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

import typer

from imaging_data import ImagingDataError

from ..config import Destination, load
from ..sending import Sent, send
from ..sending.addressee import find_destination, to_button
from .output import DEFAULT_CONFIG, ConfigOption, JsonOption, counted, print_json, say
from .send import ToOption, show_sent
from .waiting import counting_bar

if TYPE_CHECKING:
    from imaging_data.convert.attributes import Attributes
    from imaging_data.convert.converted import Converted
    from imaging_data.convert.grids import Affine

MOST_SHOWN = 20
DICOM = ".dcm"
SEGMENTATION = "SEG"
FROM_DICOM, TO_DICOM, TO_SEGMENTATION = "from DICOM", "to DICOM", "to a segmentation"
DIRECTIONS = {  # in which a parameter counts; the others do in all
    **dict.fromkeys(("given", "table", "slices", "spacing", "affine", "overwrite"), (TO_DICOM,)),
    **dict.fromkeys(("modality", "template", "to", "button"), (TO_DICOM, TO_SEGMENTATION)),
    **dict.fromkeys(("each_segment", "reference", "window", "bits", "like"), (FROM_DICOM,)),
    **dict.fromkeys(("segments", "labelmap"), (TO_SEGMENTATION,)),
    "resample": (FROM_DICOM, TO_SEGMENTATION),
}
Where = tuple[Destination, str]  # and the AE title that calls it
Work = Callable[[Path, Path, Callable[[int, int], None]], "Converted"]


class CannotConvert(ImagingDataError):
    """A file cannot be read or written."""

    hint = "See whether there is space on the disk, and whether you may read the one and write the other."


def convert(
    context: typer.Context,
    source: Annotated[Path, typer.Argument(metavar="INPUT", help="A file, or a folder tree of them.")],
    output: Annotated[
        Path | None,
        typer.Argument(
            metavar="OUTPUT",
            help="Its ending is the format: .nii .nii.gz .npy .nrrd .mha .png, .dcm; none: a folder of DICOM.",
        ),
    ] = None,
    modality: Annotated[
        str, typer.Option(help="To DICOM: CT, MR or PT for volumes, any for pictures, SEG for labels.")
    ] = "",
    given: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEYWORD=VALUE", help="An attribute; several times.")
    ] = None,
    table: Annotated[
        Path | None, typer.Option(metavar="CSV", help="Attributes: a column `file`, others are keywords.")
    ] = None,
    template: Annotated[
        Path | None, typer.Option(metavar="DICOM", help="Take patient and study from it; for SEG its series.")
    ] = None,
    slices: Annotated[
        bool, typer.Option("--slices", help="The pictures of a folder are the slices of one series.")
    ] = False,
    spacing: Annotated[
        str, typer.Option(metavar="'SLICE ROW COLUMN'", help="mm, for axial arrays and --slices.")
    ] = "",
    affine: Annotated[
        Path | None, typer.Option(metavar="FILE", help="4 x 4 numbers: LPS mm of (slice, row, column).")
    ] = None,
    segments: Annotated[
        Path | None, typer.Option(metavar="JSON", help="SEG: what the numbers of a label map mean.")
    ] = None,
    labelmap: Annotated[
        bool, typer.Option("--labelmap", help="SEG: as Label Map Segmentation, which is smaller.")
    ] = False,
    each_segment: Annotated[
        bool, typer.Option("--each-segment", help="From SEG: a file for each segment.")
    ] = False,
    reference: Annotated[
        Path | None, typer.Option(metavar="DICOM", help="From RTSTRUCT: the series that it was drawn on.")
    ] = None,
    resample: Annotated[
        bool, typer.Option("--resample", help="Onto a regular grid, or that of the series.")
    ] = False,
    window: Annotated[str, typer.Option(help=".png: first, a number, or centre,width.")] = "first",
    bits: Annotated[Literal["8", "16"], typer.Option(help=".png: of a grey level.")] = "8",
    like: Annotated[
        Literal["standard", "ohif"], typer.Option(help=".png: by the Standard, or as OHIF shows it.")
    ] = "standard",
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace DICOM files that are there.")
    ] = False,
    to: ToOption = None,
    button: Annotated[
        str | None, typer.Option("--button", metavar="AE_TITLE", help="Send to a button of this gateway.")
    ] = None,
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
) -> None:
    """Convert INPUT to OUTPUT: pictures, volumes and labels to DICOM, or DICOM to volumes and pictures.

    With --to or --button what became DICOM is sent, and OUTPUT may be left out.
    """
    direction = _direction(output, modality)
    _check_options(context, direction)
    if direction == FROM_DICOM:
        work = _from_dicom(reference, each_segment, resample, _Shown(window, bits, like))
        where = None
    elif direction == TO_SEGMENTATION:
        work = _to_segmentation(template, segments, "labelmap" if labelmap else "binary", resample)
        where = _where(to, button, config)
    else:
        attributes = _Given(given or [], table, template)
        work = _to_dicom(modality, attributes, _affine(affine, spacing), slices, overwrite)
        where = _where(to, button, config)
    if output is None and where is None:
        raise typer.BadParameter("give OUTPUT, --to or --button", param_hint="OUTPUT")
    with _folder(output) as target, counting_bar(source.name) as at:
        try:
            converted = work(source, target, at)
        except OSError as error:
            said = error.strerror or str(error).partition("\n")[0]  # pydicom adds a traceback
            raise CannotConvert(f"{said}.") from error
        sent = send([target], where[0], at, where[1]) if where else None
    _report(converted, output, sent, json)
    raise typer.Exit(0 if sent is None or sent.complete else 1)


def _direction(output: Path | None, modality: str) -> str:
    """DICOM is asked for by a folder, a file that ends in `.dcm`, or nothing but where to send it.

    Raises UnknownFormat for an ending that is none.
    """
    if output is None or output.suffix.lower() in ("", DICOM) or output.is_dir():
        return TO_SEGMENTATION if modality == SEGMENTATION else TO_DICOM
    from imaging_data.convert.from_dicom.volumes import ENDINGS, ending_of

    ending_of(output, (*ENDINGS, ".png"))
    return FROM_DICOM


def _check_options(context: typer.Context, direction: str) -> None:
    """Raises BadParameter for an option that would do nothing."""
    for parameter in context.command.params:
        source = context.get_parameter_source(parameter.name or "")
        directions = DIRECTIONS.get(parameter.name or "", ())
        if directions and direction not in directions and source is not None and source.name == "COMMANDLINE":
            raise typer.BadParameter(f"does nothing {direction}", param_hint=parameter.opts[0])


@contextmanager
def _folder(output: Path | None) -> Iterator[Path]:
    """OUTPUT, or a folder that is there while its content is sent."""
    if output is not None:
        yield output
    else:
        with tempfile.TemporaryDirectory(prefix="gantry-convert-") as scratch:
            yield Path(scratch) / "dicom"


def _where(to: str | None, button: str | None, config: Path) -> Where | None:
    """Raises NoSuchDestination, NoSuchButton and BadConfiguration before anything is converted."""
    if to is not None and button is not None:
        raise typer.BadParameter("give one of --to and --button", param_hint="--to")
    if button is not None:
        return to_button(button, load(config))
    return None if to is None else find_destination(to, config)


class _Shown(NamedTuple):
    """How pictures are wanted, as the command line says it."""

    window: str
    bits: Literal["8", "16"]
    like: Literal["standard", "ohif"]


def _from_dicom(reference: Path | None, each_segment: bool, resample: bool, shown: _Shown) -> Work:
    from imaging_data.convert import FromDicom, convert_from_dicom
    from imaging_data.display import Options, Window

    if shown.like == "ohif" and shown.bits != "8":
        raise typer.BadParameter("what OHIF shows has 8 bits", param_hint="--bits")
    display = Options(Window.read(shown.window), shown.like, bits=8 if shown.bits == "8" else 16)
    options = FromDicom(reference, each_segment, resample, display)
    return lambda source, target, at: convert_from_dicom(source, target, options, at)


def _to_segmentation(
    template: Path | None, segments: Path | None, kind: Literal["binary", "labelmap"], resample: bool
) -> Work:
    from imaging_data.convert import ToSegmentation, labels_to_seg

    if template is None:
        raise typer.BadParameter("SEG needs the series that the labels belong to", param_hint="--template")
    options = ToSegmentation(kind, segments, resample)
    return lambda source, target, at: labels_to_seg(source, template, target, options)


@dataclass(frozen=True)
class _Given:
    """What the command line says of patient and study."""

    pairs: list[str]
    table: Path | None
    template: Path | None

    def attributes(self) -> "Attributes":
        """The template's, and instead of them what --set says."""
        from imaging_data.convert.attributes import Attributes

        pairs = [pair.partition("=") for pair in self.pairs]
        if not all(separator for _, separator, _ in pairs):
            raise typer.BadParameter("it is KEYWORD=VALUE", param_hint="--set")
        first = Attributes.from_template(self.template) if self.template else Attributes()
        return first.updated(Attributes.of({keyword: value for keyword, _, value in pairs}))


def _to_dicom(modality: str, given: _Given, affine: "Affine | None", slices: bool, overwrite: bool) -> Work:
    from imaging_data.convert import ToDicom, convert_to_dicom
    from imaging_data.convert.attributes import read_table

    if not modality:
        raise typer.BadParameter("pictures and volumes to DICOM need one", param_hint="--modality")
    rows = read_table(given.table) if given.table else None
    options = ToDicom(modality, given.attributes(), rows, slices, affine, overwrite)
    return lambda source, target, at: convert_to_dicom(source, target, options, at)


def _affine(path: Path | None, spacing: str) -> "Affine | None":
    """Raises BadParameter for what is no 4 x 4 numbers, or no three above 0."""
    import numpy as np

    try:
        if path is not None:
            return np.loadtxt(path, np.float64, max_rows=5).reshape(4, 4)
        if not spacing:
            return None
        between, rows, columns = map(float, spacing.replace(",", " ").split())
    except (ValueError, OSError) as error:
        hint = "--affine" if path else "--spacing"
        raise typer.BadParameter("it is 16 numbers in a file, or 3 of them", param_hint=hint) from error
    if not 0 < min(between, rows, columns) < float("inf"):
        raise typer.BadParameter("each is above 0", param_hint="--spacing")
    affine = np.eye(4)
    affine[:3, :3] = np.diag([columns, rows, between])[:, ::-1]
    return affine


def _report(converted: "Converted", output: Path | None, sent: Sent | None, json: bool) -> None:
    if json:
        parts = {name: [asdict(one) for one in getattr(converted, name)] for name in ("series", "skipped")}
        about_sending = None if sent is None else asdict(sent) | {"complete": sent.complete}
        files = [str(path) for path in converted.files] if output is not None else []
        print_json(parts | {"files": files, "notes": converted.notes, "sent": about_sending})
        return
    where = "" if output is None else f" in {output}"
    skipped = f"; {len(converted.skipped)} skipped" if converted.skipped else ""
    say(f"{len(converted.series)} series, {counted(len(converted.files), 'file')}{where}{skipped}.")
    for each in converted.skipped[:MOST_SHOWN]:
        say(f"Skipped {each.name}: {each.reason}")
    for note in converted.notes[:MOST_SHOWN]:
        say(note)
    if sent is not None:
        show_sent(sent)
