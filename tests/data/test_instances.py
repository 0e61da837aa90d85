# SPDX-License-Identifier: Apache-2.0
"""Finding instances in a folder and grouping them into series."""

import shutil
import tempfile
from pathlib import Path

import pytest
from builders import ct_series, enhanced_ct, mr_series, write
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import Dataset, dcmread
from pydicom.data import get_testdata_file

from imaging_data import (
    InvalidIdentifier,
    MissingFolder,
    UnreadableInstance,
    check_identifiers,
    file_sha256,
    find_instances,
)
from imaging_data.instances import read_instance

UIDS = ("1.2.3", "1.2.4", "1.2.5")
PLACES = st.tuples(st.sampled_from(UIDS), st.sampled_from(UIDS), st.one_of(st.none(), st.integers(-3, 12)))


@settings(max_examples=25, deadline=None)
@given(st.lists(PLACES, max_size=12), st.randoms(use_true_random=False))
def test_every_instance_is_in_exactly_one_series_and_in_order(places, chance):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        written = {_instance(folder, n, place, chance.random()) for n, place in enumerate(places)}
        found = find_instances(folder)
    assert not found.skipped
    assert {one.path for series in found.series for one in series.instances} == written
    keys = [(series.study_instance_uid, series.series_instance_uid) for series in found.series]
    assert keys == sorted({(study, series) for study, series, _ in places})
    for series in found.series:
        assert {ds.StudyInstanceUID for ds in series.datasets} == {series.study_instance_uid}
        assert {ds.SeriesInstanceUID for ds in series.datasets} == {series.series_instance_uid}
        numbers = [ds.get("InstanceNumber") for ds in series.datasets]
        assert numbers == sorted(numbers, key=lambda number: 99 if number is None else number)


def _instance(folder: Path, n: int, place: tuple[str, str, int | None], name: float) -> Path:
    dataset = Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.7", f"2.25.{n}"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID, number = place
    if number is not None:
        dataset.InstanceNumber = number
    return write(dataset, folder / f"{name}-{n}.dcm")


def test_instances_with_one_number_are_in_order_of_their_uid(tmp_path):
    ct_series(tmp_path, slices=4, InstanceNumber=1, SOPInstanceUID=lambda n: f"1.2.3.{[4, 1, 3, 2][n]}")
    (series,) = find_instances(tmp_path).series
    assert [one.sop_instance_uid for one in series.instances] == ["1.2.3.1", "1.2.3.2", "1.2.3.3", "1.2.3.4"]


def test_folders_within_folders_are_searched_and_a_single_file_is_taken(tmp_path):
    first, *_ = ct_series(tmp_path / "a" / "b", slices=2, study="1.2.3")
    mr_series(tmp_path / "a", slices=3, study="1.2.3")
    assert sorted(len(series.instances) for series in find_instances(tmp_path).series) == [2, 3]
    assert [one.path for one in find_instances(first).series[0].instances] == [first]


def test_headers_come_without_pixel_data_and_with_the_hash_of_the_same_bytes(tmp_path):
    paths = ct_series(tmp_path, slices=2)
    (series,) = find_instances(tmp_path).series
    for instance, path in zip(series.instances, paths, strict=True):
        assert instance.path == path
        assert instance.sha256 == file_sha256(path)
        assert instance.dataset == dcmread(path, stop_before_pixels=True)


def test_what_is_not_dicom_is_skipped_and_listed(tmp_path):
    ct_series(tmp_path, slices=2)
    (tmp_path / "README.txt").write_text("read me")
    (tmp_path / "empty").touch()
    directory = get_testdata_file("DICOMDIR", download=False)
    shutil.copy(directory, tmp_path / "DICOMDIR")
    found = find_instances(tmp_path)
    assert [path.name for path in found.skipped] == ["DICOMDIR", "README.txt", "empty"]
    assert [len(series.instances) for series in found.series] == [2]


def test_a_damaged_instance_is_refused_by_name_not_skipped(tmp_path):
    _, damaged, _ = ct_series(tmp_path, slices=3)
    damaged.write_bytes(damaged.read_bytes()[:-7])
    with pytest.raises(UnreadableInstance, match=damaged.name) as raised:
        find_instances(tmp_path)
    assert "PixelData (7FE0,0010), which declares 512 bytes and has 505" in str(raised.value)


def test_a_file_that_the_system_does_not_give_is_refused_by_name(tmp_path):
    with pytest.raises(UnreadableInstance, match=f"{tmp_path.name}: It is no regular file") as raised:
        read_instance(tmp_path)
    assert raised.value.hint == "Check the file and who may read it."


def test_a_folder_that_is_not_there_is_an_error_not_an_empty_study(tmp_path):
    with pytest.raises(MissingFolder, match="nowhere"):
        find_instances(tmp_path / "nowhere")
    assert find_instances(tmp_path).series == []


@pytest.mark.parametrize(
    "keyword", ["SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"]
)
@pytest.mark.parametrize("value", [None, "", "1.02", "1.2\\1.3"])
def test_an_identifier_that_is_missing_or_malformed_is_named(tmp_path, keyword, value):
    dataset = dcmread(ct_series(tmp_path, slices=1)[0])
    if value is None:
        delattr(dataset, keyword)
    else:
        setattr(dataset, keyword, value.split("\\") if "\\" in value else value)
    with pytest.raises(InvalidIdentifier, match=f" {keyword} "):
        check_identifiers(dataset)


def test_the_series_published_without_identifiers_is_refused_with_the_reason(samples):
    with pytest.raises(InvalidIdentifier, match=r"CT\.1\.3\.12.*: SOPClassUID is missing or empty"):
        find_instances(samples / "ct_abdomen_totalseg")
    (series,) = find_instances(samples / "ct_abdomen_completed").series
    assert len(series.instances) == 20


def test_a_multi_frame_instance_is_one_instance(tmp_path):
    enhanced_ct(tmp_path, slices=5)
    (series,) = find_instances(tmp_path).series
    assert [ds.NumberOfFrames for ds in series.datasets] == [5]
