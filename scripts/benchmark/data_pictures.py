# SPDX-License-Identifier: Apache-2.0
"""CT slices as PNG: a data set built, our pictures on one core, and the loop over pydicom, numpy and Pillow."""

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from apps_volume import make_series
from contenders import Case, Contender, child, report
from pydicom import Dataset
from pydicom.uid import JPEG2000Lossless

SLICES, ROWS = 600, 512
QUICK_SLICES, QUICK_ROWS = 12, 64
CONTENDERS = {
    "ours": "gantry dataset build",
    "alone": "our pictures, one core",
    "loop": "pydicom, numpy, Pillow",
}


def cases(folder: Path, quick: bool) -> Iterator[Case]:
    """The slices uncompressed and in JPEG 2000 Lossless, each in the window that it says; every file is read.

    Ours is the whole of `gantry dataset build`: it also finds and hashes the files, writes the database, splits by
    patient and synchronises the disk.  `mb`: what the pictures take.
    """
    slices, rows = (QUICK_SLICES, QUICK_ROWS) if quick else (SLICES, ROWS)
    for syntax, write in (("uncompressed", _windowed), ("JPEG 2000", _jpeg_2000)):
        source = folder / syntax.replace(" ", "-")
        make_series(source, slices, rows, write)
        commands = [
            Contender(name, child(__file__, key, source, folder / f"{source.name}-{key}"))
            for key, name in CONTENDERS.items()
        ]
        yield Case(f"Series to PNG, {slices} slices of {rows} x {rows}, {syntax}", commands)


def _windowed(dataset: Dataset) -> None:
    dataset.WindowCenter, dataset.WindowWidth = -600, 1600  # lungs, so that the noise is seen


def _jpeg_2000(dataset: Dataset) -> None:
    _windowed(dataset)
    dataset.compress(JPEG2000Lossless, encoding_plugin="pylibjpeg", generate_instance_uid=False)


def ours(source: Path, target: Path) -> Callable[[], object]:
    """What `gantry dataset build` calls, with as many processes as there are cores."""
    from imaging_data.dataset.build import build

    return lambda: build(source, target)


def alone(source: Path, target: Path) -> Callable[[], object]:
    """`picture` and `write_png`, one file after the other."""
    from imaging_data.display import picture, write_png

    def make() -> None:
        target.mkdir(parents=True)
        for path in sorted(source.iterdir()):
            write_png(picture(path).array, target / f"{path.stem}.png")

    return make


def loop(source: Path, target: Path) -> Callable[[], object]:
    """As scripts for research do it: pixel_array, the window in numpy, Image.save."""
    import numpy as np
    from PIL import Image
    from pydicom import dcmread

    def make() -> None:
        target.mkdir(parents=True)
        for path in sorted(source.iterdir()):
            dataset = dcmread(path)
            centre, width = float(dataset.WindowCenter), float(dataset.WindowWidth)
            hu = dataset.pixel_array * float(dataset.RescaleSlope) + float(dataset.RescaleIntercept)
            grey = np.clip((hu - (centre - 0.5)) / (width - 1) + 0.5, 0, 1) * 255
            Image.fromarray(np.rint(grey).astype(np.uint8)).save(target / f"{path.stem}.png")

    return make


def main(key: str, source: Path, target: Path) -> None:
    """Make the pictures once, imports left out of the seconds, into a new folder."""
    target = target.with_name(f"{target.name}-{time.time_ns()}")
    make = {"ours": ours, "alone": alone, "loop": loop}[key](source, target)
    begin = time.perf_counter()
    make()
    seconds = time.perf_counter() - begin
    made = [path.stat().st_size for path in target.rglob("*.png")]
    report(seconds, pictures_per_s=round(len(made) / seconds, 1), mb=round(sum(made) / 1e6, 1))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
