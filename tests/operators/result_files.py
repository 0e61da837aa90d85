# SPDX-License-Identifier: Apache-2.0
"""Results written to files without MONAI Deploy, and what is in them."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from builders import ct_series
from pydicom import Dataset, dcmread

from imaging_data import Volume, find_instances, read_volume
from imaging_operators import (
    AppInfo,
    Measurement,
    Measurements,
    SecondaryCapture,
    Segment,
    Segmentation,
    TextReport,
    codes,
    private_code,
)
from imaging_operators.context import Folders, JobContext, Run
from imaging_operators.results.writer import Writer, write_results

INFO = AppInfo(name="test-app", version="1.2", creator="Gantry tests")
JOB = {"content_datetime": "2026-11-20T09:15:00+00:00"}
MILLILITRE = private_code("ML", "millilitre of this test")


@dataclass
class Written:
    """An output folder."""

    folder: Path
    objects: dict[str, Dataset] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.objects = {path.stem: dcmread(path) for path in self.folder.glob("*.dcm")}

    def __getitem__(self, name: str) -> Dataset:
        """By kind and ordinal: "segmentation-0"."""
        return self.objects[name]

    @property
    def document(self) -> dict[str, Any]:
        """results.json."""
        return json.loads((self.folder / "results.json").read_bytes())

    def bytes(self) -> dict[str, bytes]:
        """The content of each DICOM file, by name."""
        return {path.name: path.read_bytes() for path in self.folder.glob("*.dcm")}


def volume_in(folder: Path) -> Volume:
    """The volume of the one series in `folder`."""
    [series] = find_instances(folder).series
    return read_volume(series)


def ct(folder: Path, **attributes: Any) -> Volume:
    """A CT series made for the test, as a volume."""
    ct_series(folder, **attributes)
    return volume_in(folder)


def write(
    folder: Path, volume: Volume, results: Any, info: AppInfo = INFO, digest: str = "d" * 64, **job: Any
) -> Written:
    """Write `results` into `folder`, as the graph's last operator does."""
    folder.mkdir(parents=True, exist_ok=True)
    run = Run(Folders(folder.parent / "none", folder), JobContext.from_json(JOB | job))
    write_results(Writer(run, info, digest, {}, {}), volume, results)
    return Written(folder)


def block(volume: Volume) -> np.ndarray:
    """Two labels of no symmetry: 1 in a corner block, 2 in a single voxel."""
    labelmap = np.zeros(volume.shape, np.uint8)
    labelmap[1:4, 2:5, 3:9] = 1
    labelmap[2, 10, 12] = 2
    return labelmap


SEGMENTS = (
    Segment(1, codes.SCT.Lung, "Left lung", laterality=codes.SCT.Left),
    Segment(2, codes.SCT.Nodule, "Nodule", category=codes.SCT.MorphologicallyAbnormalStructure),
)


def all_kinds(volume: Volume, labelmap: np.ndarray | None = None) -> Sequence[Any]:
    """One result of each kind."""
    segmentation = Segmentation(block(volume) if labelmap is None else labelmap, SEGMENTS)
    items = [
        Measurement(codes.SCT.Volume, 1.5, codes.UCUM.CubicMillimeter, segment=1),
        Measurement(codes.DCM.AttenuationCoefficient, -801.25, codes.UCUM.HounsfieldUnit, 1, codes.SCT.Mean),
        Measurement(private_code("LAA950", "Low attenuation area"), 0.1 + 0.2, codes.UCUM.Percent, segment=2),
        Measurement(codes.SCT.Volume, 3.0, codes.UCUM.CubicMillimeter, site=codes.SCT.Lung),
    ]
    picture = np.zeros((80, 300, 3), np.uint8)
    picture[..., 1] = np.arange(300) % 256
    return [
        TextReport(
            "Lungs", "Volume      1.5 ml\nMean     -801.3 HU", findings=("lungs not completely imaged",)
        ),
        segmentation,
        Measurements(items, segmentation),
        SecondaryCapture(picture, "Coronal overlay"),
    ]


def shown(seg: Dataset, volume: Volume) -> np.ndarray:
    """The labelmap as a BINARY segmentation's frames show it on the slices that they name as their source."""
    labelmap = np.zeros(volume.shape, np.uint8)
    slices = {
        (instance.sop_instance_uid, frame): index for index, (instance, frame) in enumerate(volume.sources)
    }
    frames = seg.pixel_array.reshape(-1, seg.Rows, seg.Columns).astype(bool)
    for pixels, group in zip(frames, seg.PerFrameFunctionalGroupsSequence, strict=True):
        [source] = group.DerivationImageSequence[0].SourceImageSequence
        key = source.ReferencedSOPInstanceUID, int(source.get("ReferencedFrameNumber", 1))
        number = group.SegmentIdentificationSequence[0].ReferencedSegmentNumber
        labelmap[slices[key]][pixels] = number
    return labelmap
