# SPDX-License-Identifier: Apache-2.0
"""Attributes are read from the beginning of a file: the same as from all of it, or all of it is read."""

from pathlib import Path

import pytest
from builders import ct_series, enhanced_ct, write
from pydicom import dcmread
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    RLELossless,
)

from imaging_data import ImagingDataError, head, read_header
from imaging_data.head import read_head
from imaging_data.parts import split

KINDS = [
    "explicit",
    "implicit",
    "deflated",
    "rle",
    "padded",
    "enhanced",
    "report",
    "bare",
    "cut-off",
    "zeros",
    "more-behind-zeros",
    "mislabelled",
]


@pytest.fixture(params=KINDS)
def path(request, tmp_path) -> Path:
    [source] = ct_series(tmp_path, slices=1, rows=4, columns=4)
    dataset, content, made = dcmread(source), source.read_bytes(), tmp_path / "made"
    match request.param:
        case "implicit":
            write(dataset, made, ImplicitVRLittleEndian)
        case "deflated":
            write(dataset, made, DeflatedExplicitVRLittleEndian)
        case "rle":
            dataset.compress(RLELossless)
            write(dataset, made, RLELossless)
        case "padded":
            dataset.DataSetTrailingPadding = b"\0" * 6
            write(dataset, made)
        case "enhanced":
            for element in (enhanced := dcmread(enhanced_ct(tmp_path / "e", 2, 4, 4))).iterall():
                element.is_undefined_length = element.VR == "SQ"
            write(enhanced, made)
        case "report":
            del dataset.PixelData, dataset.Rows
            dataset.TextString = "The end of it"
            write(dataset, made)
        case "bare":
            made.write_bytes(content[132 + 12 + int.from_bytes(content[140:144], "little") :])
        case "cut-off":
            made.write_bytes(content[:-3])
        case "zeros":
            made.write_bytes(content + b"\0" * 21)
        case "more-behind-zeros":
            made.write_bytes(content + b"\0" * 21 + b"more")
        case "mislabelled":
            made.write_bytes(content.replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2\0\0\0"))
        case "explicit":
            made.write_bytes(content)
    return made


def _outcome(read):
    """The attributes and where the pixel data lie, or the error."""
    try:
        parts = read()
    except ImagingDataError as error:
        return type(error), error.detail
    return parts.dataset, parts.dataset.file_meta, parts.transfer_syntax, parts.pixels


def test_however_much_is_read_at_first_the_attributes_are_those_of_the_whole_file(path, monkeypatch):
    content = path.read_bytes()
    expected = _outcome(lambda: split(content))
    for first in range(132, len(content) + 1, 3):
        monkeypatch.setattr(head, "FIRST_BYTES", first)
        assert _outcome(lambda: read_head(path).parts) == expected, first


def test_with_the_whole_file_a_head_becomes_what_the_whole_file_says(path, monkeypatch):
    content = path.read_bytes()
    for first in range(132, len(content) + 1, 23):
        monkeypatch.setattr(head, "FIRST_BYTES", first)
        try:
            found = read_head(path)
        except ImagingDataError:
            continue
        assert found.begins(content)
        assert found.whole(content).pixel_bytes == split(content).pixel_bytes
        assert found.whole(content).dataset == split(content).dataset


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, DeflatedExplicitVRLittleEndian])
def test_any_other_byte_that_the_attributes_were_read_from_is_found(tmp_path, syntax):
    [source] = ct_series(tmp_path, slices=1, rows=4, columns=4)
    path = write(dcmread(source), tmp_path / "made", syntax)
    found, content = read_head(path), path.read_bytes()
    assert found.size == len(content) - (32 if syntax == ExplicitVRLittleEndian else 0)
    for at in range(found.size):
        assert not found.begins(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])


def test_of_an_uncompressed_file_the_pixel_data_are_not_read(tmp_path, monkeypatch):
    [source] = ct_series(tmp_path, slices=1, rows=512, columns=512)
    monkeypatch.setattr(
        head, "split", lambda content, size=None: lengths.append(len(content)) or split(content, size)
    )
    lengths: list[int] = []
    found = read_head(source)
    assert lengths == [head.FIRST_BYTES]
    assert found.parts.dataset == read_header(source)
    assert found.whole(source.read_bytes()).pixel_bytes == dcmread(source).PixelData
    assert len(lengths) == 1, "and nothing is walked again"
