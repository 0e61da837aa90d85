# SPDX-License-Identifier: Apache-2.0
"""Which accepted file stands for a new result of the same UID: the first that differs in its times alone."""

import threading
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import made_results
import pytest
from builders import ct_series
from pydicom import dcmread
from pydicom.dataelem import RawDataElement
from pydicom.tag import Tag

from imaging_data import file_sha256, input_hash
from informatics_gateway.config import Config
from informatics_gateway.execute import Executor
from informatics_gateway.model import Association, JobStatus, Result, SeriesKey
from informatics_gateway.pipeline import steps
from informatics_gateway.pipeline.lanes import Lanes
from informatics_gateway.pipeline.once import first_accepted
from informatics_gateway.receive import read_instance
from informatics_gateway.store import Store

APP = Path(__file__).parents[1] / "operators" / "apps" / "torch_free"


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> Result:
    folder = tmp_path_factory.mktemp("report")
    job = made_results.made(folder, ct_series(folder / "source", slices=1))
    job.add("text-report", made_results.text_report(job.sources[0]))
    return job.results["text-report"]


def other(report: Result, path, **values: str) -> Result:
    """Another job's file under the same UID, with other values."""
    dataset = dcmread(report.path)
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    dataset.save_as(path)
    return replace(report, path=path, sha256=file_sha256(path))


def test_times_alone_make_no_other_result(report, tmp_path):
    earlier = other(report, tmp_path / "1.dcm", ContentTime="010203", ContentDate="20200101")
    later = other(report, tmp_path / "2.dcm", ContentTime="040506")
    assert first_accepted(report, [earlier, later]) == earlier


def test_what_says_something_else_does_not_stand_for_it(report, tmp_path):
    different = other(report, tmp_path / "1.dcm", ContentTime="010203", PatientID="SOMEBODY-ELSE")
    earlier = other(report, tmp_path / "2.dcm", ContentTime="010203")
    assert first_accepted(report, [different]) is None
    assert first_accepted(report, [different, earlier]) == earlier


def test_the_same_bytes_need_no_other_file(report):
    assert first_accepted(report, [report]) is None
    assert first_accepted(report, []) is None


def test_what_is_no_longer_what_was_accepted_does_not_count(report, tmp_path):
    earlier = other(report, tmp_path / "1.dcm", ContentTime="010203")
    other(report, tmp_path / "1.dcm", ContentTime="010204")
    assert first_accepted(report, [earlier]) is None
    earlier.path.unlink()
    assert first_accepted(report, [earlier]) is None


def test_a_value_that_cannot_be_read_is_no_fault(report, tmp_path):
    dataset = dcmread(report.path)
    tag = Tag("SimpleFrameList")  # numbers of four bytes
    dataset[tag] = RawDataElement(tag, "UL", 2, b"12", 0, False, True)
    dataset.save_as(tmp_path / "1.dcm")
    earlier = replace(report, path=tmp_path / "1.dcm", sha256=file_sha256(tmp_path / "1.dcm"))
    assert first_accepted(report, [earlier]) is None


@pytest.fixture
def two_apps(tmp_path):
    """The journal and the lanes of a job for each of two apps of one folder, on one series, a second apart."""
    files = {"name": "files", "kind": "folder", "path": tmp_path / "out", "clinical": False}
    tables = {
        "app": [{"name": name, "path": APP} for name in ("one", "two")],
        "route": [
            {"called_ae_title": "TOOL", "app": name, "destinations": ["files"]} for name in ("one", "two")
        ],
        "destination": [files],
        "storage": {"path": tmp_path / "storage"},
    }
    config = Config.model_validate(tables)
    store, executor = Store(config.storage.path), Executor(config)
    instances = [read_instance(path) for path in ct_series(tmp_path / "storage" / "ct", slices=2)]
    who = Association("a", "MODALITY@127.0.0.1", "MODALITY", "TOOL", "127.0.0.1", 0.0)
    store.record_arrivals([(who, instance, time.time()) for instance in instances])
    key = SeriesKey(who.source, "TOOL", instances[0].study_instance_uid, instances[0].series_instance_uid)
    sealed = store.seal(key, input_hash(each.sha256 for each in instances), instances, "quiet")
    for route in config.routes:
        store.queue(sealed, [route])
        time.sleep(1.1)  # the results' times are the jobs'
    yield store, Lanes(store, config, executor)
    executor.close()
    store.close()


def test_of_two_jobs_that_are_validated_at_the_same_instant_one_is_the_first(two_apps, monkeypatch):
    store, lanes = two_apps
    numbers = [job.id for job in store.jobs()]
    together = threading.Barrier(2)

    def slowly(result: Result, accepted: list[Result]) -> Result | None:
        """Both jobs have looked at what was accepted, where they may."""
        with suppress(threading.BrokenBarrierError):
            together.wait(1)
        return first_accepted(result, accepted)

    def contents() -> list[str]:
        return [store.results(number)[0].sha256 for number in numbers]

    def step(number: int) -> None:
        lanes.take_step(store.job(number))

    monkeypatch.setattr(steps, "first_accepted", slowly)
    for number in numbers:
        step(number)
    own = contents()
    assert own[0] != own[1]
    threads = [threading.Thread(target=step, args=(number,)) for number in numbers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [store.job(number).status for number in numbers] == [JobStatus.VALIDATED] * 2
    assert contents() in ([own[0]] * 2, [own[1]] * 2)
