# SPDX-License-Identifier: Apache-2.0
"""One of each result that has a place in the patient beside the plain segmentation."""

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from pydicom import Dataset
from result_files import INFO, SEGMENTS

from imaging_data import Volume
from imaging_operators import Segmentation, codes
from imaging_operators.context import JobContext
from imaging_operators.results.base import ResultContext, RunContext
from imaging_operators.results.fractional import FractionalSegmentation
from imaging_operators.results.mesh import Mesh
from imaging_operators.results.parametric_map import ParametricMap
from imaging_operators.results.rtstruct import RTStruct

KINDS = ("fractional-segmentation", "parametric-map", "rtstruct", "mesh")


def ring(volume: Volume) -> np.ndarray:
    """A lopsided body with a hole, a piece that touches it at a corner, and a second label of one voxel."""
    labelmap = np.zeros(volume.shape, np.uint8)
    labelmap[1:4, 2:11, 3:12] = 1
    labelmap[1:4, 4:7, 5:8] = labelmap[2, 8, 9] = 0
    labelmap[3, 9:11, 3:12] = 0
    labelmap[2, 11, 12] = 1
    labelmap[2, 14, 1] = 2
    return labelmap


def each(volume: Volume, labelmap: np.ndarray) -> list[Any]:
    """One of each kind, in the order of KINDS."""
    segmentation = Segmentation(labelmap, SEGMENTS)
    probabilities = np.stack([(labelmap == number) * 0.75 for number in (1, 2)])
    return [
        FractionalSegmentation(probabilities, SEGMENTS),
        ParametricMap(volume.array / 1000, codes.UCUM.NoUnits, label="heat"),
        RTStruct(segmentation),
        Mesh(segmentation),
    ]


def context_of(result: Any, volume: Volume) -> ResultContext:
    """Where `result` would stand in a run."""
    return ResultContext(RunContext(volume, INFO, "d" * 64, JobContext()), result.kind, 0)


def file_bytes(dataset: Dataset) -> bytes:
    """The dataset as a DICOM file."""
    buffer = BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def file_of(folder: Path, kind: str) -> Path:
    """The first result of this kind."""
    return folder / f"{kind}-0.dcm"
