# SPDX-License-Identifier: Apache-2.0
"""Real series: the same voxels at the same places as highdicom and SimpleITK read them."""

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from highdicom import get_volume_from_series
from pydicom import dcmread

from imaging_data import (
    DuplicateInstances,
    LocalizerInSeries,
    NoPosition,
    Series,
    Volume,
    find_instances,
    read_volume,
)

VOLUMES = {
    "ct_chest_lidc_0001": ((16, 512, 512), (2.5, 0.703125, 0.703125)),
    "ct_abdomen_completed": ((20, 512, 512), (2.0, 0.9765625, 0.9765625)),
    "mr_brain_t1_7t": ((64, 384, 274), (0.6666667, 0.6666667, 0.6999878)),
    "seg_ct3slice_liver": ((3, 512, 512), (1.0, 0.810547, 0.810547)),
}


def _series(folder: Path) -> Series:
    return max(find_instances(folder).series, key=lambda series: len(series.instances))


@pytest.fixture(params=VOLUMES)
def volume(samples: Path, request: pytest.FixtureRequest) -> Volume:
    volume = read_volume(_series(samples / request.param))
    shape, spacing = VOLUMES[request.param]
    assert volume.shape == shape
    assert volume.spacing_mm == pytest.approx(spacing, rel=1e-5)
    return volume


def test_highdicom_reads_the_same_volume(volume):
    """highdicom runs against the normal, so its slices come in the other order."""
    other = get_volume_from_series([dcmread(one.path) for one in volume.series.instances]).flip_spatial(0)
    assert np.allclose(other.affine, volume.affine, atol=1e-4)
    assert np.array_equal(_real(volume, other.array.astype(np.float32)), _real(volume, volume.array))


def test_simpleitk_reads_the_same_volume(volume):
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames([str(volume.source_of(n).path) for n in range(volume.shape[0])])
    image = reader.Execute()
    assert np.array_equal(_real(volume, sitk.GetArrayFromImage(image)), _real(volume, volume.array))
    for index in np.ndindex(2, 2, 2):
        corner = np.array(index) * (np.array(volume.shape) - 1)
        point = image.TransformIndexToPhysicalPoint([int(k) for k in corner[::-1]])
        assert np.allclose((volume.affine @ [*corner, 1])[:3], point, atol=0.01)


def _real(volume: Volume, array: np.ndarray) -> np.ndarray:
    return array if volume.padding is None else array[~volume.padding]


def test_the_reference_mask_lies_on_its_organs(samples):
    """Liver 89 HU, spleen 80, aorta 177: as the mask's own affine and ours say, and not with rows flipped."""
    folder = samples / "ct_abdomen_completed"
    volume = read_volume(_series(folder))
    mask = sitk.ReadImage(str(next(folder.glob("*.nii.gz"))))
    axes = np.array(mask.GetDirection()).reshape(3, 3) * mask.GetSpacing()
    to_mask = np.linalg.inv(axes) @ (volume.affine[:3, :3] @ np.indices(volume.shape).reshape(3, -1))
    shift = np.linalg.solve(axes, volume.affine[:3, 3] - mask.GetOrigin())
    x, y, z = np.rint(to_mask + shift[:, None]).astype(int)
    labels = sitk.GetArrayFromImage(mask)[z, y, x].reshape(volume.shape)
    for label, hu in ((5, 89.3), (1, 79.6), (52, 177.3)):
        assert volume.array[labels == label].mean() == pytest.approx(hu, abs=0.1)
    assert (labels == 5).sum() * np.prod(volume.spacing_mm) / 1000 == pytest.approx(699.4, abs=0.1)


def test_padding_of_a_real_series_is_flagged(samples):
    volume = read_volume(_series(samples / "seg_ct3slice_liver"))
    assert volume.padding is not None
    corner, centre = volume.padding[:, 0, 0], volume.padding[:, 256, 256]
    assert corner.all()
    assert not centre.any()
    assert volume.array[0, 0, 0] == volume.array.min() == -1024


@pytest.mark.parametrize(
    ("folder", "error"),
    [
        ("cxr_nih_labelled", NoPosition),
        ("us_multiframe_palette", NoPosition),
        ("cr_chest_mono1_10bit", DuplicateInstances),
        ("deid_burned_in_text/2_ORIGINAL.dcm", LocalizerInSeries),
        ("deid_burned_in_text/RGB_ORIGINAL.dcm", NoPosition),
    ],
)
def test_real_images_that_are_no_volume_are_refused(samples, folder, error):
    found = find_instances(samples / folder)
    assert found.series
    for series in found.series:
        with pytest.raises(error):
            read_volume(series)
