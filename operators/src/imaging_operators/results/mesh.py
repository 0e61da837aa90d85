# SPDX-License-Identifier: Apache-2.0
"""One segment as a surface in the patient: Encapsulated STL or OBJ (PS3.3 A.85.1, A.85.2)."""

from dataclasses import dataclass
from typing import Any, ClassVar, get_args

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
STEPS = 0.5  # voxels by which centroid and extent may differ


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
        """Compare the written surface with the voxels: closed, volume, place, form.  Raises WrongGeometry."""
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

    low, high = _box(mask)
    near = np.pad(mask[tuple(map(slice, low, high))], 1).astype(np.float32)
    places, faces, _, _ = marching_cubes(near, 0.5)  # type: ignore[no-untyped-call]
    points = (places + low - 1) @ volume.affine[:3, :3].T + volume.affine[:3, 3]
    surface = Surface(points, faces.astype(np.int64))
    return surface if surface.moments[0] > 0 else Surface(points, surface.faces[:, ::-1])


def _box(mask: NDArray[np.bool_]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """First index of what is marked, and the one behind the last, of each axis."""
    ends = [np.flatnonzero(mask.any(axis=axes))[[0, -1]] for axes in ((1, 2), (0, 2), (0, 1))]
    low, last = np.array(ends).T
    return low, last + 1


def check_surface(surface: Surface, mask: NDArray[np.bool_], volume: Volume, name: str) -> None:
    """Raises WrongGeometry, naming the mesh, unless `surface` is closed and encloses the voxels of `mask`.

    Volume, centroid, covariance and extent in the patient are compared, so that a mesh that is mirrored,
    turned, moved or scaled is seen.
    """
    if not surface.is_closed:
        raise WrongGeometry(f"{name} is not closed.")
    steps = volume.affine[:3, :3]
    voxel_mm3, step_mm = abs(float(np.linalg.det(steps))), float(np.linalg.norm(steps, axis=0).max())
    places = np.argwhere(mask)
    points = places @ steps.T + volume.affine[:3, 3]
    enclosed, centroid, covariance = surface.moments
    allowed = VOLUME_SHARE * len(places) + EDGE_SHARE * _at_the_surface(mask)
    if abs(enclosed / voxel_mm3 - len(places)) > allowed:
        raise WrongGeometry(f"{name} encloses {enclosed:.6g} mm3 of {len(places) * voxel_mm3:.6g}.")
    off = float(np.linalg.norm(centroid - points.mean(axis=0)))
    if off > STEPS * step_mm:
        raise WrongGeometry(f"{name} is off by {off:.4g} mm at its centroid.")
    for end in ("min", "max"):
        off = float(np.abs(getattr(surface.points, end)(axis=0) - getattr(points, end)(axis=0)).max())
        if off > 2 * STEPS * step_mm:
            raise WrongGeometry(f"{name} is off by {off:.4g} mm at its {end}imum.")
    _check_form(covariance, np.cov(points.T, bias=True).reshape(3, 3), step_mm, name)


def _at_the_surface(mask: NDArray[np.bool_]) -> int:
    """Voxels of the mask with a neighbour outside."""
    low, high = _box(mask)
    near = np.pad(mask[tuple(map(slice, low, high))], 1)
    inner = near.copy()
    for axis in range(3):
        inner &= np.roll(near, 1, axis) & np.roll(near, -1, axis)
    return int(np.count_nonzero(near) - np.count_nonzero(inner))


def _check_form(found: NDArray[Any], wanted: NDArray[Any], step_mm: float, name: str) -> None:
    """Covariances: what is mirrored or turned about its centroid has another one, unless it looks alike."""
    allowed = step_mm**2 + 0.1 * float(np.trace(wanted))
    if np.abs(found - wanted).max() > allowed:
        raise WrongGeometry(f"{name} is mirrored or turned about its centroid.")
