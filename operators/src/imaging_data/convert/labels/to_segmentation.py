# SPDX-License-Identifier: Apache-2.0
"""Label maps and contours as DICOM Segmentations of the series that they belong to (PS3.3 sections A.51, A.101)."""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import UID, ExplicitVRLittleEndian, RLELossless

from ...characters import keep_character_set
from ...checks import check_voxels
from ...errors import NoMatchingSeries, OverlappingPhases
from ...identifiers import derive_uid
from ...identity import identity_attributes
from ...instances import Series, find_instances
from ...rle import encode_frames
from ...slices import Slice
from ...values import items_of, text_of, values_of
from ..converted import Converted, ConvertedSeries
from ..errors import NothingToConvert, NotLabels
from ..from_dicom.stored import Layout, layout_of
from ..grids import spacing_of
from ..outputs import Outputs
from ..to_dicom.writer import RULES, said_sha256
from .layers import TISSUE, Code, LabelledSegment, Labels
from .maps import read_label_map

LONGEST_LABEL = 64  # LO, PS3.5 section 6.2
SERIES_NUMBER = 301
LATER = UID("2.25.0")  # in the place of a UID that follows from the rest
ALGORITHMS = ("MANUAL", "SEMIAUTOMATIC", "AUTOMATIC")


@dataclass(frozen=True)
class ToSegmentation:
    """How labels become a Segmentation.

    kind: "binary", which viewers take, or "labelmap", which is smaller.
    table: `.json` with what the numbers of a label map mean (`convert_from_dicom` writes such); without one
    they are 'Segment 1' and so on, tissue.
    resample: take the nearest voxel of labels on another grid rather than refuse them.
    series_instance_uid: which series of the template folder, where it holds several.
    description: SeriesDescription.
    """

    kind: Literal["binary", "labelmap"] = "binary"
    table: Path | None = None
    resample: bool = False
    series_instance_uid: str = ""
    description: str = "Segmentation"


def labels_to_seg(
    labels: Path, template: Path, target: Path, options: ToSegmentation | None = None
) -> Converted:
    """Write a Segmentation of the series in `template`, whose patient and study it takes.

    labels: as `read_label_map` takes them.  target: a `.dcm` file, else a folder for one.  Raises AnotherGrid when
    the labels lie on another grid than the series, AnotherPatient, NotLabels, NothingToConvert when they mark
    nothing, NoMatchingSeries, NotAVolume, TargetExists.
    """
    options = options or ToSegmentation()
    series = _series(template, options.series_instance_uid)
    layout = layout_of(series)
    _check_one_volume(layout)
    patient_id = text_of(layout.slices[0].dataset, "PatientID")
    found = read_label_map(labels, layout.grid, options.table, options.resample, patient_id)
    written = datetime.fromtimestamp(int(labels.stat().st_mtime), UTC)
    dataset = segmentation_dataset(found, layout, options, written)
    path = target if target.suffix.lower() == ".dcm" else target / "segmentation.dcm"
    with Outputs() as outputs:
        dataset.save_as(outputs.file(path), enforce_file_format=True)
    made = ConvertedSeries(
        series.study_instance_uid, dataset.SeriesInstanceUID, dataset.SOPClassUID, "SEG", (path.name,)
    )
    return Converted((made,), outputs.targets, ())


