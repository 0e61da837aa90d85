# SPDX-License-Identifier: Apache-2.0
"""Every reference in a result, wherever it stands: to the input, to the other results, to nothing else."""

from collections.abc import Iterable, Sequence

from pydicom import Dataset

from imaging_data import check_uid
from imaging_data.values import items_of, numbers_of, values_of

from ..errors import InvalidResult
from ..model import InputSet, Instance, Result
from .objects import ResultObject
from .sources import Sources
from .walk import Item, walk

MANAGEMENT = "1.2.840.10008.3.1.2."  # classes of patients, visits, studies, performed steps (PS3.6 table A-1)
PREDECESSORS = "PredecessorDocumentsSequence"
FRAMES_OF_REFERENCE = {"FrameOfReferenceUID", "ReferencedFrameOfReferenceUID"}


class References:
    """What the results of one job may refer to.

    predecessors: the delivered results of the revision before, which only PredecessorDocumentsSequence names.
    """

    def __init__(
        self,
        input_set: InputSet,
        sources: Sources,
        objects: Sequence[ResultObject],
        predecessors: Iterable[Result],
    ) -> None:
        self._study = input_set.identity.study_instance_uid
        self._sources = sources
        self._objects = {each.result.sop_instance_uid: each for each in objects}
        inputs = {each.sop_instance_uid: each for each in input_set.instances}
        self._known: dict[str, Instance | Result] = {**inputs, **_by_uid(each.result for each in objects)}
        self._predecessors = _by_uid(predecessors)

    def check(self, dataset: Dataset) -> None:
        """What a reference says of its target (SOP class, study, series, frame, segment) must be so.

        Raises InvalidResult for the first that leads elsewhere, InvalidIdentifier for a malformed UID.
        """
        for item in walk(dataset):
            for keyword, uid in item.uids:
                check_uid(uid, keyword)
                if keyword in FRAMES_OF_REFERENCE and uid not in self._sources.frames_of_reference:
                    raise InvalidResult(f"its {keyword} is not the source's.")
            if item.place.study not in ("", self._study):
                raise InvalidResult(f"its {item.place.outermost} names another study.")
            if "ReferencedSOPInstanceUID" in item.dataset:
                self._check_reference(item)

    def _check_reference(self, item: Item) -> None:
        uid = item.uid("ReferencedSOPInstanceUID")
        if self._is_of_the_study(item, uid):
            return
        known = self._predecessors if item.place.outermost == PREDECESSORS else self._known
        said = f"its {item.place.outermost} refers to {uid or 'nothing'}"
        if uid not in known:
            raise InvalidResult(f"{said}, which is neither in the input set nor among the results.")
        if item.uid("ReferencedSOPClassUID") != known[uid].sop_class_uid:
            raise InvalidResult(f"{said} with another SOP class than it has.")
        if item.place.series not in ("", known[uid].series_instance_uid):
            raise InvalidResult(f"{said} within another series than it is in.")
        frames = _numbers(item, "ReferencedFrameNumber")
        if frames and not 1 <= min(frames) <= max(frames) <= self._frames(uid):
            raise InvalidResult(f"{said} with a frame that it does not have.")
        if not _numbers(item, "ReferencedSegmentNumber") <= self._segments(uid):
            raise InvalidResult(f"{said} with a segment that it does not have.")

    def _is_of_the_study(self, item: Item, uid: str) -> bool:
        """Whether it names the study itself, as structure sets do, or a step of it that the source names."""
        if not item.uid("ReferencedSOPClassUID").startswith(MANAGEMENT):
            return False
        return uid == self._study or any(
            each.uid("ReferencedSOPInstanceUID") == uid
            for header in self._sources.headers
            for each in walk(header)
        )

    def _frames(self, uid: str) -> int:
        if uid not in self._objects:
            return self._sources.frames_of(uid)
        return int((numbers_of(self._objects[uid].dataset, "NumberOfFrames", 1) or (1,))[0])

    def _segments(self, uid: str) -> set[int]:
        if uid not in self._objects:
            return set()
        return {int(each.SegmentNumber) for each in items_of(self._objects[uid].dataset, "SegmentSequence")}


def _by_uid(results: Iterable[Result]) -> dict[str, Instance | Result]:
    return {result.sop_instance_uid: result for result in results}


def _numbers(item: Item, keyword: str) -> set[int]:
    return {int(value) for value in values_of(item.dataset, keyword)}
