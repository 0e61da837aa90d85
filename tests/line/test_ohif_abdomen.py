# SPDX-License-Identifier: Apache-2.0
"""A real abdomen in OHIF: its reference mask, written by our Segmentation, lies on the organs it names."""

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from app_process import run_app
from highdicom.seg import Segmentation, segread
from numpy.typing import NDArray
from ohif import Viewer
from orthanc import Orthanc
from pydicom import Dataset, dcmread
from scipy.ndimage import distance_transform_edt

pytestmark = [pytest.mark.browser, pytest.mark.orthanc]

APP = Path(__file__).parent / "apps" / "reference_mask"
# Mean HU under the mask, in the README of the samples.
KNOWN_HU = {"liver": 89.3, "spleen": 79.6, "aorta": 177.3}


@dataclass(frozen=True)
class Abdomen:
    """What Orthanc has: the slices, and the segmentation read back from it."""

    viewer: Viewer
    slices: dict[str, Dataset]
    segmentation: Segmentation

    def mask(self, number: int) -> dict[str, NDArray[np.bool_]]:
        """The mask of a segment on each slice, by SOPInstanceUID."""
        uids = list(self.slices)
        masks = self.segmentation.get_pixels_by_source_instance(
            uids, segment_numbers=[number], assert_missing_frames_are_empty=True
        )
        return {uid: mask[..., 0] > 0 for uid, mask in zip(uids, masks, strict=True)}

    def number(self, name: str) -> int:
        """The segment of this name."""
        found = {item.SegmentLabel: item.SegmentNumber for item in self.segmentation.SegmentSequence}
        return int(found[name])

    def hu(self, uid: str) -> NDArray[np.float64]:
        """The values of a slice."""
        dataset = self.slices[uid]
        return dataset.pixel_array * float(dataset.RescaleSlope) + float(dataset.RescaleIntercept)

    def deepest(self, name: str) -> tuple[str, NDArray[np.float64]]:
        """The slice and the place (LPS mm) of the voxel of a segment that is farthest from its border."""
        depths = {uid: distance_transform_edt(mask) for uid, mask in self.mask(self.number(name)).items()}
        uid = max(depths, key=lambda one: depths[one].max())
        row, column = np.unravel_index(depths[uid].argmax(), depths[uid].shape)
        return uid, place(self.slices[uid], row, column)


def place(dataset: Dataset, row: float, column: float) -> NDArray[np.float64]:
    """The centre of a pixel in the patient (PS3.3 C.7.6.2.1.1)."""
    along_row, along_column = np.array(dataset.ImageOrientationPatient, float).reshape(2, 3)
    between_rows, between_columns = map(float, dataset.PixelSpacing)
    corner = np.array(dataset.ImagePositionPatient, float)
    return corner + along_row * between_columns * column + along_column * between_rows * row


@pytest.fixture(scope="module", params=["binary", "labelmap"])
def abdomen(request, viewer, orthanc: Orthanc, samples: Path, tmp_path_factory) -> Abdomen:
    """The series and its segmentation, sent to Orthanc and read back from it."""
    source = samples / "ct_abdomen_completed"
    output = tmp_path_factory.mktemp("abdomen") / "results"
    results = run_app(APP, source, output, models=source, segmentation=request.param)
    for path in (*source.glob("*.dcm"), results["segmentation"]):
        orthanc.upload(path)
    written = dcmread(results["segmentation"], stop_before_pixels=True)
    assert written.SegmentationType == request.param.upper()
    slices = [dcmread(path) for path in source.glob("*.dcm")]
    return Abdomen(
        viewer,
        {one.SOPInstanceUID: one for one in slices},
        segread(BytesIO(orthanc.file(written.SOPInstanceUID))),
    )


def test_mean_hu_under_the_mask_is_that_of_the_samples(abdomen):
    means = {}
    for name in KNOWN_HU:
        masks = abdomen.mask(abdomen.number(name))
        means[name] = np.concatenate([abdomen.hu(uid)[mask] for uid, mask in masks.items()]).mean()
    assert means == pytest.approx(KNOWN_HU, abs=0.05)


def test_the_overlay_lies_on_the_organs(abdomen):
    segmentation = abdomen.segmentation
    with abdomen.viewer.show(segmentation.StudyInstanceUID, segmentation.SeriesInstanceUID) as shown:
        colors = shown.segments()
        shown.wait_for_color(pixels=1000)
        seen = {name: color_of(abdomen, shown, name) for name in ("spleen", "aorta", "liver")}
        shown.shoot(f"abdomen-{segmentation.SegmentationType.lower()}")
        outside = shown.color_at(place(next(iter(abdomen.slices.values())), 5, 5))
    colors.pop("Background", None)  # OHIF lists this item of a labelmap, too
    assert len(colors) == 31
    assert {"liver", "spleen", "aorta", "vertebrae_T12", "costal_cartilages"} <= set(colors)
    assert {name: likeness(color, colors[name]) > 0.97 for name, color in seen.items()} == dict.fromkeys(
        seen, True
    )
    assert max(outside) < 10


def color_of(abdomen: Abdomen, shown, name: str) -> tuple[int, ...]:
    """What OHIF draws in the middle of an organ."""
    uid, point = abdomen.deepest(name)
    shown.go_to(uid)
    return shown.color_at(point)


def likeness(seen: tuple[int, ...], named: tuple[int, ...]) -> float:
    """How alike two colours are but for their grey: 1 is the same hue."""
    one, other = (np.array(color, float) - np.mean(color) for color in (seen, named))
    return float(one @ other / (np.linalg.norm(one) * np.linalg.norm(other) + 1e-9))