def segmentation_dataset(
    labels: Labels, layout: Layout, options: ToSegmentation | None = None, moment: datetime | None = None
) -> Dataset:
    """The Segmentation of `labels`, which lie on the grid of `layout`; segments without voxels are left out.

    moment: when the labels were made, its ContentDate and ContentTime; now without one.  UIDs follow from it, from
    the source instances and from the content, so the same labels of the same moment make the same object.
    Numbers of a BINARY one are 1, 2, 3 and so on, as the Standard wants them (PS3.3 section C.8.20.2).
    Raises NothingToConvert without any voxel, NotLabels for fractions and for a label map of segments that
    overlap, OverlappingPhases for a series of several volumes.
    """
    from highdicom.seg import Segmentation

    options = options or ToSegmentation()
    _check_one_volume(layout)
    segments = labels.shown()
    if not segments:
        raise NothingToConvert(
            "The labels mark nothing.", hint="Give labels with at least one voxel above 0."
        )
    renumbered = options.kind == "binary"
    numbers = {one.number: place for place, one in enumerate(segments, start=1)} if renumbered else {}
    identity, sources = _sources(layout)
    order = np.argsort([one.frame for one in layout.slices]) if _is_multiframe(layout) else slice(None)
    dataset = Segmentation(
        source_images=sources,
        pixel_array=_pixels(labels, segments, options.kind)[order],
        segmentation_type=options.kind.upper(),
        segment_descriptions=[_description(one, numbers.get(one.number, one.number)) for one in segments],
        series_instance_uid=LATER,
        series_number=SERIES_NUMBER,
        sop_instance_uid=LATER,
        instance_number=1,
        manufacturer="Gantry",
        manufacturer_model_name="gantry convert",
        software_versions=version("gantry"),
        device_serial_number="1",
        content_label="SEGMENTATION",
        transfer_syntax_uid=ExplicitVRLittleEndian,
        **_geometry(layout, order),
    )
    if options.kind == "labelmap":
        _compress(dataset)
    dataset.update({element.tag: element for element in identity})
    dataset.SeriesDescription = options.description[:LONGEST_LABEL]
    if not dataset.FrameOfReferenceUID:  # then there is no Frame of Reference module (PS3.3 C.7.4.1)
        del dataset.FrameOfReferenceUID
        dataset.pop("PositionReferenceIndicator", None)
    terms = tuple(map(str, values_of(layout.slices[0].dataset, "SpecificCharacterSet")))
    keep_character_set(dataset, terms)
    _finish(dataset, labels, layout, moment or datetime.now(UTC))
    return dataset


def _finish(dataset: Dataset, labels: Labels, layout: Layout, moment: datetime) -> None:
    """No other date than `moment`, and UIDs; ContentCreatorName is there, empty (PS3.3 table 10-12)."""
    dataset.ContentDate, dataset.ContentTime = moment.strftime("%Y%m%d"), moment.strftime("%H%M%S.%f")
    dataset.ContentCreatorName = None
    for item in (dataset, *items_of(dataset, "ContributingEquipmentSequence")):
        for keyword in ("InstanceCreationDate", "InstanceCreationTime", "ContributionDateTime"):
            item.pop(keyword, None)
    series = layout.series
    origin = [RULES, moment.isoformat(), series.study_instance_uid, series.series_instance_uid]
    origin += dict.fromkeys(text_of(one.dataset, "SOPInstanceUID") for one in layout.slices)
    origin += [hashlib.sha256(np.ascontiguousarray(layer).data).hexdigest() for layer in labels.layers]
    origin.append(said_sha256(dataset, "PixelData", "PerFrameFunctionalGroupsSequence"))
    dataset.SeriesInstanceUID, dataset.SOPInstanceUID = derive_uid(*origin, "series"), derive_uid(*origin)
    for keyword in ("DimensionOrganizationSequence", "DimensionIndexSequence"):
        for item in items_of(dataset, keyword):
            item.DimensionOrganizationUID = derive_uid(*origin, "dimensions")


def _compress(dataset: Dataset) -> None:
    """The frames of a LABELMAP in RLE Lossless (PS3.5 Annex G), which is far smaller."""
    shape = (int(dataset.NumberOfFrames), dataset.Rows, dataset.Columns)
    stored = np.frombuffer(dataset.PixelData, f"<u{dataset.BitsAllocated // 8}", math.prod(shape))
    dataset.PixelData = encapsulate(encode_frames(stored.reshape(shape)))
    dataset["PixelData"].VR = "OB"
    dataset.file_meta.TransferSyntaxUID = RLELossless


def _series(template: Path, uid: str) -> Series:
    """The one series of images in a folder, or the one asked for."""
    found = [
        series
        for series in find_instances(template).series
        if series.series_instance_uid == uid or (not uid and values_of(series.datasets[0], "Rows"))
        if text_of(series.datasets[0], "Modality") != "SEG"
    ]
    if len(found) != 1:
        raise NoMatchingSeries(
            f"{template} holds {len(found)} series of images{' with this UID' if uid else ''}.",
            hint="Give the folder of the one series that the labels belong to, or its SeriesInstanceUID.",
        )
    return found[0]


def _check_one_volume(layout: Layout) -> None:
    if layout.volumes > 1:
        raise OverlappingPhases("A segmentation is of one volume; the series holds several.")


def _is_multiframe(layout: Layout) -> bool:
    return bool(layout.slices[0].groups)


