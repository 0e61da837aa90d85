# SPDX-License-Identifier: Apache-2.0
"""The gateway's own look at every result takes what we write, and refuses a mesh of nothing."""

from dataclasses import replace
from pathlib import Path

import pytest
from builders import ct_series, enhanced_ct
from pydicom import dcmread
from result_files import Written, volume_in, write
from results_3d import KINDS, each, file_of, ring

from imaging_data import file_sha256, read_header
from imaging_operators import Mesh
from informatics_gateway.errors import InvalidResult
from informatics_gateway.model import (
    Identity,
    InputSet,
    Instance,
    Job,
    JobStatus,
    Manifest,
    Result,
    SeriesKey,
)
from informatics_gateway.validate import validate


@pytest.fixture(scope="module", params=[ct_series, enhanced_ct])
def written(request, tmp_path_factory) -> tuple[Job, Written]:
    folder = tmp_path_factory.mktemp("job")
    request.param(folder / "ct", spacing=(2.5, 0.5, 0.75))
    volume = volume_in(folder / "ct")
    results = each(volume, ring(volume))
    results.append(Mesh(results[-1].segmentation, 2, "obj"))
    return job_of(volume), write(folder / "out", volume, results)


def job_of(volume) -> Job:
    """The job whose input is this volume's series."""
    instances = tuple(instance_of(one.path, one.sha256) for one in volume.series.instances)
    first = instances[0]
    key = SeriesKey("TESTS@127.0.0.1", "ORGANS", first.study_instance_uid, first.series_instance_uid)
    inputs = InputSet(1, key, 1, volume.series.input_hash, instances, 0.0, "a test")
    return Job(1, inputs, "ORGANS/test-app", "test-app", JobStatus.EXECUTED, 1, 1, 0.0)


def instance_of(path: Path, sha256: str) -> Instance:
    header = read_header(path)
    uids = map(str, (header.SOPInstanceUID, header.SOPClassUID, header.SeriesInstanceUID))
    identity = Identity(str(header.PatientID), "", str(header.PatientName), str(header.StudyInstanceUID))
    return Instance(*uids, identity, path, sha256)


def manifest(job: Job, written: Written) -> Manifest:
    results = tuple(
        Result(written.folder / entry["file"], *(entry[key] for key in KEYS))
        for entry in written.document["results"]
    )
    return Manifest("test-app", "1.2", job.input_set.hash, results)


KEYS = ("kind", "sop_class_uid", "sop_instance_uid", "series_instance_uid", "sha256")


def test_all_of_them_are_taken(written):
    job, output = written
    taken = validate(job, manifest(job, output), "shadow")
    assert [result.kind for result in taken] == [*KINDS, "mesh"]


def test_a_mesh_of_nothing_is_refused(written):
    job, output = written
    path = file_of(output.folder, "mesh")
    content, dataset = path.read_bytes(), dcmread(path)
    dataset.EncapsulatedDocument = None
    dataset.save_as(path, enforce_file_format=True)
    whole = manifest(job, output)
    results = tuple(
        replace(one, sha256=file_sha256(path)) if one.path == path else one for one in whole.results
    )
    try:
        with pytest.raises(InvalidResult, match="it holds no surface"):
            validate(job, replace(whole, results=results), "shadow")
    finally:
        path.write_bytes(content)
