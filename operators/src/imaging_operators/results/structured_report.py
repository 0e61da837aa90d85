# SPDX-License-Identifier: Apache-2.0
"""What all structured reports share: the document, and the frame of a TID 1500 report (PS3.16)."""

from collections.abc import Sequence
from typing import Any

from pydicom import Dataset
from pydicom.tag import Tag
from pydicom.uid import UID, Comprehensive3DSRStorage

from ..coding import Code, codes
from .base import ResultContext
from .content_items import (
    CONTAINS,
    CONTEXT,
    MODIFIES,
    code_item,
    container_item,
    text_item,
    uid_item,
)
from .encoding import items, raw
from .evidence import Reference, by_study
from .evidence import code_item as concept

ENGLISH = Code("en-US", "RFC5646", "English (United States)")

# PS3.16 CID 100, by Modality (PS3.3 C.7.3.1.1.1).
PROCEDURES: dict[str, Code] = {
    "CT": codes.cid100.CTUnspecifiedBodyRegion,
    "MR": codes.cid100.MRIUnspecifiedBodyRegion,
    "PT": codes.cid100.PETUnspecifiedBodyRegion,
    "NM": codes.cid100.NMUnspecifiedBodyRegion,
    "CR": codes.cid100.XRUnspecifiedBodyRegion,
    "DX": codes.cid100.XRUnspecifiedBodyRegion,
}


def sr_document(sop_class_uid: UID, context: ResultContext) -> Dataset:
    """The SR Document General module (PS3.3 C.17.2): the source and the run's segmentations as evidence."""
    dataset = Dataset()
    dataset.SOPClassUID = sop_class_uid
    dataset.Modality = "SR"
    dataset.ReferencedPerformedProcedureStepSequence = []
    dataset.PerformedProcedureCodeSequence = []
    dataset.CompletionFlag = "COMPLETE"
    dataset.VerificationFlag = "UNVERIFIED"
    dataset.PreliminaryFlag = "PRELIMINARY"
    dataset.CurrentRequestedProcedureEvidenceSequence = by_study(context.evidence)
    if context.replaced is not None:
        dataset.PredecessorDocumentsSequence = by_study([Reference.to_replaced(context.replaced)])
    return dataset


def measurement_report(
    context: ResultContext, groups: Sequence[Any], title: Code, procedure: Code | None
) -> Dataset:
    """A Comprehensive 3D SR after TID 1500 with these measurement groups of highdicom.

    procedure: of PS3.16 CID 100; by default the one of the source's Modality.
    """
    from highdicom import ContributingEquipment
    from highdicom.sr import MeasurementReport, ObservationContext

    content = MeasurementReport(
        observation_context=ObservationContext(observer_device_context=observer(context)),
        procedure_reported=procedure or _procedure(context),
        imaging_measurements=groups,
        title=title,
    )
    dataset = sr_document(Comprehensive3DSRStorage, context)
    dataset.update(content[0])
    dataset.ContributingEquipmentSequence = [ContributingEquipment.for_highdicom()]
    _separate_containers(dataset)
    return dataset


def scores_report(
    context: ResultContext,
    groups: Sequence[bytes],
    title: Code,
    procedure: Code | None,
    remarks: Sequence[tuple[Code, str]],
) -> Dataset:
    """The same of groups as bytes, all of it written as bytes.

    remarks: text under a concept name, after the groups (the template may be extended).
    """
    info, template = context.info, Dataset()
    template.MappingResource, template.TemplateIdentifier = "DCMR", "1500"
    dataset = sr_document(Comprehensive3DSRStorage, context)
    dataset.ValueType, dataset.ContinuityOfContent = "CONTAINER", "SEPARATE"
    dataset.ConceptNameCodeSequence = [concept(title)]
    dataset.ContentTemplateSequence = [template]
    tree = (
        code_item(MODIFIES, codes.DCM.LanguageOfContentItemAndDescendants, ENGLISH),
        code_item(CONTEXT, codes.DCM.ObserverType, codes.DCM.Device),
        uid_item(CONTEXT, codes.DCM.DeviceObserverUID, context.run.device_uid),
        text_item(CONTEXT, codes.DCM.DeviceObserverName, info.name),
        text_item(CONTEXT, codes.DCM.DeviceObserverManufacturer, info.creator),
        text_item(CONTEXT, codes.DCM.DeviceObserverModelName, info.name),
        code_item(MODIFIES, codes.DCM.ProcedureReported, procedure or _procedure(context)),
        container_item(codes.DCM.ImagingMeasurements, groups),
        *(text_item(CONTAINS, name, value) for name, value in remarks),
    )
    dataset[Tag("ContentSequence")] = raw("ContentSequence", items(tree))
    return dataset


def _procedure(context: ResultContext) -> Code:
    otherwise: Code = codes.cid100.ImagingProcedure
    return PROCEDURES.get(context.source.modality, otherwise)


def observer(context: ResultContext) -> Any:
    """The app as the device that observed (TID 1002, TID 1004)."""
    from highdicom.sr import DeviceObserverIdentifyingAttributes, ObserverContext

    device = DeviceObserverIdentifyingAttributes(
        uid=context.run.device_uid,
        name=context.info.name,
        manufacturer_name=context.info.creator,
        model_name=context.info.name,
    )
    return ObserverContext(observer_type=codes.DCM.Device, observer_identifying_attributes=device)


def group_identity(context: ResultContext, tracking_uid: str, label: str) -> dict[str, Any]:
    """What each measurement group says first: its tracking identifier and UID, and the algorithm."""
    from highdicom import UID as HighdicomUID
    from highdicom.sr import AlgorithmIdentification, TrackingIdentifier

    return {
        "tracking_identifier": TrackingIdentifier(uid=HighdicomUID(tracking_uid), identifier=label),
        "algorithm_id": AlgorithmIdentification(context.info.name, context.info.version),
    }


def _separate_containers(item: Dataset) -> None:
    """ContinuityOfContent SEPARATE (PS3.3 C.18.8): viewers that show text show the concept names too."""
    if item.get("ValueType") == "CONTAINER":
        item.ContinuityOfContent = "SEPARATE"
    for child in item.get("ContentSequence", ()):
        _separate_containers(child)