def _sources(layout: Layout) -> tuple[Dataset, list[Dataset]]:
    """Patient and study, and what highdicom asks of each source instance, without what a source gets wrong."""
    first = layout.slices[0]
    identity, spacing_mm = identity_attributes(first.dataset), spacing_of(layout.grid.affine)[0]
    if _is_multiframe(layout):
        return identity, [_source(first, identity, spacing_mm)]
    return identity, [_source(one, identity, spacing_mm) for one in layout.slices]


def _source(one: Slice, identity: Dataset, spacing_mm: float) -> Dataset:
    source = Dataset()
    source.update(identity)
    source.pop("PatientName", None)
    source.PatientName = None  # highdicom warns of names that it thinks are none; the object gets it as it is
    header = one.dataset
    for keyword in ("SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "Modality", "FrameOfReferenceUID"):
        setattr(source, keyword, text_of(header, keyword))
    source.Rows, source.Columns = one.size
    source.PositionReferenceIndicator = None
    if one.groups:
        for keyword in (
            "NumberOfFrames",
            "SharedFunctionalGroupsSequence",
            "PerFrameFunctionalGroupsSequence",
        ):
            source[keyword] = header[keyword]
    else:
        source.ImagePositionPatient = one.position.tolist()
        source.ImageOrientationPatient = one.orientation.ravel().tolist()
        source.PixelSpacing = one.pixel_spacing.tolist()
        source.SliceThickness = spacing_mm
    return source


def _geometry(layout: Layout, order: Any) -> dict[str, Any]:
    """Where the frames lie: the slices' own positions (PS3.3 sections C.7.6.16.2.1, .3 and .4)."""
    from highdicom import PixelMeasuresSequence, PlaneOrientationSequence, PlanePositionSequence

    first = layout.slices[0]
    spacing = spacing_of(layout.grid.affine)[0]
    places = np.array([one.position for one in layout.slices])[order]
    return {
        "pixel_measures": PixelMeasuresSequence(
            pixel_spacing=first.pixel_spacing.tolist(),
            slice_thickness=spacing,
            spacing_between_slices=spacing,
        ),
        "plane_orientation": PlaneOrientationSequence("PATIENT", first.orientation.ravel().tolist()),
        "plane_positions": [PlanePositionSequence("PATIENT", place.tolist()) for place in places],
    }


def _pixels(labels: Labels, segments: Sequence[LabelledSegment], kind: str) -> NDArray[Any]:
    """A label map numbered as the segments are described, or, where they overlap, a mask of each on the last axis."""
    if labels.fractional:
        raise NotLabels(
            "They are fractions.", hint="Decide first where each segment is, for instance above 0.5."
        )
    if kind == "labelmap":
        if len(labels.layers) > 1:
            raise NotLabels(
                "The segments overlap, which no label map can say.", hint="Ask for kind `binary`."
            )
        return labels.layers[0]
    if len({labels.layer_of[segment.number] for segment in segments}) > 1:
        check_voxels((len(segments) * labels.grid.shape[0], *labels.grid.shape[1:]))
        return np.stack([labels.mask(segment.number) for segment in segments], axis=-1)
    layer = labels.layers[labels.layer_of[segments[0].number]]
    table = np.zeros(int(layer.max()) + 1, np.uint8 if len(segments) < 256 else np.uint16)
    table[[segment.number for segment in segments]] = np.arange(1, len(segments) + 1)
    return np.asarray(table[layer])


def _description(segment: LabelledSegment, number: int) -> Any:
    from highdicom import AlgorithmIdentificationSequence
    from highdicom.seg import SegmentDescription
    from pydicom.sr.codedict import codes

    kind = segment.kind or TISSUE
    algorithm = segment.algorithm if segment.algorithm in ALGORITHMS else "AUTOMATIC"
    by = AlgorithmIdentificationSequence("not stated", codes.cid7162.ArtificialIntelligence, "not stated")
    description = SegmentDescription(
        segment_number=number,
        segment_label=(segment.label.replace("\\", "/").strip() or f"Segment {number}")[:LONGEST_LABEL],
        segmented_property_category=_concept(segment.category or TISSUE),
        segmented_property_type=_concept(kind),
        algorithm_type=algorithm,
        algorithm_identification=None if algorithm == "MANUAL" else by,
    )
    if segment.modifier:
        [item] = description.SegmentedPropertyTypeCodeSequence
        item.SegmentedPropertyTypeModifierCodeSequence = [_concept(segment.modifier)]
    return description


def _concept(code: Code) -> Any:
    from highdicom.sr import CodedConcept

    return CodedConcept(code.value, code.scheme, code.meaning[:LONGEST_LABEL] or "not stated")
