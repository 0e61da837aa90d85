# SPDX-License-Identifier: Apache-2.0
"""Which accepted file stands for a new result of the same UID: the first that differs in its times alone."""

from dataclasses import replace

import made_results
import pytest
from builders import ct_series
from pydicom import dcmread
from pydicom.dataelem import RawDataElement
from pydicom.tag import Tag

from imaging_data import file_sha256
from informatics_gateway.model import Result
from informatics_gateway.pipeline.once import first_accepted


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
