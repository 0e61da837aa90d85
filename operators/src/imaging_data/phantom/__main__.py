# SPDX-License-Identifier: Apache-2.0
"""The command behind scripts/make-phantom: writes a phantom's DICOM series and prints its truth."""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from . import LungTruth, Rendered, head, head_grid, thorax, thorax_grid, torso, torso_grid, write_series
from .files import POSITIONS
from .scene import Progress

BAR = 40


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit status: 0 done, 1 failed (wrong usage exits with 2)."""
    options = _parser().parse_args(arguments)
    if options.kind != "thorax" and (options.cut or options.unequal):
        _parser().error("--cut and --unequal are for --kind thorax")
    if options.out.exists() and (not options.out.is_dir() or any(options.out.iterdir())):
        print(f"{options.out} is not an empty folder: give an empty or a new one", file=sys.stderr)
        return 1
    rendered = _render(options, progress_bar if sys.stderr.isatty() else None)
    files = write_series(
        rendered,
        options.out,
        patient_id=options.patient_id,
        patient_position=options.position,
        padded=options.padded,
    )
    print(json.dumps(_report(options, rendered, len(files)), indent=2) if options.json else _table(rendered))
    if not options.json:
        print(f"{len(files)} instances in {options.out}")
    return 0


def progress_bar(part: float) -> None:
    """Draw the finished part, 0 to 1, over the last line of the terminal."""
    done = round(BAR * part)
    print(f"\r[{'#' * done}{' ' * (BAR - done)}] {part:4.0%}", end="\n" if part >= 1 else "", file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="make-phantom", description="Write a CT phantom as a DICOM series and print its true numbers."
    )
    add = parser.add_argument
    add("out", type=Path, metavar="OUT", help="an empty or new folder")
    add("--kind", choices=("thorax", "torso", "head"), default="thorax")
    add("--seed", type=int, default=1, help="another seed is another patient (default 1)")
    add("--slices", type=_positive, default=120)
    add("--rows", type=_positive, default=512, help="rows and columns (default 512)")
    add("--noise", type=float, default=20.0, metavar="HU", help="standard deviation of noise (default 20)")
    add("--unequal", action="store_true", help="a small left lung (thorax)")
    add("--cut", choices=("top", "bottom", "both"), default="", help="leave a part of the lungs out (thorax)")
    add("--position", choices=POSITIONS, default="HFS", help="PatientPosition (default HFS)")
    add("--padded", action="store_true", help="PixelPaddingValue outside the circle of reconstruction")
    add("--patient-id", default="PHANTOM", help="PatientID; another one makes other UIDs")
    add("--json", action="store_true", help="print the truth as JSON")
    return parser


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is less than 1")
    return number


def _render(options: argparse.Namespace, progress: Progress | None) -> Rendered:
    if options.kind == "head":
        scene, grid = head(options.seed), head_grid(options.slices, options.rows)
    elif options.kind == "torso":
        scene, grid = torso(options.seed), torso_grid(options.slices, options.rows)
    else:
        scene = thorax(options.seed, options.unequal)
        grid = thorax_grid(options.slices, options.rows, options.cut)
    return scene.render(grid, options.noise, options.seed, progress=progress)


def _report(options: argparse.Namespace, rendered: Rendered, instances: int) -> dict[str, object]:
    truth = {name: asdict(numbers) for name, numbers in rendered.truth.items()}
    complete = options.kind != "head" and not options.cut
    return {
        "kind": options.kind,
        "seed": options.seed,
        "folder": str(options.out),
        "instances": instances,
        "lungs_complete": complete,
        "truth": truth,
    }


def _table(rendered: Rendered) -> str:
    if not rendered.truth:
        return "no lungs"
    head = f"{'lung':<8}{'volume ml':>11}{'mean HU':>9}{'15th percentile HU':>20}{'LAA-950 %':>11}"
    return "\n".join([head, *(_line(name, truth) for name, truth in rendered.truth.items())])


def _line(name: str, truth: LungTruth) -> str:
    return (
        f"{name:<8}{truth.volume_ml:>11.1f}{truth.mean_hu:>9.1f}{truth.percentile_15_hu:>20.1f}"
        f"{truth.laa_950_percent:>11.2f}"
    )


if __name__ == "__main__":
    sys.exit(main())
