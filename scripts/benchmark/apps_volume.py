# SPDX-License-Identifier: Apache-2.0
"""A CT series as a volume: ours, the SDK's operators, SimpleITK, dicom2nifti; as a program, one of them."""

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from contenders import Case, Contender, child, peak_mb, report
from pydicom import Dataset, dcmread
from pydicom.uid import JPEG2000Lossless

from imaging_data.phantom import thorax, thorax_grid, write_series

SLICES, ROWS = 300, 512
QUICK_SLICES, QUICK_ROWS = 12, 64
COPIES = 10  # slices that are rendered; the others repeat them, since only their coding and number count
CONTENDERS = {
    "ours": "Gantry",
    "sdk": "MONAI Deploy SDK",
    "simpleitk": "SimpleITK",
    "dicom2nifti": "dicom2nifti",
}


def cases(folder: Path, quick: bool) -> Iterator[Case]:
    """The series uncompressed and in JPEG 2000 Lossless; every contender reads every file."""
    slices, rows = (QUICK_SLICES, QUICK_ROWS) if quick else (SLICES, ROWS)
    for syntax, write in (("uncompressed", _as_it_is), ("JPEG 2000", _jpeg_2000)):
        place = folder / syntax.replace(" ", "-")
        make_series(place, slices, rows, write)
        commands = [Contender(name, child(__file__, key, place)) for key, name in CONTENDERS.items()]
        yield Case(f"Series to volume, {slices} slices of {rows} x {rows}, {syntax}", commands)


def make_series(folder: Path, slices: int, rows: int, write: Callable[[Dataset], None]) -> None:
    """A phantom's thorax in `slices` files, its images repeated."""
    rendered = thorax(seed=1).render(thorax_grid(min(slices, COPIES), rows), seed=1)
    sources = [dcmread(path) for path in write_series(rendered, folder)]
    for path in folder.iterdir():
        path.unlink()
    for dataset in sources:
        write(dataset)
    uid = sources[0].SOPInstanceUID
    x, y, _ = sources[0].ImagePositionPatient
    for number in range(slices):
        dataset = sources[number % len(sources)]
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = f"{uid[:50]}.{number + 1}"
        dataset.InstanceNumber = number + 1
        dataset.ImagePositionPatient = [x, y, number * float(dataset.SliceThickness)]
        dataset.save_as(folder / f"{number:05}.dcm", enforce_file_format=True)


def _as_it_is(dataset: Dataset) -> None:
    """Explicit VR Little Endian, as the phantom is written."""


def _jpeg_2000(dataset: Dataset) -> None:
    dataset.compress(JPEG2000Lossless, encoding_plugin="pylibjpeg", generate_instance_uid=False)


def ours(folder: Path) -> Callable[[], Any]:
    """find_instances and read_volume, with the hash of every byte."""
    from imaging_data import find_instances, read_volume

    return lambda: read_volume(find_instances(folder).series[0]).array


def sdk(folder: Path) -> Callable[[], Any]:
    """The three operators at the head of the SDK's own apps, called as their compute() calls them."""
    from monai.deploy.core import Fragment
    from monai.deploy.operators import (
        DICOMDataLoaderOperator,
        DICOMSeriesSelectorOperator,
        DICOMSeriesToVolumeOperator,
    )

    fragment = Fragment()
    loader = DICOMDataLoaderOperator(fragment, input_folder=folder, name="loader")
    selector = DICOMSeriesSelectorOperator(fragment, name="selector")
    to_volume = DICOMSeriesToVolumeOperator(fragment, name="volume")

    def convert() -> Any:
        studies = loader.load_data_to_studies(folder)
        return to_volume.convert_to_image(selector.filter(None, studies)).asnumpy()

    return convert


def simpleitk(folder: Path) -> Callable[[], Any]:
    """ImageSeriesReader on the files in GDCM's order, as a float32 image."""
    import SimpleITK

    held = []  # the view does not keep its image alive

    def convert() -> Any:
        reader = SimpleITK.ImageSeriesReader()
        reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder)))
        reader.SetOutputPixelType(SimpleITK.sitkFloat32)
        held.append(reader.Execute())
        return SimpleITK.GetArrayViewFromImage(held[-1])

    return convert


def dicom2nifti(folder: Path) -> Callable[[], Any]:
    """dicom_series_to_nifti without its reorientation and without a file: the image stays in memory."""
    from dicom2nifti.convert_dicom import dicom_series_to_nifti

    return lambda: dicom_series_to_nifti(folder, None, reorient_nifti=False)["NII"].dataobj


def main(key: str, folder: Path) -> None:
    """Convert once, imports left out of the seconds; memory over what the imports hold, in volumes."""
    convert = {"ours": ours, "sdk": sdk, "simpleitk": simpleitk, "dicom2nifti": dicom2nifti}[key](folder)
    imported = peak_mb()
    begin, cpu = time.perf_counter(), time.process_time()
    array = np.asarray(convert())
    seconds, cpu = time.perf_counter() - begin, time.process_time() - cpu
    volume_mb = array.size * 4 / (1 << 20)
    report(
        seconds,
        cpu_s=round(cpu, 3),
        peak_in_volumes=round((peak_mb() - imported) / volume_mb, 2),
        mean=float(array.mean()),
    )


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
