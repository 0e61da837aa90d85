# SPDX-License-Identifier: Apache-2.0
"""References to other objects (PS3.3 C.17.2.3, table C.17-3)."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from pydicom import Dataset

from ..coding import Code
from ..context import Replaced


@dataclass(frozen=True)
class Reference:
    """Which SOP instance, and in which study and series."""

    sop_class_uid: str
    sop_instance_uid: str
    study_instance_uid: str
    series_instance_uid: str

    @classmethod
    def to(cls, dataset: Dataset) -> Self:
        """The reference to an object at hand."""
        return cls(
            str(dataset.SOPClassUID),
            str(dataset.SOPInstanceUID),
            str(dataset.StudyInstanceUID),
            str(dataset.SeriesInstanceUID),
        )

    @classmethod
    def to_replaced(cls, replaced: Replaced) -> Self:
        """The reference to a delivered result."""
        return cls(
            replaced.sop_class_uid,
            replaced.sop_instance_uid,
            replaced.study_instance_uid,
            replaced.series_instance_uid,
        )


def by_study(references: Iterable[Reference]) -> list[Dataset]:
    """Items of CurrentRequestedProcedureEvidenceSequence or PredecessorDocumentsSequence, in their order."""
    studies: dict[str, dict[str, list[Dataset]]] = {}
    for reference in references:
        series = studies.setdefault(reference.study_instance_uid, {})
        series.setdefault(reference.series_instance_uid, []).append(instance_item(reference))
    return [_study(uid, series) for uid, series in studies.items()]


def _study(uid: str, series: dict[str, list[Dataset]]) -> Dataset:
    study = Dataset()
    study.StudyInstanceUID = uid
    study.ReferencedSeriesSequence = [_series(key, instances) for key, instances in series.items()]
    return study


def _series(uid: str, instances: list[Dataset]) -> Dataset:
    series = Dataset()
    series.SeriesInstanceUID = uid
    series.ReferencedSOPSequence = instances
    return series


def source_items(references: Iterable[Reference], purpose: Code) -> list[Dataset]:
    """Items of SourceImageSequence or SourceInstanceSequence (PS3.3 C.7.6.1, C.24.2)."""
    items = [instance_item(reference) for reference in references]
    for item in items:
        item.PurposeOfReferenceCodeSequence = [code_item(purpose)]
    return items


def code_item(code: Code) -> Dataset:
    """The item of a code sequence (PS3.3 table 8.8-1)."""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = (
        code.value,
        code.scheme_designator,
        code.meaning,
    )
    return item


def instance_item(reference: Reference) -> Dataset:
    """The item that names one instance (PS3.3 table 10-11)."""
    instance = Dataset()
    instance.ReferencedSOPClassUID = reference.sop_class_uid
    instance.ReferencedSOPInstanceUID = reference.sop_instance_uid
    return instance
