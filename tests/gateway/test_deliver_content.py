# SPDX-License-Identifier: Apache-2.0
"""When two DICOM files are one content: the data set counts, the file meta information does not."""

from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import made_results
import pytest
from builders import ct_series
from pydicom import Dataset, dcmread
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    RLELossless,
)

from imaging_data import same_content
from informatics_gateway.destinations.files import header, is_dicom
from informatics_gateway.destinations.multipart import first_part
from informatics_gateway.destinations.stored import in_words, stored


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A colour picture."""
    folder = tmp_path_factory.mktemp("picture")
    job = made_results.made(folder, ct_series(folder / "source", slices=1))
    job.add("secondary-capture", made_results.secondary_capture(job.sources[0]))
    return job.results["secondary-capture"].path.read_bytes()


def encoded(dataset: Dataset) -> bytes:
    buffer = BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def with_change(file: bytes, change: Callable[[Dataset], object]) -> bytes:
    dataset = dcmread(BytesIO(file))
    change(dataset)
    return encoded(dataset)


def test_the_same_bytes(picture):
    assert same_content(picture, bytes(picture))


def test_other_file_meta_information_is_the_archives_own_affair(picture):
    def change(dataset: Dataset) -> None:
        dataset.file_meta.SourceApplicationEntityTitle = "ARCHIVE"
        dataset.file_meta.ImplementationVersionName = "ARCHIVE_1"

    other = with_change(picture, change)
    assert other != picture
    assert same_content(picture, other)
    assert same_content(picture, b"\1" * 128 + picture[128:])


@pytest.mark.parametrize(
    "change",
    [
        lambda dataset: setattr(dataset, "PatientID", "OTHER"),
        lambda dataset: setattr(dataset, "ContentDate", "20250101"),
        lambda dataset: delattr(dataset, "AccessionNumber"),
        lambda dataset: setattr(dataset, "PatientComments", "added"),
        lambda dataset: setattr(dataset, "PixelData", bytes(len(dataset.PixelData))),
        lambda dataset: dataset.add_new(0x00091001, "LO", "private"),
        lambda dataset: setattr(dataset.ContributingEquipmentSequence[0], "Manufacturer", "Other"),
    ],
)
def test_any_other_value_is_another_content(picture, change):
    assert not same_content(picture, with_change(picture, change))
    assert not same_content(with_change(picture, change), picture)


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, DeflatedExplicitVRLittleEndian, RLELossless])
def test_another_transfer_syntax_is_the_same_content(picture, syntax):
    def change(dataset: Dataset) -> None:
        if syntax == RLELossless:
            dataset.compress(RLELossless, generate_instance_uid=False)
        dataset.file_meta.TransferSyntaxUID = syntax

    other = with_change(picture, change)
    assert same_content(picture, other)
    assert same_content(other, picture)


def test_other_pixels_in_another_transfer_syntax_are_another_content(picture):
    def change(dataset: Dataset) -> None:
        dataset.PixelData = b"\7" + dataset.PixelData[1:]
        dataset.compress(RLELossless, generate_instance_uid=False)

    assert not same_content(picture, with_change(picture, change))


def test_group_lengths_and_padding_say_nothing(picture):
    def change(dataset: Dataset) -> None:
        dataset.add_new(0x00100000, "UL", 42)
        dataset.add_new(0xFFFCFFFC, "OB", b"\0\0")

    assert same_content(picture, with_change(picture, change))


@pytest.mark.parametrize(
    "theirs", [b"", b"DICM", b"<html></html>" * 50, b"\0" * 128 + b"DICM" + b"\xff" * 500]
)
def test_what_is_no_dicom_is_another_content(picture, theirs):
    assert not same_content(picture, theirs)


def test_a_file_without_a_group_length_is_compared_by_its_values(picture):
    """Its first bytes are no length then: taken for one, they would skip what differs."""

    def without(file: bytes) -> bytes:
        return file[:132] + file[144:]

    other = with_change(picture, lambda dataset: setattr(dataset, "PatientID", "TEST-2"))
    assert len(other) == len(picture)
    assert same_content(without(picture), picture)
    assert not same_content(without(picture), without(other))


@pytest.mark.parametrize("left", [200, 600, -1])
def test_what_was_cut_off_is_another_content(picture, left):
    assert not same_content(picture, picture[:left])


def test_is_dicom(picture):
    assert is_dicom(picture)
    assert not is_dicom(picture[1:])


def test_header_reads_what_sending_needs(picture, tmp_path: Path):
    (tmp_path / "picture.dcm").write_bytes(picture)
    found = header(tmp_path / "picture.dcm")
    assert found.StudyInstanceUID == dcmread(BytesIO(picture)).StudyInstanceUID
    assert found.file_meta.TransferSyntaxUID == dcmread(BytesIO(picture)).file_meta.TransferSyntaxUID


@pytest.mark.parametrize(
    ("content_type", "body", "part"),
    [
        ("multipart/related; boundary=x", b"--x\r\nA: b\r\n\r\n12\r\n--x--", b"12"),
        (
            'multipart/related; type="application/dicom"; boundary="x y"',
            b"--x y\r\n\r\n12\r\n--x y--\r\n",
            b"12",
        ),
        (
            "multipart/related; boundary=x",
            b"preamble\r\n--x\r\nA: b\r\n\r\n1\r\n2\r\n--x\r\n\r\n3\r\n--x--",
            b"1\r\n2",
        ),
        ("multipart/related; boundary=x", b"--x\r\nA: b\r\n\r\n\r\n--x--", b""),
        ("application/dicom", b"12", b"12"),
        ("", b"12", b"12"),
        ("multipart/related", b"12", b"12"),
        ("multipart/related; boundary=x", b"--x\r\nA: b\r\n\r\n12", None),
        ("multipart/related; boundary=x", b"--x\r\nA: b", None),
        ("multipart/related; boundary=x", b"--y\r\nA: b\r\n\r\n12\r\n--y--", None),
        ("multipart/related; boundary=x", b"", None),
    ],
)
def test_the_first_part(content_type, body, part):
    assert first_part(content_type, body) == part


@pytest.mark.parametrize(
    "body",
    [b"", b"<xml/>", b"[]", b"3", b"null", b'{"00081198": 3}', b'{"00081198": {"Value": [{}]}}', b"\xff"],
)
def test_an_answer_that_is_something_else_says_nothing(body):
    answer = stored(body)
    assert not answer.taken
    assert not answer.failed


def test_a_failure_without_a_reason_may_pass():
    assert stored(b'{"00081198": {"Value": [{"00081155": {"Value": ["1.2"]}}]}}').failed == {"1.2": 0x0110}


def test_an_unknown_status_in_words():
    assert in_words(0x0500) == "failed (0x0500)"
