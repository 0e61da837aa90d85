# SPDX-License-Identifier: Apache-2.0
"""The source of a run's results: whose it is, its instances, and, of a volume, where each slice lies."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, TypeAlias

from pydicom import Dataset
from pydicom.uid import CTImageStorage
from pydicom.valuerep import DSfloat, format_number_as_ds

from imaging_data.identity import IDENTITY, REQUIRED, identity_attributes, left_out
from imaging_data.radiograph import Radiograph
from imaging_data.values import numbers_of

from ..errors import InvalidResult
from .evidence import Reference

if TYPE_CHECKING:
    from imaging_data import SeriesInstance, Volume

    Image: TypeAlias = Volume | Radiograph  # what an app can read


@dataclass(frozen=True)
class SourceSlice:
    """One slice of the volume: the instance it came from and its place.

    frame_number: from 1, where the instance holds several frames; else None.
    position: ImagePositionPatient (PS3.3 C.7.6.2.1.1) as the source has it, as DS.
    """

    instance: Reference
    frame_number: int | None
    position: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Source:
    """What results need of the series of the volume, or of the radiograph, that the app read."""

    image: "Image"

    @property
    def volume(self) -> "Volume":
        """The volume.  Raises InvalidResult for a radiograph, which has no place in the patient."""
        if isinstance(self.image, Radiograph):
            raise InvalidResult(
                "A result with slices in the patient, of an app that read a radiograph.",
                "Return Classification, Measurements, TextReport or SecondaryCapture of a radiograph.",
            )
        return self.image

    @cached_property
    def identity(self) -> Dataset:
        """Patient and study attributes as every result carries them."""
        return identity_attributes(self._first)

    @cached_property
    def character_set(self) -> tuple[str, ...]:
        """The defined terms of SpecificCharacterSet; none for the default repertoire."""
        terms = self._first.get("SpecificCharacterSet") or ()
        return (terms,) if isinstance(terms, str) else tuple(map(str, terms))

    @cached_property
    def notes(self) -> tuple[str, ...]:
        """What the results do not say of the patient and study, because the source has it wrong."""
        return left_out(self._first, self.identity)

    @cached_property
    def slices(self) -> list[SourceSlice]:
        """In the order of the volume's slices.  Raises InvalidResult for a radiograph."""
        return [_slice(instance, self._named[instance], frame) for instance, frame in self.volume.sources]

    @property
    def modality(self) -> str:
        """Modality of the series (PS3.3 C.7.3.1.1.1)."""
        return str(self._first.Modality)

    @cached_property
    def references(self) -> list[Reference]:
        """Each instance once, in the order of the volume's slices; those of further channels follow."""
        return list(dict.fromkeys(self._named.values()))

    @cached_property
    def _named(self) -> "dict[SeriesInstance, Reference]":
        instances = [*(instance for instance, _ in self.image.sources), *self.image.series.instances]
        return {instance: Reference.to(instance.dataset) for instance in dict.fromkeys(instances)}

    @cached_property
    def header(self) -> Dataset:
        """The first slice, or the radiograph, as a single-frame instance of nobody: what highdicom needs.

        Of an Enhanced instance too it is one frame.  The identity comes into a result when it is sealed:
        highdicom would warn of odd names by telling them.
        """
        header, first = Dataset(), self.references[0]
        for keyword in (*IDENTITY, *REQUIRED):
            setattr(header, keyword, None)
        header.StudyInstanceUID = first.study_instance_uid
        header.SOPClassUID = CTImageStorage  # single-frame; the results' references are made elsewhere
        header.SOPInstanceUID = first.sop_instance_uid
        header.SeriesInstanceUID = first.series_instance_uid
        header.Modality = self.modality
        header.Rows, header.Columns = self.image.array.shape[-2:]
        if not isinstance(self.image, Radiograph):
            _, header.Rows, header.Columns = self.image.source_shape
            header.update(self._place_of_first_slice())
        return header

    def _place_of_first_slice(self) -> Dataset:
        place, volume = Dataset(), self.volume
        place.FrameOfReferenceUID = volume.frame_of_reference_uid
        place.PositionReferenceIndicator = None
        place.ImagePositionPatient = list(self.slices[0].position)
        place.ImageOrientationPatient = orientation(volume)
        between_mm, *within_mm = volume.spacing_mm
        place.PixelSpacing = decimal_strings(within_mm)
        place.SliceThickness, place.SpacingBetweenSlices = decimal_strings(
            [_thickness_mm(self._first) or between_mm, between_mm]
        )
        return place

    @property
    def _first(self) -> Dataset:
        return self.image.sources[0][0].dataset


def _slice(instance: "SeriesInstance", reference: Reference, frame_number: int) -> SourceSlice:
    dataset = instance.dataset
    if "NumberOfFrames" not in dataset:
        return SourceSlice(reference, None, decimal_texts(dataset.ImagePositionPatient))
    frame = dataset.PerFrameFunctionalGroupsSequence[frame_number - 1]
    return SourceSlice(
        reference, frame_number, decimal_texts(frame.PlanePositionSequence[0].ImagePositionPatient)
    )


def _thickness_mm(header: Dataset) -> float | None:
    [value] = numbers_of(header, "SliceThickness", 1) or [0.0]
    return value if value > 0 else None


def orientation(volume: "Volume") -> list[DSfloat]:
    """ImageOrientationPatient: six direction cosines, along a row, then down a column."""
    _, rows_mm, columns_mm = volume.spacing_mm
    return decimal_strings([*(volume.affine[:3, 2] / columns_mm), *(volume.affine[:3, 1] / rows_mm)])


def decimal_texts(values: Iterable[float]) -> tuple[str, ...]:
    """Numbers as DS of at most 16 characters (PS3.5 section 6.2), whatever the source wrote."""
    return tuple(format_number_as_ds(float(value)) for value in values)


def decimal_strings(values: Iterable[float]) -> list[DSfloat]:
    """The same as pydicom's values."""
    return [DSfloat(text) for text in decimal_texts(values)]
