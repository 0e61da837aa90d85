# SPDX-License-Identifier: Apache-2.0
"""A value for each voxel as a DICOM Parametric Map of floats (PS3.3 A.75)."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from ..coding import Code, codes
from ..errors import InvalidResult, NotANumber
from .base import ResultContext
from .frames import Frame
from .guard import Expected, check_frames
from .multiframe import put_frames

LONGEST_LABEL = 16  # SH, PS3.5 section 6.2
NARROWEST_WINDOW = 1e-6


@dataclass(frozen=True, eq=False)
class ParametricMap:
    """Values on the grid of the volume that `predict` was given: a heat map, a measured quantity.

    values: float32 (slices, rows, columns).  unit: of the values, in UCUM; codes.UCUM.NoUnits for a plain
    score.  quantity: what they are, where there is a code for it (PS3.16 CID 7180).  label: at most 16
    characters, what a viewer calls the map.
    Raises InvalidResult for another shape or label, NotANumber for NaN and infinite values.
    """

    values: NDArray[Any]
    unit: Code
    quantity: Code | None = None
    label: str = "map"
    kind: ClassVar[str] = "parametric-map"

    def __post_init__(self) -> None:
        if self.values.ndim != 3 or self.values.dtype.kind not in "bfiu" or not self.values.size:
            raise InvalidResult(
                f"The values have shape {self.values.shape} and dtype {self.values.dtype}; "
                "numbers (slices, rows, columns) are needed."
            )
        if not 0 < len(self.label) <= LONGEST_LABEL or "\\" in self.label:
            raise InvalidResult(f"The map's label {self.label!r} must have 1 to {LONGEST_LABEL} characters.")
        if not np.isfinite(self._floats).all():
            raise NotANumber("In the map's values.")

    @property
    def _floats(self) -> NDArray[np.float32]:
        return np.asarray(self.values, np.float32)

    def to_dicom(self, context: ResultContext) -> Dataset:
        """The map, a frame for each source slice.  Raises InvalidResult when it has another shape."""
        values = self._on_source(context)
        dataset = _one_frame(self, values, context)
        frames = [Frame(index) for index in range(len(values))]
        put_frames(dataset, frames, context, codes.cid7203.SpatiallyRelatedFramesExtractedFromTheVolume)
        dataset.Laterality = None  # type 2C: the app does not say whether it is a paired body part
        dataset.FloatPixelData = values.astype("<f4").tobytes()
        return dataset

    def check_written(self, content: bytes, context: ResultContext) -> None:
        """Compare every frame of the written object with the values.  Raises WrongGeometry."""
        values = self._on_source(context)
        expected = Expected(lambda index, _: values[index], int(np.count_nonzero(values)), {})
        check_frames(content, context.volume, expected)

    def _on_source(self, context: ResultContext) -> NDArray[np.float32]:
        volume = context.volume
        if self.values.shape != volume.shape:
            raise InvalidResult(
                f"The values have shape {self.values.shape}, the volume has {volume.shape}.",
                "Bring the map back to the volume's grid before returning it.",
            )
        return volume.labels_on_source(self._floats)


def _one_frame(result: ParametricMap, values: NDArray[np.float32], context: ResultContext) -> Dataset:
    """A map of the first slice alone: highdicom knows what belongs into the object once."""
    from highdicom.pm import ParametricMap as HighdicomMap

    header, info = context.source.header, context.info
    low, high = float(values.min()), float(values.max())
    return HighdicomMap(
        source_images=[header],
        pixel_array=values[:1],
        series_instance_uid=context.uid("series"),
        series_number=1,
        sop_instance_uid=context.uid("instance"),
        instance_number=1,
        manufacturer=info.creator,
        manufacturer_model_name=info.name,
        software_versions=info.version,
        device_serial_number=context.run.digest[:16],
        contains_recognizable_visual_features=False,
        real_world_value_mappings=[_mapping(result, low, high)],
        voi_lut_transformations=[_window(low, high)],
        content_label="PARAMETRIC_MAP",
        content_description=result.label,
    )


def _window(low: float, high: float) -> Any:
    """From the smallest to the largest value; LINEAR_EXACT may be narrower than 1 (PS3.3 C.11.2.1.3.2)."""
    from highdicom.content import VOILUTTransformation

    return VOILUTTransformation(
        (low + high) / 2, max(high - low, NARROWEST_WINDOW), voi_lut_function="LINEAR_EXACT"
    )


def _mapping(result: ParametricMap, low: float, high: float) -> Any:
    """Values are what they are (PS3.3 C.7.6.16.2.11): slope 1, intercept 0."""
    from highdicom.pm import RealWorldValueMapping

    return RealWorldValueMapping(
        lut_label=result.label,
        lut_explanation=result.quantity.meaning if result.quantity else result.label,
        unit=result.unit,
        value_range=(low, high),
        slope=1.0,
        intercept=0.0,
        quantity_definition=result.quantity,
    )
