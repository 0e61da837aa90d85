# SPDX-License-Identifier: Apache-2.0
"""An object that highdicom made of one frame, given the frames of a whole volume."""

from collections.abc import Sequence

from pydicom import Dataset
from pydicom.charset import convert_encodings
from pydicom.tag import Tag

from imaging_data.characters import UTF_8

from ..coding import Code, codes
from .base import ResultContext
from .encoding import items, raw, sequence, text
from .evidence import Reference
from .frames import Frame, functional_groups

OF_ONE_FRAME = (  # functional groups that are never the same for all frames here
    "DerivationImageSequence",
    "FrameContentSequence",
    "PlanePositionSequence",
    "SegmentIdentificationSequence",
)


def put_frames(
    dataset: Dataset,
    frames: Sequence[Frame],
    context: ResultContext,
    derivation: Code = codes.cid7203.SegmentationImageDerivation,
) -> None:
    """Replace the one frame's description by those of `frames`, and what speaks of the source's instances.

    Their pixels are the caller's to put in.  derivation: how a frame was made of its source (CID 7203).
    """
    source = context.source
    dataset.NumberOfFrames = len(frames)
    _put_functional_groups(dataset, functional_groups(frames, source.slices, derivation))
    dataset.pop("SourceImageSequence", None)  # each frame names its own
    if not dataset.FrameOfReferenceUID:  # then there is no Frame of Reference module (PS3.3 C.7.4.1)
        del dataset.FrameOfReferenceUID, dataset.PositionReferenceIndicator
    _put_references(dataset, source.references)
    uid = context.uid("dimensions")
    for item in (*dataset.DimensionOrganizationSequence, *dataset.DimensionIndexSequence):
        item.DimensionOrganizationUID = uid


def _put_references(dataset: Dataset, references: Sequence[Reference]) -> None:
    """The source's series and all its instances, as bytes like the frames: there are hundreds."""
    instances = [
        text("ReferencedSOPClassUID", one.sop_class_uid)
        + text("ReferencedSOPInstanceUID", one.sop_instance_uid)
        for one in references
    ]
    series = sequence("ReferencedInstanceSequence", *instances)
    series += text("SeriesInstanceUID", references[0].series_instance_uid)
    value = items([series])
    dataset[Tag("ReferencedSeriesSequence")] = raw("ReferencedSeriesSequence", value)


def _put_functional_groups(dataset: Dataset, per_frame: bytes) -> None:
    """Those of each frame as bytes, which pydicom writes as they are; those of all frames as Datasets."""
    [shared] = dataset.SharedFunctionalGroupsSequence
    for keyword in OF_ONE_FRAME:
        shared.pop(keyword, None)
    tag = Tag("PerFrameFunctionalGroupsSequence")
    dataset[tag] = raw("PerFrameFunctionalGroupsSequence", per_frame)
    dataset.set_original_encoding(False, True, convert_encodings(UTF_8))
    if "PixelPaddingValue" in dataset:
        dataset["PixelPaddingValue"].VR = "US"  # what pydicom finds out only for objects without raw elements
