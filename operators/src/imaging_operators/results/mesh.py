# SPDX-License-Identifier: Apache-2.0
"""One segment as a surface in the patient: Encapsulated STL or OBJ (PS3.3 A.85.1, A.85.2)."""

from dataclasses import dataclass
from typing import ClassVar, get_args

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.uid import EncapsulatedOBJStorage, EncapsulatedSTLStorage

from imaging_data import Volume
from imaging_data.parts import split

from ..coding import codes
from ..errors import InvalidResult, WrongGeometry
from .base import ResultContext
from .colors import color_of
from .evidence import code_item, instance_item
from .segmentation import Segmentation
from .surface import MeshFormat, Surface, read_surface

SOP_CLASSES = {"stl": EncapsulatedSTLStorage, "obj": EncapsulatedOBJStorage}
VOLUME_SHARE = 0.05  # by which the enclosed volume may differ from that of the voxels
EDGE_SHARE = 0.85  # of the voxels at the surface, whose corners are cut off: 5/6 of a voxel on its own
ROUNDING = 0.01  # index steps: the files hold float32 or four decimals of a millimetre


@dataclass(frozen=True)
class Mesh:
    """The closed surface of one segment of a Segmentation, in millimetres of the patient (LPS).

    number: of the segment.  format: "stl" or "obj".  The surface runs half-way between voxels inside and
    outside; it is not smoothed.  The Segmentation itself need not be among the app's results.
    Raises InvalidResult for another format, or a segment that is not there or has no voxels.
    """

    segmentation: Segmentation
    number: int = 1
    format: MeshFormat = "stl"
    kind: ClassVar[str] = "mesh"

    def __post_init__(self) -> None:
        if self.format not in get_args(MeshFormat):
            raise InvalidResult(f"A mesh of format {self.format!r}; 'stl' and 'obj' are known.")
        if self.number not in self.segmentation.names or not self._mask.any():
            raise InvalidResult(
                f"Segment {self.number} has no voxels to make a mesh of.",
                "Return no Mesh for what was not found.",
            )

    @property
    def _mask(self) -> NDArray[np.bool_]:
        mask: NDArray[np.bool_] = self.segmentation.labelmap == self.number
        return mask

    def to_dicom(self, context: ResultContext) -> Dataset:
        """The object.  Raises InvalidResult for another grid, or a source without a frame of reference."""
        volume, segment = context.volume, self.segmentation.segment(self.number)
        self.segmentation.on_source(volume)
        if not volume.frame_of_reference_uid:
            raise InvalidResult("A Mesh, of a source without FrameOfReferenceUID.", "Return a Segmentation.")
        content = surface_of(self._mask, volume).encoded(self.format)
        dataset = Dataset()
        dataset.SOPClassUID = SOP_CLASSES[self.format]
        dataset.Modality = "M3D"
        dataset.FrameOfReferenceUID = volume.frame_of_reference_uid
        dataset.PositionReferenceIndicator = None
        dataset.AcquisitionDateTime = dataset.Laterality = None
        dataset.BurnedInAnnotation = "NO"
        dataset.DocumentTitle = segment.label
        dataset.ConceptNameCodeSequence = [code_item(segment.property_type)]
        dataset.SourceInstanceSequence = [instance_item(one) for one in context.source.references]
        dataset.ReferencedSeriesSequence = [_series(context)]
        dataset.MeasurementUnitsCodeSequence = [code_item(codes.UCUM.Millimeter)]
        dataset.ModelModification = dataset.ModelMirroring = "NO"
        dataset.RecommendedDisplayCIELabValue = _lab(segment.color or color_of(segment.number))
        dataset.MIMETypeOfEncapsulatedDocument = f"model/{self.format}"
        dataset.EncapsulatedDocument = content + bytes(len(content) % 2)
        dataset.EncapsulatedDocumentLength = len(content)
        return dataset

    def check_written(self, content: bytes, context: ResultContext) -> None:
        """Compare the written surface with the voxels: closed, volume, place.  Raises WrongGeometry."""
        dataset = split(content).dataset
        length = int(dataset.EncapsulatedDocumentLength)
        surface = read_surface(dataset.EncapsulatedDocument[:length], self.format)
        name = f"The mesh of segment {self.number} ({self.segmentation.segment(self.number).label})"
        check_surface(surface, self._mask, context.volume, name)


def _series(context: ResultContext) -> Dataset:
    """The Common Instance Reference module names the source once more (PS3.3 C.12.2)."""
    series = Dataset()
    series.SeriesInstanceUID = context.source.references[0].series_instance_uid
    series.ReferencedInstanceSequence = [instance_item(one) for one in context.source.references]
    return series


