# SPDX-License-Identifier: Apache-2.0
"""A hash names the bytes that were used: a file that is another one when its pixels are read is found out."""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from builders import ct_series
from overwriting import overwrite
from pydicom import dcmread
from pydicom.uid import DeflatedExplicitVRLittleEndian, JPEG2000Lossless, RLELossless

from imaging_data import ChangedInstance, Series, UnreadableInstance, file_sha256, find_instances, read_volume
from imaging_data.files import FileState, opened
from imaging_data.instances import SeriesInstance

SEVENS, NINES = b"\7\0" * 1024, b"\x09\0" * 1024


def _series(folder: Path) -> Series:
    (series,) = find_instances(folder).series
    return series


def _state(path: Path) -> FileState:
    with opened(path) as file:
        return FileState.of(file)


def _trusting(instance: SeriesInstance) -> SeriesInstance:
    """The instance as if the file's state said that nothing had happened to it."""
    return SeriesInstance(instance.path, replace(instance.head, state=_state(instance.path)))


def _replace(path: Path, old: bytes, new: bytes) -> None:
    content = path.read_bytes()
    assert len(old) == len(new)
    assert old in content
    overwrite(path, content.replace(old, new))


@pytest.fixture
def one(tmp_path):
    """A file whose pixels are all 7."""
    [path] = ct_series(tmp_path / "ct", 1, 32, 32, pixels=np.full((1, 32, 32), 7, np.uint16))
    return path


def test_a_hash_is_of_the_bytes_that_the_pixels_were_taken_from(one):
    series = _series(one)
    volume = read_volume(series)
    read = file_sha256(one)
    one.unlink()
    assert volume.source_of(0).sha256 == read
    assert series.input_hash == hashlib.sha256(read.encode()).hexdigest()


def test_an_instance_whose_pixels_nobody_read_is_hashed_when_it_is_asked_for(one):
    [instance] = _series(one).instances
    assert instance.sha256 == file_sha256(one)


def test_a_hash_that_cannot_be_taken_is_an_error_with_the_name(one):
    [instance] = _series(one).instances
    one.unlink()
    with pytest.raises(UnreadableInstance, match=f"{one.name}: No such file"):
        _ = instance.sha256


def test_other_content_is_found_although_the_modification_time_is_set_back(one):
    series = _series(one)
    _replace(one, SEVENS, NINES)
    with pytest.raises(ChangedInstance, match=one.name):
        read_volume(series)
    with pytest.raises(ChangedInstance, match=one.name):
        _ = series.input_hash


def test_a_file_with_the_same_bytes_put_in_its_place_is_another_file(one):
    series = _series(one)
    other = one.with_name("other")
    other.write_bytes(one.read_bytes())
    other.rename(one)
    with pytest.raises(ChangedInstance, match=one.name):
        read_volume(series)


@pytest.mark.parametrize(("old", "new"), [(b"-1024", b"-1000"), (b"TEST-1", b"TEST-2")])
def test_other_attributes_are_found_whatever_the_state_of_the_file_says(one, old, new):
    [instance] = _series(one).instances
    _replace(one, old, new)
    with pytest.raises(ChangedInstance):
        _trusting(instance).read()


def test_other_pixels_are_found_once_a_hash_was_taken_whatever_the_state_of_the_file_says(one):
    [instance] = _series(one).instances
    taken = instance.sha256
    _replace(one, SEVENS, NINES)
    hasty = _trusting(instance)
    assert hasty.read().pixel_bytes == NINES
    assert hasty.sha256 == file_sha256(one) != taken, "what was used is what is named"
    _replace(one, NINES, SEVENS)
    again = replace(hasty, head=_trusting(instance).head)
    with pytest.raises(ChangedInstance):
        again.read()


@pytest.mark.parametrize("change", [lambda content: content[:-2], lambda content: content + b"\0\0"])
def test_a_file_of_another_length_is_found(one, change):
    series = _series(one)
    overwrite(one, change(one.read_bytes()))
    with pytest.raises(ChangedInstance, match=one.name):
        read_volume(series)


@pytest.mark.parametrize("syntax", [JPEG2000Lossless, DeflatedExplicitVRLittleEndian])
def test_compressed_files_are_compared_in_the_same_way(one, syntax):
    dataset = dcmread(one)
    if syntax == JPEG2000Lossless:
        dataset.compress(syntax, encoding_plugin="pylibjpeg", generate_instance_uid=False)
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.save_as(one)
    series = _series(one)
    assert (read_volume(series).array == 7 - 1024).all()
    assert series.instances[0].sha256 == file_sha256(one)
    overwrite(one, one.read_bytes()[:-12] + b"\1" * 12)
    with pytest.raises(ChangedInstance, match=one.name):
        read_volume(series)


def test_fragments_are_looked_at_again_whatever_the_state_of_the_file_says(one):
    dataset = dcmread(one)
    dataset.compress(RLELossless, generate_instance_uid=False)
    dataset.save_as(one)
    [instance] = _series(one).instances
    content = one.read_bytes()
    at = content.rindex(b"\xfe\xff\x00\xe0")
    overwrite(one, content[:at] + b"????" + content[at + 4 :])
    with pytest.raises(UnreadableInstance, match="fragments of PixelData"):
        _trusting(instance).read()
