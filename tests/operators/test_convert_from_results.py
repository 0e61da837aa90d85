# SPDX-License-Identifier: Apache-2.0
"""What apps make is converted to the label maps that they returned: segmentations, and contours with keyholes."""

import numpy as np
import pytest
from result_files import SEGMENTS, Segmentation, ct, write
from results_3d import ring

from imaging_data.convert import layout_of, read_segmentation
from imaging_data.convert.labels.contours import read_contours
from imaging_data.instances import read_instance
from imaging_operators.results.rtstruct import RTStruct

SOURCES = {
    "plain": {"spacing": (2.5, 0.5, 0.75)},
    "head first": {"ImagePositionPatient": lambda index: [-7.0, 3.5, 100 - 2.5 * index]},
    "tilted": {
        "spacing": (2.5, 0.7, 0.9),
        "ImageOrientationPatient": [0.8, 0.6, 0.0, 0.0, 0.0, -1.0],
        "ImagePositionPatient": lambda index: [10 - 1.5 * index, 10 + 2.0 * index, 10.0],
    },
}


@pytest.mark.parametrize("kind", ["binary", "labelmap", "rtstruct"])
@pytest.mark.parametrize("source", SOURCES)
def test_results_become_the_labels_that_they_are(tmp_path, source, kind):
    volume = ct(tmp_path / "ct", **SOURCES[source])
    labelmap = ring(volume)
    result = Segmentation(labelmap, SEGMENTS)
    grid = layout_of(volume.series).grid
    if kind == "rtstruct":
        written = write(tmp_path / "out", volume, RTStruct(result))
        labels = read_contours(read_instance(written.folder / "rtstruct-0.dcm"), grid)
    else:
        written = write(tmp_path / "out", volume, result, segmentation=kind)
        labels = read_segmentation(written.folder / "segmentation-0.dcm", grid)
    assert labels.grid is grid
    assert [one.label for one in labels.segments] == [one.label for one in SEGMENTS]
    assert [one.kind.value for one in labels.segments] == [one.property_type.value for one in SEGMENTS]
    found = sum(labels.mask(one.number).astype(np.uint8) * one.number for one in labels.segments)
    assert np.array_equal(found, labelmap)
