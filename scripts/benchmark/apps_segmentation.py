# SPDX-License-Identifier: Apache-2.0
"""Many organs as a DICOM SEG: ours, the SDK's writer, highdicom, dcmqi; as a program, one of them.

From a labelmap in memory to a file; what is read before (headers, labelmap) is left out, except for dcmqi, a
program that reads both itself.  Ours has the guard in it, which reads back every frame it wrote.
"""

import hashlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from apps_volume import make_series
from contenders import Case, Contender, child, report
from numpy.typing import NDArray
from pydicom import Dataset, dcmread
from pydicom.sr.codedict import codes

ORGANS, SLICES, ROWS = 104, 300, 512
QUICK_ORGANS, QUICK_SLICES, QUICK_ROWS = 5, 12, 64
LABELMAP, BINARY = "LABELMAP", "BINARY"
CONTENDERS = {  # by kind: ours first
    LABELMAP: {
        "ours-labelmap": "Gantry",
        "sdk": "MONAI Deploy SDK (BINARY)",
        "highdicom-labelmap": "highdicom, RLE",
        "dcmqi-labelmap": "dcmqi, deflated",
    },
    BINARY: {
        "ours-binary": "Gantry",
        "highdicom": "highdicom, default",
        "dcmqi-binary": "dcmqi",
    },
}


def cases(folder: Path, quick: bool) -> Iterator[Case]:
    """The same labelmap as LABELMAP and as BINARY; `content` is equal where pixels of all frames are."""
    organs, slices, rows = (QUICK_ORGANS, QUICK_SLICES, QUICK_ROWS) if quick else (ORGANS, SLICES, ROWS)
    make_series(folder / "ct", slices, rows, lambda _: None)
    labels = labelmap(organs, slices, rows)
    np.save(folder / "labels.npy", labels)
    write_for_dcmqi(folder, labels)
    for kind, contenders in CONTENDERS.items():
        commands = [Contender(name, child(__file__, key, folder)) for key, name in contenders.items()]
        yield Case(f"SEG {kind}, {labels.max()} organs, {slices} slices of {rows} x {rows}", commands)


def labelmap(organs: int, slices: int, rows: int) -> NDArray[np.uint8]:
    """Ellipsoids, in the size and place of organs, numbered without gaps."""
    random = np.random.default_rng(0)
    labels = np.zeros((slices, rows, rows), np.uint8)
    for number in range(1, organs + 1):
        radii = random.uniform(0.03, 0.11, 3) * labels.shape
        middle = random.uniform((0.1, 0.33, 0.2), (0.9, 0.67, 0.8)) * labels.shape
        low = np.clip(middle - radii, 0, None).astype(int)
        box = labels[
            tuple(slice(first, int(last) + 1) for first, last in zip(low, middle + radii, strict=True))
        ]
        places = np.moveaxis(np.indices(box.shape), 0, -1) + low
        inside = np.square((places - middle) / radii).sum(axis=-1) < 1
        box[inside & (box == 0)] = number
    present = np.unique(labels)
    return np.searchsorted(present, labels).astype(np.uint8)


def write_for_dcmqi(folder: Path, labels: NDArray[np.uint8]) -> None:
    """The labelmap as NIfTI in RAS coordinates, and dcmqi's description of the segments."""
    import nibabel

    first, second = (_header(folder, number) for number in (0, 1))
    rows_mm, columns_mm = map(float, first.PixelSpacing)
    x, y, z = map(float, first.ImagePositionPatient)
    steps = [-columns_mm, -rows_mm, float(second.ImagePositionPatient[2]) - z, 1]
    affine = np.diag(steps)
    affine[:3, 3] = -x, -y, z
    nibabel.save(nibabel.Nifti1Image(labels.transpose(2, 1, 0), affine), folder / "labels.nii.gz")
    segments = [_dcmqi_segment(number) for number in range(1, int(labels.max()) + 1)]
    about = {
        "ContentCreatorName": "BENCH",
        "SeriesDescription": "SEG",
        "SeriesNumber": "300",
        "InstanceNumber": "1",
    }
    about |= {"ContentLabel": "SEG", "ContentDescription": "SEG", "BodyPartExamined": ""}
    (folder / "dcmqi.json").write_text(json.dumps(about | {"segmentAttributes": [segments]}))


