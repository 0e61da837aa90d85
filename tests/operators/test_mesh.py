# SPDX-License-Identifier: Apache-2.0
"""A mesh is closed, encloses the structure's volume, and lies where the structure lies in the patient."""

import numpy as np
import pytest
from pydicom import dcmread
from result_files import SEGMENTS, Segmentation, ct, write
from results_3d import context_of, file_bytes, file_of, ring

from imaging_operators.errors import WrongGeometry
from imaging_operators.results.mesh import Mesh
from imaging_operators.results.surface import Surface, read_surface

CENTRE, RADII = np.array([11.0, 9.0, 14.0]), np.array([9.0, 6.0, 7.5])
OBLIQUE = {
    "ImageOrientationPatient": [0.8, 0.6, 0, 0, 0, -1],
    "ImagePositionPatient": lambda index: [10 - 0.6 * index, 20 + 0.8 * index, -5.0],
}


def ellipsoid(volume) -> np.ndarray:
    """In the patient, around the volume's middle, with the half-axes RADII along the volume's own axes."""
    places = np.stack(np.indices(volume.shape), axis=-1) - (np.array(volume.shape) - 1) / 2
    return (np.square(places * volume.spacing_mm / RADII).sum(axis=-1) < 1).astype(np.uint8)


@pytest.fixture(scope="module", params=["stl", "obj"])
def form(request) -> str:
    return request.param


@pytest.mark.parametrize("attributes", [{}, OBLIQUE], ids=["axial", "oblique"])
def test_an_ellipsoid_is_one_in_the_patient(tmp_path, form, attributes):
    volume = ct(tmp_path / "ct", slices=24, rows=24, columns=24, spacing=(1.0, 0.7, 0.8), **attributes)
    result = Mesh(Segmentation(ellipsoid(volume), SEGMENTS[:1]), 1, form)
    dataset = write(tmp_path / "out", volume, result)["mesh-0"]
    assert dataset.MIMETypeOfEncapsulatedDocument == f"model/{form}"
    assert b"NOT FOR CLINICAL USE - RESEARCH ONLY" in dataset.EncapsulatedDocument[:80]
    surface = read_surface(dataset.EncapsulatedDocument, form)
    assert surface.is_closed
    enclosed, centroid, covariance = surface.moments
    assert enclosed == pytest.approx(4 / 3 * np.pi * RADII.prod(), rel=0.03)
    assert enclosed == pytest.approx(np.count_nonzero(result.segmentation.labelmap) * 0.56, rel=0.03)
    middle = volume.affine @ [*(np.array(volume.shape) - 1) / 2, 1]
    assert np.allclose(centroid, middle[:3], atol=0.05)
    axes = volume.affine[:3, :3] / volume.spacing_mm
    assert np.allclose(axes.T @ covariance @ axes, np.diag(RADII**2 / 5), rtol=0.04, atol=0.1)


def test_stl_is_read_as_the_format_says(tmp_path):
    """By the layout of the format alone: 80 bytes, a count, 50 bytes a triangle with its outward normal."""
    volume = ct(tmp_path / "ct", slices=24, rows=24, columns=24, spacing=(1.0, 0.7, 0.8))
    dataset = write(tmp_path / "out", volume, Mesh(Segmentation(ellipsoid(volume), SEGMENTS[:1])))["mesh-0"]
    content = dataset.EncapsulatedDocument[: dataset.EncapsulatedDocumentLength]
    [count] = np.frombuffer(content, "<u4", 1, 80)
    assert len(content) == 84 + 50 * count
    numbers = np.frombuffer(content[84:], np.uint8).reshape(count, 50)[:, :48].copy().view("<f4")
    normals, corners = numbers[:, :3], numbers[:, 3:].reshape(-1, 3, 3)
    outwards = corners.mean(axis=1) - corners.mean(axis=(0, 1))
    assert (np.sum(normals * outwards, axis=1) > 0).all()
    assert np.allclose(np.linalg.norm(normals, axis=1), 1, atol=1e-5)


def test_any_body_is_closed(tmp_path, form):
    volume = ct(tmp_path / "ct", spacing=(2.5, 0.5, 0.75))
    labelmap = np.random.default_rng(0).integers(0, 3, volume.shape, np.uint8)
    for number in (1, 2):
        write(tmp_path / f"{number}", volume, Mesh(Segmentation(labelmap, SEGMENTS), number, form))


def test_an_open_surface_is_told_from_a_closed_one():
    points = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], float)
    closed = Surface(points, np.array([[0, 2, 1], [0, 1, 3], [1, 2, 3], [0, 3, 2]]))
    assert closed.is_closed
    assert closed.moments[0] == pytest.approx(1 / 6)
    assert np.allclose(closed.moments[1], 0.25)
    assert not Surface(points, closed.faces[:3]).is_closed
    assert not Surface(points, np.concatenate([closed.faces[:3], closed.faces[3:, ::-1]])).is_closed


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda points: points + np.array([0.9, 0, 0]), r"off by 0\.\d+ mm at its centroid"),
        (lambda points: points + np.array([0, 0.1, 0]), r"off by 0\.1\d* mm at its centroid"),
        (lambda points: points + np.array([500, 0, 0]), r"off by 500\.?\d* mm at its centroid"),
        (lambda points: points * 1.3, "encloses"),
        (lambda points: mirrored(points, 0), "encloses|mirrored"),
        (lambda points: turned(points), "minimum|mirrored or turned"),
    ],
    ids=["moved", "moved a little", "moved away", "scaled", "mirrored", "turned"],
)
def test_a_mesh_that_lies_elsewhere_does_not_leave(tmp_path, form, change, words):
    volume = ct(tmp_path / "ct", slices=24, rows=24, columns=24, spacing=(1.0, 0.7, 0.8))
    labelmap = ellipsoid(volume) * (np.indices(volume.shape).sum(axis=0) < 38)
    result = Mesh(Segmentation(labelmap.astype(np.uint8), SEGMENTS[:1]), 1, form)
    dataset = dcmread(file_of(write(tmp_path / "out", volume, result).folder, "mesh"))
    surface = read_surface(dataset.EncapsulatedDocument, form)
    result.check_written(file_bytes(dataset), context_of(result, volume))
    content = Surface(change(surface.points), surface.faces).encoded(form)
    dataset.EncapsulatedDocument = content + bytes(len(content) % 2)
    dataset.EncapsulatedDocumentLength = len(content)
    with pytest.raises(WrongGeometry, match=words):
        result.check_written(file_bytes(dataset), context_of(result, volume))


def mirrored(points: np.ndarray, axis: int) -> np.ndarray:
    image = points.copy()
    image[:, axis] = points[:, axis].max() + points[:, axis].min() - points[:, axis]
    return image


def turned(points: np.ndarray) -> np.ndarray:
    middle = points.mean(axis=0)
    return (points - middle)[:, [1, 2, 0]] + middle


def test_a_mesh_with_a_hole_does_not_leave(tmp_path, form):
    volume = ct(tmp_path / "ct", spacing=(2.5, 0.5, 0.75))
    result = Mesh(Segmentation(ring(volume), SEGMENTS), 1, form)
    dataset = dcmread(file_of(write(tmp_path / "out", volume, result).folder, "mesh"))
    surface = read_surface(dataset.EncapsulatedDocument, form)
    content = Surface(surface.points, surface.faces[1:]).encoded(form)
    dataset.EncapsulatedDocument = content + bytes(len(content) % 2)
    dataset.EncapsulatedDocumentLength = len(content)
    with pytest.raises(WrongGeometry, match="is not closed"):
        result.check_written(file_bytes(dataset), context_of(result, volume))
