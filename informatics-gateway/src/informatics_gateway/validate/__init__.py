# SPDX-License-Identifier: Apache-2.0
"""Step 5.  Nothing leaves that does not belong to the study that came in, or does not lie where it lies.

An app is a stranger's program: what it wrote is taken for nothing until it was read again here.
"""

from collections.abc import Sequence

from ..errors import InvalidResult
from ..model import InputSet, Job, Manifest, Result
from .accepted import CONTOURS, DOCUMENTS, FRAMES_ON_SOURCE
from .contents import check_contents
from .coordinates import check_report, check_structures
from .frames import check_frames
from .identity import check_identity, check_maker, check_stage
from .objects import ResultObject, check_files, naming, read_object
from .references import References
from .sources import Sources


def validate(
    job: Job, manifest: Manifest, stage: str, *, predecessors: Sequence[Result] = ()
) -> tuple[Result, ...]:
    """The results of the job's attempt, every one of them, once each was found to be in order.

    stage: of the app; "draft" and "shadow" results must say that they are for research only.
    predecessors: the delivered results of the revision before: PredecessorDocumentsSequence may name them.

    Raises InvalidResult, whose sentence says which result and what is wrong; no value of a patient is in it.
    """
    if manifest.input_hash != job.input_set.hash:
        raise InvalidResult("The app read other instances than those of the job: its input hash differs.")
    if not manifest.results:
        raise InvalidResult("The app left no result.")
    check_files(manifest.results)
    objects = [_read(result) for result in manifest.results]
    _check_distinct(objects, job.input_set)
    sources = Sources(job.input_set)
    references = References(job.input_set, sources, objects, predecessors)
    for found in objects:
        with naming(found.result):
            check_identity(found.dataset, job.input_set.identity)
            check_stage(found.dataset, stage)
            check_maker(found.dataset)
            check_contents(found)
            references.check(found.dataset)
            _check_geometry(found, sources, objects)
    return manifest.results


def _read(result: Result) -> ResultObject:
    with naming(result):
        return read_object(result)


def _check_geometry(found: ResultObject, sources: Sources, objects: Sequence[ResultObject]) -> None:
    if found.sop_class_uid in FRAMES_ON_SOURCE:
        check_frames(found, sources)
    if found.sop_class_uid in CONTOURS:
        check_structures(found.dataset, sources)
    if found.sop_class_uid in DOCUMENTS:
        check_report(found.dataset, sources, {each.result.sop_instance_uid: each for each in objects})


def _check_distinct(objects: Sequence[ResultObject], input_set: InputSet) -> None:
    """No UID stands for two things: neither a result's and an input's, nor a series' for two kinds."""
    taken = {each.sop_instance_uid for each in input_set.instances}
    source_series = {each.series_instance_uid for each in input_set.instances}
    kinds: dict[str, tuple[str, str]] = {}
    for found in objects:
        result = found.result
        with naming(result):
            if result.sop_instance_uid in taken:
                raise InvalidResult("its SOPInstanceUID is that of another instance.")
            if result.series_instance_uid in source_series:
                raise InvalidResult("its SeriesInstanceUID is the source's.")
            kind = (result.kind, result.sop_class_uid)
            if kinds.setdefault(result.series_instance_uid, kind) != kind:
                raise InvalidResult("its SeriesInstanceUID is that of results of another kind.")
        taken.add(result.sop_instance_uid)
