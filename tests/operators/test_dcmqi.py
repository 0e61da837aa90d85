# SPDX-License-Identifier: Apache-2.0
"""dcmqi, which shares no code with us, reads the same voxels out of our segmentations, in the same place."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK
from builders import enhanced_ct
from result_files import SEGMENTS, Segmentation, ct, volume_in, write
from results_3d import ring

TILTED = {
    "spacing": (2.5, 0.7, 0.9),
    "ImageOrientationPatient": [0.8, 0.6, 0.0, 0.0, 0.0, -1.0],
    "ImagePositionPatient": lambda index: [10 - 1.5 * index, 10 + 2.0 * index, 10.0],
}
SOURCES = {
    "plain": {"spacing": (2.5, 0.5, 0.75)},
    "head first": {"ImagePositionPatient": lambda index: [-7.0, 3.5, 100 - 2.5 * index]},
    "tilted": TILTED,
}


def dcmqi_segments(seg: Path, folder: Path) -> dict[int, SimpleITK.Image]:
    """The images that segimage2itkimage makes: one of each segment by its number, or one of a labelmap."""
    program = shutil.which("segimage2itkimage", path=Path(sys.executable).parent)
    if program is None:
        pytest.skip("dcmqi is not installed")
    folder.mkdir()
    command = [program, "--inputDICOM", seg, "--outputDirectory", folder, "--outputType", "nrrd"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return {int(path.stem): SimpleITK.ReadImage(str(path)) for path in folder.glob("*.nrrd")}


def on_volume(image: SimpleITK.Image, volume) -> np.ndarray:
    """The voxels that are not 0, each at the index of the volume at which it lies in the patient."""
    array = SimpleITK.GetArrayFromImage(image)
    found = np.zeros(volume.shape, array.dtype)
    for place in np.argwhere(array):
        point = image.TransformIndexToPhysicalPoint([int(index) for index in place[::-1]])
        index = np.linalg.inv(volume.affine) @ [*point, 1.0]
        assert np.allclose(index, np.rint(index), atol=1e-3)
        found[tuple(np.rint(index[:3]).astype(int))] = array[tuple(place)]
    return found


def assert_same(seg: Path, folder: Path, volume, labelmap: np.ndarray) -> None:
    images = dcmqi_segments(seg, folder)
    found = np.zeros(volume.shape, np.uint8)
    for number, image in images.items():
        shown = on_volume(image, volume)
        found[shown > 0] = shown[shown > 0] if len(images) == 1 else number
    assert np.array_equal(found, labelmap)


@pytest.mark.parametrize("kind", ["binary", "labelmap"])
@pytest.mark.parametrize("source", SOURCES)
def test_dcmqi_reads_the_same_voxels(tmp_path, source, kind):
    volume = ct(tmp_path / "ct", **SOURCES[source])
    labelmap = ring(volume)
    written = write(tmp_path / "out", volume, Segmentation(labelmap, SEGMENTS), segmentation=kind)
    assert_same(written.folder / "segmentation-0.dcm", tmp_path / "dcmqi", volume, labelmap)


def test_dcmqi_reads_a_segmentation_of_an_enhanced_source(tmp_path):
    enhanced_ct(tmp_path / "ct")
    volume = volume_in(tmp_path / "ct")
    written = write(tmp_path / "out", volume, Segmentation(ring(volume), SEGMENTS))
    assert_same(written.folder / "segmentation-0.dcm", tmp_path / "dcmqi", volume, ring(volume))