def _header(folder: Path, number: int) -> Dataset:
    return dcmread(sorted((folder / "ct").iterdir())[number], stop_before_pixels=True)


def _dcmqi_segment(number: int) -> dict[str, Any]:
    def code(value: Any) -> dict[str, str]:
        return {
            "CodeValue": value.value,
            "CodingSchemeDesignator": value.scheme_designator,
            "CodeMeaning": value.meaning,
        }

    return {
        "labelID": number,
        "SegmentLabel": f"organ {number}",
        "SegmentDescription": f"organ {number}",
        "SegmentAlgorithmType": "AUTOMATIC",
        "SegmentAlgorithmName": "bench",
        "SegmentedPropertyCategoryCodeSequence": code(codes.SCT.Organ),
        "SegmentedPropertyTypeCodeSequence": code(codes.SCT.Liver),
        "recommendedDisplayRGBValue": [number % 256, 90, 90],
    }


def ours(folder: Path, labels: NDArray[np.uint8], kind: str) -> Callable[[], Path]:
    """What the last operator of a graph does with a Segmentation, in a process that has imported all of it."""
    import highdicom.seg  # noqa: F401

    from imaging_data import find_instances, read_volume
    from imaging_operators import AppInfo, Segment, Segmentation
    from imaging_operators.context import Folders, JobContext, Run
    from imaging_operators.results.writer import Writer, write_results

    [series] = find_instances(folder / "ct").series
    volume = read_volume(series)
    place = _new(folder / "ours")
    segments = [
        Segment(number, codes.SCT.Liver, f"organ {number}") for number in range(1, int(labels.max()) + 1)
    ]
    run = Run(
        Folders(folder / "ct", place), JobContext(segmentation="labelmap" if kind == LABELMAP else "binary")
    )
    info = AppInfo(name="bench", version="1", creator="bench")

    def write() -> Path:
        write_results(Writer(run, info, "d" * 64, {}, {}), volume, Segmentation(labels, segments))
        return place / "segmentation-0.dcm"

    return write


def highdicom(folder: Path, labels: NDArray[np.uint8], kind: str) -> Callable[[], Path]:
    """highdicom.seg.Segmentation: BINARY with every option at its default, or LABELMAP in RLE."""
    from highdicom import UID, AlgorithmIdentificationSequence
    from highdicom.seg import Segmentation, SegmentDescription
    from pydicom.uid import ExplicitVRLittleEndian, RLELossless

    sources = [dcmread(path, stop_before_pixels=True) for path in sorted((folder / "ct").iterdir())]
    algorithm = AlgorithmIdentificationSequence(
        "bench", version="1", family=codes.cid7162.ArtificialIntelligence
    )

    def describe(number: int) -> Any:
        about = {"algorithm_type": "AUTOMATIC", "algorithm_identification": algorithm}
        return SegmentDescription(number, f"organ {number}", codes.SCT.Organ, codes.SCT.Liver, **about)

    def write() -> Path:
        made = Segmentation(
            sources,
            labels,
            kind,
            [describe(number) for number in range(1, int(labels.max()) + 1)],
            series_instance_uid=UID(),
            series_number=300,
            sop_instance_uid=UID(),
            instance_number=1,
            manufacturer="bench",
            manufacturer_model_name="bench",
            software_versions="1",
            device_serial_number="1",
            transfer_syntax_uid=RLELossless if kind == LABELMAP else ExplicitVRLittleEndian,
        )
        made.save_as(folder / "highdicom.dcm")
        return folder / "highdicom.dcm"

    return write


