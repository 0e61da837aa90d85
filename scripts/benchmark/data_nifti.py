# SPDX-License-Identifier: Apache-2.0
"""A CT series as NIfTI: ours, dcm2niix, SimpleITK; as a program, one of those that are Python."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from apps_volume import QUICK_ROWS, QUICK_SLICES, ROWS, SLICES, make_series
from contenders import Case, Contender, child, report
from pydicom import Dataset
from pydicom.uid import JPEG2000Lossless

DCM2NIIX = shutil.which("dcm2niix", path=Path(sys.executable).parent) or "dcm2niix"


def cases(folder: Path, quick: bool) -> Iterator[Case]:
    """Uncompressed and JPEG 2000 Lossless to `.nii`, and to `.nii.gz`; every contender reads every file.

    The seconds of Python's are those of the conversion, without the interpreter and its imports; `process s` has
    them.  Those of dcm2niix are its whole process.
    """
    slices, rows = (QUICK_SLICES, QUICK_ROWS) if quick else (SLICES, ROWS)
    for syntax, write in (("uncompressed", None), ("JPEG 2000", _jpeg_2000)):
        source = folder / syntax.replace(" ", "-")
        make_series(source, slices, rows, write or (lambda dataset: None))
        for ending in ("nii", "nii.gz") if write is None else ("nii",):
            name = f"Series to .{ending}, {slices} slices of {rows} x {rows}, {syntax}"
            yield Case(name, _contenders(source, folder, ending))


def _contenders(source: Path, folder: Path, ending: str) -> list[Contender]:
    python = {"ours": "Gantry", "simpleitk": "SimpleITK"}
    ours, itk = (
        Contender(name, child(__file__, key, source, folder / f"{key}.{ending}"))
        for key, name in python.items()
    )
    peer = child(__file__, "dcm2niix", source, folder / f"peer.{ending}")
    return [ours, Contender("dcm2niix", peer), itk]


def _jpeg_2000(dataset: Dataset) -> None:
    dataset.compress(JPEG2000Lossless, encoding_plugin="pylibjpeg", generate_instance_uid=False)


def ours(source: Path, target: Path) -> Callable[[], object]:
    """What `gantry convert` calls: the file is synchronised to the disk before it gets its name."""
    from imaging_data.convert import convert_from_dicom

    return lambda: convert_from_dicom(source, target)


def simpleitk(source: Path, target: Path) -> Callable[[], object]:
    """ImageSeriesReader on the files in GDCM's order, and its writer."""
    import SimpleITK

    def convert() -> None:
        reader = SimpleITK.ImageSeriesReader()
        reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(source)))
        SimpleITK.WriteImage(reader.Execute(), str(target), target.name.endswith(".gz"))

    return convert


def dcm2niix(source: Path, target: Path) -> Callable[[], object]:
    """Its process; with `-z y` it deflates by pigz where that is installed."""
    stem = target.name.partition(".")[0]
    packed = "y" if target.name.endswith(".gz") else "n"
    command = [DCM2NIIX, "-b", "n", "-z", packed, "-f", stem, "-o", target.parent, source]
    return lambda: subprocess.run(command, check=True, capture_output=True)


def main(key: str, source: Path, target: Path) -> None:
    """Convert once, and take the output away again."""
    convert = {"ours": ours, "simpleitk": simpleitk, "dcm2niix": dcm2niix}[key](source, target)
    begin, cpu = time.perf_counter(), sum(os.times()[:4])  # with those of dcm2niix, its child
    convert()
    seconds, cpu = time.perf_counter() - begin, sum(os.times()[:4]) - cpu
    size = target.stat().st_size
    target.unlink()
    report(seconds, cpu_s=round(cpu, 3), output_mb=round(size / (1 << 20), 1))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
