# SPDX-License-Identifier: Apache-2.0
"""Real studies: valid results of each, on the grid and with the identity of their source."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from dicom_tools import dciodvfy_errors
from highdicom.seg import segread
from result_files import all_kinds, shown, volume_in, write

STUDIES = [
    "ct_chest_lidc_0001",
    "ct_abdomen_completed",
    "mr_brain_t1_7t",
    "multiframe_enhanced/5.dcm",  # Enhanced CT
    "multiframe_enhanced/IM-0001-0170-0001.dcm",  # Enhanced MR, without a frame of reference
]
KINDS = ["segmentation", "measurements", "text-report", "secondary-capture"]


@pytest.fixture(scope="module", params=STUDIES)
def study(request, samples, tmp_path_factory):
    """A volume with results of each kind; the segmentation is a box of bright voxels and one corner."""
    folder = tmp_path_factory.mktemp("study")
    source = samples / request.param
    if source.is_file():
        (folder / "source").mkdir()
        source = Path(shutil.copy(source, folder / "source")).parent
    volume = volume_in(source)
    middle = tuple(slice(side // 4, 1 + side // 2) for side in volume.shape)
    labelmap = np.zeros(volume.shape, np.uint8)
    labelmap[middle] = volume.array[middle] > np.median(volume.array[middle])
    labelmap[-1, -1, 0] = 2
    return volume, labelmap, write(folder / "out", volume, all_kinds(volume, labelmap))


@pytest.mark.parametrize("kind", KINDS)
def test_what_the_source_got_wrong_makes_no_result_invalid(study, kind):
    _, _, written = study
    assert dciodvfy_errors(written.folder / f"{kind}-0.dcm") == []


def test_the_segmentation_lies_on_the_source(study):
    volume, labelmap, written = study
    seg = written["segmentation-0"]
    assert np.array_equal(shown(seg, volume), labelmap)
    if "FrameOfReferenceUID" in seg:  # else highdicom makes no volume of it
        in_space = segread(written.folder / "segmentation-0.dcm").get_volume(
            combine_segments=True, allow_missing_positions=True
        )
        assert np.array_equal(in_space.match_geometry(volume.to_highdicom()).array, labelmap)


def test_the_identity_is_the_source_s(study):
    volume, _, written = study
    source = volume.source_of(0).dataset
    for result in written.objects.values():
        for keyword in ("PatientID", "PatientName", "StudyInstanceUID", "StudyDate", "AccessionNumber"):
            assert str(result[keyword].value or "") == str(source.get(keyword) or ""), keyword