def sdk(folder: Path, labels: NDArray[np.uint8], _: str) -> Callable[[], Path]:
    """DICOMSegmentationWriterOperator as its compute() goes on once it has its inputs."""
    from monai.deploy.core import Fragment
    from monai.deploy.operators import (
        DICOMDataLoaderOperator,
        DICOMSegmentationWriterOperator,
        DICOMSeriesSelectorOperator,
    )
    from monai.deploy.operators.dicom_seg_writer_operator import SegmentDescription

    fragment = Fragment()
    studies = DICOMDataLoaderOperator(fragment, input_folder=folder / "ct", name="l").load_data_to_studies(
        folder / "ct"
    )
    selected = DICOMSeriesSelectorOperator(fragment, name="s").filter(None, studies)
    segments = [
        SegmentDescription(f"organ {number}", codes.SCT.Organ, codes.SCT.Liver, "bench", "1")
        for number in range(1, int(labels.max()) + 1)
    ]
    place = _new(folder / "sdk")
    writer = DICOMSegmentationWriterOperator(
        fragment, name="w", segment_descriptions=segments, output_folder=place
    )

    # It takes the instances in the order in which they were found; the labels must follow.
    instances = selected[0].selected_series[0].series.get_sop_instances()
    order = [int(one.get_native_sop_instance().InstanceNumber) - 1 for one in instances]
    arranged = labels[order]

    def write() -> Path:
        _new(place)
        writer.process_images(arranged, selected, place)
        return next(place.iterdir())

    return write


def dcmqi(folder: Path, _: NDArray[np.uint8], kind: str) -> Callable[[], Path]:
    """itkimage2segimage as a process."""
    import shutil
    import subprocess

    program = shutil.which("itkimage2segimage", path=Path(sys.executable).parent)
    if program is None:
        raise SystemExit("dcmqi is not installed")
    inputs = ["--inputImageList", folder / "labels.nii.gz", "--inputDICOMDirectory", folder / "ct"]
    form = ["--segmentationType", kind.lower(), "--compress", "deflate" if kind == LABELMAP else "none"]
    output = folder / "dcmqi.dcm"
    command = [
        program,
        *inputs,
        "--inputMetadata",
        folder / "dcmqi.json",
        "--outputDICOM",
        output,
        "--skip",
        "1",
    ]

    def write() -> Path:
        subprocess.run([*command, *form], check=True, capture_output=True)
        return output

    return write


def _new(folder: Path) -> Path:
    """The folder, empty."""
    folder.mkdir(exist_ok=True)
    for path in folder.iterdir():
        path.unlink()
    return folder


WRITERS = {"ours": ours, "highdicom": highdicom, "sdk": sdk, "dcmqi": dcmqi}


def main(key: str, folder: Path) -> None:
    """Write, warm; the file's size, and a hash of what its frames show and where.

    What runs in Python writes twice and the second time counts: the first one reads highdicom's tables.
    """
    name, _, form = key.partition("-")
    kind = LABELMAP if form == "labelmap" else BINARY
    write = WRITERS[name](folder, np.load(folder / "labels.npy"), kind)
    if name != "dcmqi":
        write()
    begin, cpu = time.perf_counter(), _cpu_s()
    path = write()
    seconds, cpu = time.perf_counter() - begin, _cpu_s() - cpu
    size = path.stat().st_size
    report(seconds, cpu_s=round(cpu, 3), megabytes=round(size / 1e6, 2), **contents(path))


def _cpu_s() -> float:
    """Processor time of this process and of the programs it has run: what other work on the machine leaves alone."""
    return sum(os.times()[:4])


def contents(path: Path) -> dict[str, Any]:
    """How many frames there are, and a hash of their pixels by segment and height, whatever their order."""
    dataset = dcmread(path)
    pixels = dataset.pixel_array.reshape(-1, dataset.Rows, dataset.Columns)
    frames = []
    for group, frame in zip(dataset.PerFrameFunctionalGroupsSequence, pixels, strict=True):
        segment = group.get("SegmentIdentificationSequence")
        number = int(segment[0].ReferencedSegmentNumber) if segment else 0
        height = round(float(group.PlanePositionSequence[0].ImagePositionPatient[2]), 3)
        frames.append(
            (number, height, hashlib.sha256(np.packbits(frame != 0) if number else frame.tobytes()).digest())
        )
    marked = [frame for frame, shown in zip(frames, pixels, strict=True) if shown.any()]
    return {"frames": len(frames), "content": hashlib.sha256(repr(sorted(marked)).encode()).hexdigest()[:8]}


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
