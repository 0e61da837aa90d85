# SPDX-License-Identifier: Apache-2.0
"""What structure sets, meshes, maps and fractional segmentations share: valid, research only, on their source."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from builders import enhanced_ct
from dicom_tools import dciodvfy_errors
from result_files import ct, volume_in, write
from results_3d import KINDS, each, file_of, ring

from imaging_operators.errors import InvalidResult, NotANumber
from imaging_operators.results.mesh import Mesh

STUDIES = [
    "ct_chest_lidc_0001",
    "ct_abdomen_completed",
    "mr_brain_t1_7t",
    "multiframe_enhanced/5.dcm",  # Enhanced CT
]
OBLIQUE = {
    "ImageOrientationPatient": [0.8, 0.6, 0, 0, 0, -1],
    "ImagePositionPatient": lambda index: [-1.5 * index, 2.0 * index, 0.0],
}


@pytest.fixture(scope="module", params=["plain", "oblique", "enhanced", *STUDIES])
def study(request, tmp_path_factory):
    """A volume and one result of each kind."""
    folder = tmp_path_factory.mktemp("study")
    if request.param == "enhanced":
        enhanced_ct(folder / "source")
    elif request.param in STUDIES:
        copied(request.getfixturevalue("samples") / request.param, folder / "source")
    else:
        attributes = OBLIQUE if request.param == "oblique" else {}
        ct(folder / "source", spacing=(2.5, 0.5, 0.75), **attributes)
    volume = volume_in(folder / "source")
    labelmap = ring(volume) if volume.shape[0] > 4 else bright(volume)
    return volume, write(folder / "out", volume, each(volume, labelmap))


def copied(source: Path, folder: Path) -> None:
    if source.is_dir():
        folder.symlink_to(source)
    else:
        folder.mkdir()
        shutil.copy(source, folder)


def bright(volume) -> np.ndarray:
    labelmap = (volume.array > np.quantile(volume.array, 0.9)).astype(np.uint8)
    labelmap[0, 0, 0] = 2
    return labelmap


@pytest.mark.parametrize("kind", KINDS)
def test_no_errors(study, kind):
    assert dciodvfy_errors(file_of(study[1].folder, kind)) == []


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_for_research_only_and_names_its_source(study, kind):
    volume, written = study
    dataset = written[f"{kind}-0"]
    assert dataset.SeriesDescription.startswith("NOT FOR CLINICAL USE - RESEARCH ONLY")
    assert dataset.FrameOfReferenceUID == volume.frame_of_reference_uid
    named = {str(value) for element in dataset.iterall() for value in [element.value] if element.VR == "UI"}
    assert {instance.sop_instance_uid for instance, _ in volume.sources} <= named
    assert dataset.PatientID == volume.source_of(0).dataset.PatientID


def test_they_have_series_of_their_own(study):
    numbers = [study[1][f"{kind}-0"].SeriesNumber for kind in KINDS]
    assert numbers == [313, 311, 306, 310]


def test_the_same_input_gives_the_same_bytes(tmp_path):
    volume = ct(tmp_path / "ct")
    folders = [write(tmp_path / name, volume, each(volume, ring(volume))) for name in "ab"]
    assert folders[0].bytes() == folders[1].bytes()


@pytest.mark.parametrize("place", range(2))
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_no_numbers_are_refused_by_name(tmp_path, place, value):
    volume = ct(tmp_path / "ct")
    result = each(volume, ring(volume))[place]
    values = np.array(result.probabilities if place == 0 else result.values, np.float32)
    values.flat[7] = value
    with pytest.raises(NotANumber) as raised:
        type(result)(values, result.segments if place == 0 else result.unit)
    assert raised.value.hint


def test_contours_and_meshes_need_a_frame_of_reference(tmp_path):
    volume = ct(tmp_path / "ct", FrameOfReferenceUID=None)
    for result in each(volume, ring(volume))[2:]:
        with pytest.raises(InvalidResult, match="without FrameOfReferenceUID"):
            write(tmp_path / result.kind, volume, result)


def test_another_grid_is_refused(tmp_path):
    volume, other = ct(tmp_path / "a"), ct(tmp_path / "b", slices=7)
    for result in each(other, ring(other)):
        with pytest.raises(InvalidResult, match=r"\(7, 16, 16\)"):
            write(tmp_path / result.kind, volume, result)


def test_a_mesh_of_nothing_is_refused(tmp_path):
    volume = ct(tmp_path / "ct")
    segmentation = each(volume, np.minimum(ring(volume), 1))[2].segmentation
    for number, form in ((2, "stl"), (3, "stl")):
        with pytest.raises(InvalidResult, match="has no voxels"):
            Mesh(segmentation, number, form)
    with pytest.raises(InvalidResult, match="'stl' and 'obj' are known"):
        Mesh(segmentation, 1, "ply")
