# SPDX-License-Identifier: Apache-2.0
"""`gantry deidentify`: DICOM without the patient, a search for what is left, and the way back with the key."""

import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from .output import JsonOption, counted, interruptible, print_json, say, table
from .waiting import counting_bar

if TYPE_CHECKING:
    from imaging_data.deidentify import Deidentified, Key
    from imaging_data.deidentify.verify import Verified

HELD = 3  # exit status
MOST_SHOWN = 20


class DefaultRun(TyperGroup):
    """A group of commands in which INPUT OUTPUT, without the name of a command, means `run`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put `run` in front of what is no command."""
        if args and args[0] not in self.commands and args[0] != "--help":
            args = ["run", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=DefaultRun, no_args_is_help=True, help="Take the patient out: `gantry deidentify INPUT OUTPUT`."
)
KeyOption = Annotated[Path, typer.Option("--key-file", metavar="FILE", help="32 secret bytes, mode 0600.")]
ProfileOption = Annotated[str, typer.Option("--profile", help="basic, research, or a TOML file of yours.")]
Original = Annotated[Path, typer.Argument(metavar="ORIGINAL", help="The originals: a folder or a file.")]
Result = Annotated[Path, typer.Argument(metavar="RESULT", help="What came out: a folder or a file.")]


@app.command()
def run(
    source: Annotated[Path, typer.Argument(metavar="INPUT", help="A DICOM file, or a folder of them.")],
    target: Annotated[Path, typer.Argument(metavar="OUTPUT", help="The folder for results.")],
    key_file: KeyOption,
    new_key: Annotated[bool, typer.Option("--new-key", help="Make the key file first.")] = False,
    hold: Annotated[Path | None, typer.Option(help="For what is held back; default OUTPUT-held.")] = None,
    profile: ProfileOption = "research",
    mapping: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Add who is who to this encrypted file.")
    ] = None,
    mapping_csv: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write who is who, readable, to this new file.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """De-identify INPUT into OUTPUT by PS3.15 Annex E.  `run` may be left out.

    Exit status 0: everything went out; 3: some files were held back, with the reason beside each.
    """
    from imaging_data.deidentify import Key, Mapping, Profile, deidentify_files
    from imaging_data.deidentify.mapping import check_places
    from imaging_data.deidentify.places import files_of

    chosen = Profile.read(profile)
    files_of(source)  # what is not there is said before a key is made
    check_places(target, mapping, mapping_csv, key_file)
    key = Key.new(key_file) if new_key else Key.read(key_file)
    if mapping is not None and mapping.exists():
        Mapping.read(mapping, key)  # refuses one of another key before anything is written
    with (
        interruptible("What is out is whole; the mapping is not written yet."),
        counting_bar("de-identifying") as at,
    ):
        done = deidentify_files(source, target, hold, chosen, key, at)
    _keep(done, key, mapping, mapping_csv)
    if json:
        print_json(_facts(done))
    else:
        _show(done)
    if done.held:
        sys.exit(HELD)


def _keep(done: "Deidentified", key: "Key", mapping: Path | None, mapping_csv: Path | None) -> None:
    if mapping is not None:
        done.mapping.save(mapping, key)
    if mapping_csv is not None:
        done.mapping.save_csv(mapping_csv)


def _facts(done: "Deidentified") -> dict[str, Any]:
    return {
        "out": len(done.out),
        "patients": len(done.mapping.patients),
        "held": [{"source": each.source, "path": each.path, "reason": each.reason} for each in done.held],
        "skipped": [{"source": each.source, "reason": each.reason} for each in done.skipped],
    }


def _show(done: "Deidentified") -> None:
    rows = [("out", len(done.out)), ("held back", len(done.held)), ("no DICOM instance", len(done.skipped))]
    table(counted(len(done.mapping.patients), "patient"), ("files", "count"), rows)
    for reason, count in Counter(each.reason for each in done.held).most_common(MOST_SHOWN):
        say(f"{count} held: {reason}")
    if done.held:
        say(f"What is held lies in {done.held[0].path.parent}, with the reason beside each file.")


@app.command()
def verify(
    original: Original,
    result: Result,
    key_file: Annotated[
        Path | None, typer.Option("--key-file", metavar="FILE", help="Compares each patient with their own.")
    ] = None,
    profile: Annotated[str, typer.Option("--profile", help="The one that was used.")] = "research",
    pixels: Annotated[bool, typer.Option("--pixels/--no-pixels", help="Read text in pixels, too.")] = True,
    json: JsonOption = False,
) -> None:
    """Search RESULT for anything of ORIGINAL: names, identifiers, dates, UIDs, private attributes, texts.

    Exit status 1: something was found.  Where it stands is said, never what.
    """
    from imaging_data.deidentify import Key, Profile
    from imaging_data.deidentify.pixels import words_in_pixels
    from imaging_data.deidentify.verify import Verification

    key = Key.read(key_file) if key_file else None
    verification = Verification(original, key, Profile.read(profile))
    with counting_bar("searching") as at:
        done = verification.run(result, words_in_pixels if pixels else None, at)
    if json:
        print_json(
            {
                "files": done.files,
                "findings": [vars(each) for each in done.findings],
                "not_searched": sorted(done.not_searched),
            }
        )
    else:
        _show_findings(done)
    if done.findings:
        sys.exit(1)


def _show_findings(done: "Verified") -> None:
    if done.findings:
        rows = [(each.path, each.place, each.kind) for each in done.findings[:MOST_SHOWN]]
        table(counted(len(done.findings), "finding"), ("file", "where", "what"), rows)
    else:
        say(f"Nothing of the originals was found in {counted(done.files, 'file')}.")
    for each in sorted(done.not_searched):
        say(f"Not searched: {each}.")


@app.command()
def reidentify(
    source: Annotated[Path, typer.Argument(metavar="INPUT", help="De-identified files, or made from them.")],
    target: Annotated[Path, typer.Argument(metavar="OUTPUT", help="The folder for the originals' names.")],
    key_file: KeyOption,
    mapping: Annotated[Path, typer.Option(metavar="FILE", help="What --mapping wrote.")],
    json: JsonOption = False,
) -> None:
    """Give INPUT its patients, UIDs and dates back.  What was removed stays removed.

    Exit status 1: a file's pseudonym is not in the mapping.
    """
    from imaging_data.deidentify import Key, Mapping
    from imaging_data.deidentify.reidentify import reidentify_files

    known = Mapping.read(mapping, Key.read(key_file))
    with counting_bar("re-identifying") as at:
        done = reidentify_files(source, target, known, at)
    if json:
        print_json({"out": len(done.paths), "unknown": done.unknown})
    else:
        say(
            f"Given back to their patients: {counted(len(done.paths), 'file')}; "
            f"with a pseudonym that is not known: {len(done.unknown)}."
        )
    if done.unknown:
        sys.exit(1)
