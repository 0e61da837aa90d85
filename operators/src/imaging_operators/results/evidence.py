# SPDX-License-Identifier: Apache-2.0
"""References from structured reports to other objects (PS3.3 C.17.2.3 and table C.17-3)."""

from collections.abc import Iterable

from pydicom import Dataset

from ..context import Replaced


def references(datasets: Iterable[Dataset]) -> list[Dataset]:
    """Items of CurrentRequestedProcedureEvidenceSequence: instances by study and series, in their order."""
    studies: dict[str, dict[str, list[Dataset]]] = {}
    for dataset in datasets:
        series = studies.setdefault(dataset.StudyInstanceUID, {})
        series.setdefault(dataset.SeriesInstanceUID, []).append(
            _instance(dataset.SOPClassUID, dataset.SOPInstanceUID)
        )
    return [_study(uid, series) for uid, series in studies.items()]


def predecessors(replaced: Replaced | None) -> list[Dataset]:
    """Items of PredecessorDocumentsSequence: the report that this one replaces, if any."""
    if replaced is None:
        return []
    instance = _instance(replaced.sop_class_uid, replaced.sop_instance_uid)
    return [_study(replaced.study_instance_uid, {replaced.series_instance_uid: [instance]})]


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


def _instance(sop_class_uid: str, sop_instance_uid: str) -> Dataset:
    instance = Dataset()
    instance.ReferencedSOPClassUID = sop_class_uid
    instance.ReferencedSOPInstanceUID = sop_instance_uid
    return instance
