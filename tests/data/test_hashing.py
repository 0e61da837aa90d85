# SPDX-License-Identifier: Apache-2.0
"""Hashes of files, input sets and content."""

import hashlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from builders import ct_series, enhanced_ct
from hypothesis import given
from hypothesis import strategies as st
from pydicom import Dataset, dcmread
from pydicom.uid import ImplicitVRLittleEndian, RLELossless

from imaging_data import content_sha256, file_sha256, find_instances, input_hash

HASHES = st.lists(st.binary(max_size=4).map(lambda content: hashlib.sha256(content).hexdigest()), max_size=6)
STUDY, SERIES = "1.2.3", "1.2.3.4"


@given(HASHES.flatmap(lambda hashes: st.tuples(st.just(hashes), st.permutations(hashes))))
def test_the_input_hash_does_not_depend_on_order(pair):
    hashes, shuffled = pair
    assert input_hash(hashes) == input_hash(iter(shuffled))


@given(HASHES, HASHES)
def test_the_input_hash_tells_different_sets_apart(first, second):
    assert (input_hash(first) == input_hash(second)) == (sorted(first) == sorted(second))


def test_the_input_hash_is_the_one_of_the_contract(tmp_path):
    files = ct_series(tmp_path, slices=3)
    lines = sorted(hashlib.sha256(path.read_bytes()).hexdigest() for path in files)
    expected = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    assert input_hash(map(file_sha256, files)) == expected
    assert find_instances(tmp_path).series[0].input_hash == expected


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return dcmread(ct_series(tmp_path, slices=1, study=STUDY, series=SERIES)[0])


def _read_back(dataset: Dataset, **encoding: bool) -> Dataset:
    file = BytesIO()
    dataset.save_as(file, **encoding)
    file.seek(0)
    return dcmread(file)


@pytest.mark.parametrize(
    "change",
    [
        lambda ds: setattr(ds, "SOPInstanceUID", "1.2.3.9"),
        lambda ds: setattr(ds, "StudyDate", "19990101"),
        lambda ds: setattr(ds, "SeriesTime", "010203"),
        lambda ds: setattr(ds, "SOPInstanceUID", None),
        lambda ds: setattr(ds.file_meta, "ImplementationVersionName", "OTHER"),
    ],
)
def test_uids_dates_times_and_file_meta_information_do_not_count(dataset: Dataset, change: Callable) -> None:
    before = content_sha256(dataset)
    change(dataset)
    assert content_sha256(dataset) == before


@pytest.mark.parametrize(
    "change",
    [
        lambda ds: setattr(ds, "PatientName", "Other^Phantom"),
        lambda ds: setattr(ds, "SOPClassUID", "1.2.840.10008.5.1.4.1.1.4"),
        lambda ds: setattr(ds, "RescaleIntercept", "-1000"),
        lambda ds: setattr(ds, "PixelData", ds.PixelData[:-1] + b"\1"),
        lambda ds: ds.pop("AcquisitionNumber"),
        lambda ds: setattr(ds, "ContentLabel", "NEW"),
    ],
)
def test_everything_else_counts(dataset: Dataset, change: Callable) -> None:
    before = content_sha256(dataset)
    change(dataset)
    assert content_sha256(dataset) != before


def test_uids_are_masked_in_sequences_and_the_rest_there_counts(tmp_path):
    dataset = dcmread(enhanced_ct(tmp_path, slices=2))
    before = content_sha256(dataset)
    groups = dataset.PerFrameFunctionalGroupsSequence[1]
    reference = Dataset()
    reference.ReferencedSOPInstanceUID, reference.ReferencedFrameNumber = "1.2.3", 1
    groups.ReferencedImageSequence = [reference]
    with_reference = content_sha256(dataset)
    assert with_reference != before
    reference.ReferencedSOPInstanceUID = "4.5.6"
    assert content_sha256(dataset) == with_reference
    reference.ReferencedFrameNumber = 2
    assert content_sha256(dataset) != with_reference


def test_the_content_is_not_changed_by_hashing_it(dataset: Dataset) -> None:
    copy = dcmread(dataset.filename)
    content_sha256(dataset)
    assert dataset == copy


def test_an_object_in_memory_and_read_back_has_one_hash(dataset: Dataset) -> None:
    dataset.SpecificCharacterSet, dataset.PatientName = "ISO_IR 192", "山田^太郎"
    dataset.SliceThickness = 0.1 + 0.2
    before = content_sha256(dataset)
    assert content_sha256(_read_back(dataset)) == before


def test_the_encoding_of_the_file_does_not_count(dataset: Dataset) -> None:
    before = content_sha256(dataset)
    dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    assert content_sha256(_read_back(dataset, implicit_vr=True, little_endian=True)) == before


def test_compressed_pixel_data_are_covered(dataset: Dataset) -> None:
    dataset.compress(RLELossless, dataset.pixel_array, generate_instance_uid=False)
    before = content_sha256(dataset)
    other = dcmread(dataset.filename)
    other.compress(RLELossless, other.pixel_array + np.uint16(1), generate_instance_uid=False)
    assert content_sha256(other) != before
