# SPDX-License-Identifier: Apache-2.0
"""A labelmap that another program wrote as NIfTI, as a segmentation of the series that it belongs to."""

from pathlib import Path

import nibabel
import numpy as np
from numpy.typing import NDArray
from totalsegmentator.map_to_binary import class_map

from imaging_operators import (
    AppInfo,
    InferenceApp,
    Measurement,
    Measurements,
    Segment,
    Segmentation,
    SeriesRule,
    Volume,
    codes,
)

MASK = "reference_mask.nii.gz"  # labels of TotalSegmentator's task total
LPS_TO_RAS = np.diag([-1, -1, 1, 1])
HU = codes.UCUM.HounsfieldUnit


class ReferenceMask(InferenceApp):
    info = AppInfo(name="reference-mask", version="1.0", creator="Gantry tests", models=(MASK,))
    series = SeriesRule(Modality="CT")

    def setup(self, models: Path) -> None:
        self.mask = nibabel.load(models / MASK)

    def predict(self, volume: Volume) -> list[Segmentation | Measurements]:
        labels = self.on_grid_of(volume)
        numbers = np.unique(labels[labels > 0])
        labelmap = np.searchsorted(numbers, labels) + 1
        labelmap[labels == 0] = 0
        names = [class_map["total"][int(number)] for number in numbers]
        structure = codes.SCT.BodyStructure
        segments = [Segment(index, structure, name) for index, name in enumerate(names, start=1)]
        segmentation = Segmentation(labelmap, segments)
        means = [
            Measurement(codes.SCT.Mean, float(volume.array[labelmap == one.number].mean()), HU, one.number)
            for one in segments
        ]
        return [segmentation, Measurements(means, segmentation)]

    def on_grid_of(self, volume: Volume) -> NDArray[np.integer]:
        """The mask's label at the place of each voxel, told by both affines; both grids hold the same places."""
        to_mask = np.linalg.inv(self.mask.affine) @ LPS_TO_RAS @ volume.affine
        indices = np.indices(volume.shape).reshape(3, -1)
        places = to_mask[:3, :3] @ indices + to_mask[:3, 3:]
        nearest = np.rint(places).astype(int)
        assert np.abs(places - nearest).max() < 0.01, "the mask lies on another grid"
        array = np.asarray(self.mask.dataobj).astype(np.uint8)
        return array[tuple(nearest)].reshape(volume.shape)


if __name__ == "__main__":
    ReferenceMask().run()
