# SPDX-License-Identifier: Apache-2.0
"""Which images to look at: a Key Object Selection document (PS3.3 A.35.4, PS3.16 TID 2010)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from pydicom import Dataset
from pydicom.uid import KeyObjectSelectionDocumentStorage

from ..coding import Code, codes
from ..errors import InvalidResult
from .base import RESEARCH_ONLY, Result, ResultContext
from .evidence import Reference, by_study
from .marks import image_at
from .structured_report import observer


@dataclass(frozen=True, eq=False)
class KeyObject:
    """Images of the source, and results of this run, that are worth looking at.

    instances: numbers of slices (0 for a radiograph), or results that are returned beside this one.
    title: why, of PS3.16 CID 7010.
    description: more, in a sentence or two.
    Raises InvalidResult without any instance.
    """

    instances: Sequence["int | Result"]
    title: Code = codes.cid7010.OfInterest
    description: str = ""
    kind: ClassVar[str] = "key-object"

    def __post_init__(self) -> None:
        if not self.instances:
            raise InvalidResult("A KeyObject without any instance.", "Return no KeyObject then.")

    def to_dicom(self, context: ResultContext) -> Dataset:
        """The document.  Raises InvalidResult for a slice that there is not, or a result of another run."""
        from highdicom.ko import KeyObjectSelection

        objects = [_object(instance, context) for instance in self.instances]
        content = KeyObjectSelection(
            document_title=self.title,
            referenced_objects=objects,
            observer_device_context=observer(context),
            description="\n".join(filter(None, [self.description.strip(), RESEARCH_ONLY])),
        )
        dataset = Dataset()
        dataset.SOPClassUID = KeyObjectSelectionDocumentStorage
        dataset.Modality = "KO"
        dataset.ReferencedPerformedProcedureStepSequence = []
        dataset.CurrentRequestedProcedureEvidenceSequence = by_study(
            dict.fromkeys(Reference.to(each) for each in objects)
        )
        dataset.update(content[0])
        dataset.ContinuityOfContent = "SEPARATE"
        references = [item for item in dataset.ContentSequence if "ReferencedSOPSequence" in item]
        for item, named in zip(references, objects, strict=True):
            del item.ConceptNameCodeSequence  # TID 2010 forbids the name that highdicom gives
            if "ReferencedFrameNumber" in named:
                item.ReferencedSOPSequence[0].ReferencedFrameNumber = named.ReferencedFrameNumber
        return dataset


def _object(instance: "int | Result", context: ResultContext) -> Dataset:
    """What the document needs to know of one instance: its identifiers, and whether it is an image."""
    if not isinstance(instance, int):
        encoded = context.encoded_as(instance)
        if encoded is None:
            raise InvalidResult("A KeyObject names a result that is not returned beside it.")
        return encoded
    place = image_at(context.source, instance)
    named = Dataset()
    named.SOPClassUID, named.SOPInstanceUID = place.instance.sop_class_uid, place.instance.sop_instance_uid
    named.StudyInstanceUID = place.instance.study_instance_uid
    named.SeriesInstanceUID = place.instance.series_instance_uid
    named.Rows, named.Columns = context.source.image.array.shape[-2:]
    if place.frame_number is not None:
        named.ReferencedFrameNumber = place.frame_number
    return named