def _lab(color: tuple[int, int, int]) -> list[int]:
    from highdicom.color import CIELabColor

    return list(CIELabColor.from_rgb(*color).value)


def surface_of(mask: NDArray[np.bool_], volume: Volume) -> Surface:
    """The surface of `mask` (slices, rows, columns) in the patient, its faces turned outwards."""
    from skimage.measure import marching_cubes

    low, near = _near(mask)
    places, faces, _, _ = marching_cubes(near.astype(np.float32), 0.5)  # type: ignore[no-untyped-call]
    points = (places + low - 1) @ volume.affine[:3, :3].T + volume.affine[:3, 3]
    surface = Surface(points, faces.astype(np.int64))
    return surface if surface.moments[0] > 0 else Surface(points, surface.faces[:, ::-1])


def _box(mask: NDArray[np.bool_]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """First index of what is marked, and the one behind the last, of each axis."""
    ends = [np.flatnonzero(mask.any(axis=axes))[[0, -1]] for axes in ((1, 2), (0, 2), (0, 1))]
    low, last = np.array(ends).T
    return low, last + 1


def check_surface(surface: Surface, mask: NDArray[np.bool_], volume: Volume, name: str) -> None:
    """Raises WrongGeometry, naming the mesh, unless `surface` is closed and runs round the voxels of `mask`.

    It must pass half-way between every two neighbours of which one is inside, and nowhere else: what is
    mirrored, turned, moved or scaled does not.
    """
    if not surface.is_closed:
        raise WrongGeometry(f"{name} is not closed.")
    voxel_mm3, voxels = abs(float(np.linalg.det(volume.affine[:3, :3]))), int(np.count_nonzero(mask))
    enclosed, *_ = surface.moments
    allowed = VOLUME_SHARE * voxels + EDGE_SHARE * _at_the_surface(mask)
    if abs(enclosed / voxel_mm3 - voxels) > allowed:
        raise WrongGeometry(f"{name} encloses {enclosed:.6g} mm3 of {voxels * voxel_mm3:.6g}.")
    low, near = _near(mask)
    places = _places(surface.points, volume) - (low - 1)
    wanted = _crossings(near)
    if not _runs_through(places, near, wanted):
        centre = volume.affine[:3, :3] @ (places.mean(axis=0) - wanted.mean(axis=0))
        raise WrongGeometry(
            f"{name} is off by {np.linalg.norm(centre):.4g} mm at its centroid: it is moved, mirrored or turned."
        )


def _near(mask: NDArray[np.bool_]) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """The first index of what is marked, and the marked part with one voxel of outside round it."""
    low, high = _box(mask)
    return low, np.pad(mask[tuple(map(slice, low, high))], 1)


def _places(points: NDArray[np.float64], volume: Volume) -> NDArray[np.float64]:
    """Indices (points, 3) in the volume of points in the patient."""
    inverse = np.linalg.inv(volume.affine)
    places: NDArray[np.float64] = points @ inverse[:3, :3].T + inverse[:3, 3]
    return places


def _crossings(near: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Index places (crossings, 3) half-way between neighbours of which one is inside."""
    changes = (np.argwhere(np.diff(near, axis=axis)) + np.eye(3)[axis] / 2 for axis in range(3))
    return np.concatenate(list(changes))


def _runs_through(places: NDArray[np.float64], near: NDArray[np.bool_], wanted: NDArray[np.float64]) -> bool:
    """Whether the points are the crossings `wanted`, and beside them only middles of cells that are both."""
    grid = 2 * np.array(near.shape)
    halves = np.rint(2 * places).astype(np.int64)
    if (halves < 0).any() or (halves > grid - 2).any():
        return False
    exact = np.abs(2 * places - halves).max(axis=1) <= 2 * ROUNDING
    crosses = exact & (np.sum(halves % 2, axis=1) == 1)
    found = np.unique(np.ravel_multi_index(tuple(halves[crosses].T), grid))
    known = np.ravel_multi_index(tuple((2 * wanted).astype(np.int64).T), grid)
    corners = np.minimum(np.floor(places[~crosses]).astype(np.int64), np.array(near.shape) - 2)
    inside = sum(near[tuple((corners + step).T)].astype(int) for step in np.ndindex(2, 2, 2))
    return np.array_equal(found, np.sort(known)) and bool(np.all((inside > 0) & (inside < 8)))


def _at_the_surface(mask: NDArray[np.bool_]) -> int:
    """Voxels of the mask with a neighbour outside."""
    _, near = _near(mask)
    inner = near.copy()
    for axis in range(3):
        inner &= np.roll(near, 1, axis) & np.roll(near, -1, axis)
    return int(np.count_nonzero(near) - np.count_nonzero(inner))
