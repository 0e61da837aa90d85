# SPDX-License-Identifier: Apache-2.0
"""A real abdomen with its reference mask: what is written lies on the organs, by the HU found under it.

The mask's file has its rows the other way round than the images; it is mapped through its affine.
"""

import nibabel
import numpy as np
import pytest
from dicom_tools import dciodvfy_errors
from highdicom.seg import segread
from pydicom import dcmread
from result_files import volume_in, write
from skimage.draw import polygon2mask

from imaging_operators import Mesh, RTStruct, Segment, Segmentation, codes
from imaging_operators.results.surface import read_surface

ORGANS = {
    5: ("Liver", codes.SCT.Liver, 89, 699),
    1: ("Spleen", codes.SCT.Spleen, 80, 249),
    52: ("Aorta", codes.SCT.Aorta, 177, 22),
}
LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


@pytest.fixture(scope="module")
def abdomen(samples):
    """The volume, and its segmentation with liver 1, spleen 2 and aorta 3."""
    volume = volume_in(samples / "ct_abdomen_completed")
    mask = nibabel.load(next((samples / "ct_abdomen_completed").glob("*.nii.gz")))
    places = np.stack([*np.indices(volume.shape), np.ones(volume.shape)], axis=-1)
    indices = places @ (np.linalg.inv(mask.affine) @ LPS_TO_RAS @ volume.affine).T
    nearest = np.rint(indices[..., :3]).astype(int)
    values = np.asanyarray(mask.dataobj).astype(int)[tuple(np.moveaxis(nearest, -1, 0))]
    labelmap = sum((values == organ) * number for number, organ in enumerate(ORGANS, start=1)).astype(
        np.uint8
    )
    segments = [
        Segment(number, code, name) for number, (name, code, *_) in enumerate(ORGANS.values(), start=1)
    ]
    return volume, Segmentation(labelmap, segments)


@pytest.fixture(scope="module")
def written(abdomen, tmp_path_factory):
    volume, segmentation = abdomen
    results = [segmentation, RTStruct(segmentation), Mesh(segmentation, 1), Mesh(segmentation, 2, "obj")]
    folder = tmp_path_factory.mktemp("out")
    write(folder / "labelmap", volume, segmentation, segmentation="labelmap")
    return write(folder / "out", volume, results)


def assert_organs(masks: dict[int, np.ndarray], volume) -> None:
    """Mean HU and millilitres under each mask (slices, rows, columns) are the reference's."""
    voxel_ml = np.prod(volume.spacing_mm) / 1000
    for number, (name, _, hu, ml) in enumerate(ORGANS.values(), start=1):
        mask = masks[number]
        assert float(volume.array[mask].mean()) == pytest.approx(hu, abs=1), name
        assert np.count_nonzero(mask) * voxel_ml == pytest.approx(ml, rel=0.02), name


@pytest.mark.parametrize("kind", ["out", "labelmap"])
def test_the_segmentation_lies_on_the_organs(abdomen, written, kind):
    volume, _ = abdomen
    seg = segread(written.folder.parent / kind / "segmentation-0.dcm")
    found = seg.get_volume(combine_segments=True, allow_missing_positions=True)
    array = found.match_geometry(volume.to_highdicom()).array
    assert_organs({number: array == number for number in (1, 2, 3)}, volume)


def test_the_contours_enclose_the_organs(abdomen, written):
    volume, _ = abdomen
    dataset = dcmread(written.folder / "rtstruct-0.dcm")
    to_index = np.linalg.inv(volume.affine)
    masks = {number: np.zeros(volume.shape, bool) for number in (1, 2, 3)}
    for region in dataset.ROIContourSequence:
        for contour in region.ContourSequence:
            points = np.array(contour.ContourData, float).reshape(-1, 3)
            places = np.column_stack([points, np.ones(len(points))]) @ to_index.T
            index = round(float(places[0, 0]))
            masks[int(region.ReferencedROINumber)][index] ^= polygon2mask(volume.shape[1:], places[:, 1:3])
    assert_organs(masks, volume)
    assert dciodvfy_errors(written.folder / "rtstruct-0.dcm") == []


@pytest.mark.parametrize(("name", "form", "ml"), [("mesh-0", "stl", 699), ("mesh-1", "obj", 249)])
def test_the_meshes_enclose_the_organs(abdomen, written, name, form, ml):
    volume, segmentation = abdomen
    surface = read_surface(written[name].EncapsulatedDocument, form)
    assert surface.is_closed
    enclosed, centroid, _ = surface.moments
    assert enclosed / 1000 == pytest.approx(ml, rel=0.03)
    number = 1 if form == "stl" else 2
    middle = np.argwhere(segmentation.labelmap == number).mean(axis=0)
    assert np.allclose(centroid, (volume.affine @ [*middle, 1])[:3], atol=0.5)
