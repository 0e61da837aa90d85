# SPDX-License-Identifier: Apache-2.0
"""A data set is known to be whole, or not, from its tags and lengths alone, just as imaging_data reads it."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from struct import pack

import pytest
from builders import CT_IMAGE, ct_series, enhanced_ct, write
from dicom_peer import data_set_of
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import Dataset, config, dcmread
from pydicom.encaps import encapsulate
from pydicom.errors import InvalidDicomError
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
)

from imaging_data import ImagingDataError, InvalidIdentifier, UnreadableInstance, read_header
from imaging_data.elements import DEEPEST
from informatics_gateway.errors import RefusedInstance
from informatics_gateway.receive.check import MismatchedInstance, check_file
from informatics_gateway.receive.dataset import read_identifiers
from informatics_gateway.receive.file_format import Head

MOST = 2**24
UIDS = {
    "SOPClassUID": CT_IMAGE,
    "SOPInstanceUID": "1.2.3",
    "StudyInstanceUID": "1.2",
    "SeriesInstanceUID": "1.22",
}


def _dataset(**more: object) -> Dataset:
    dataset = Dataset()
    for keyword, value in (UIDS | more).items():
        setattr(dataset, keyword, value)
    return dataset


def _nested(depth: int) -> Dataset:
    item = _dataset()
    for _ in range(depth):
        outer = _dataset()
        outer.ReferencedSeriesSequence = [item]
        outer["ReferencedSeriesSequence"].is_undefined_length = True
        item.is_undefined_length_sequence_item = True
        item = outer
    return item


def _encoded(dataset: Dataset, path: Path, syntax: UID) -> bytes:
    write(dataset, path, syntax)
    return data_set_of(path)[0]


SYNTAXES = [
    ImplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    DeflatedExplicitVRLittleEndian,
]
SHAPES: dict[str, Callable[[], Dataset]] = {
    "flat": lambda: _dataset(EncapsulatedDocument=bytes(50)),
    "items of undefined length": lambda: _nested(3),
    "an empty sequence": lambda: _dataset(ReferencedSeriesSequence=[]),
    "a private element": lambda: _with_private(),
    "an odd last value": lambda: _dataset(EncapsulatedDocument=bytes(49)),
}


def _with_private() -> Dataset:
    dataset = _dataset()
    dataset.private_block(0x0009, "GANTRY TEST", create=True).add_new(1, "UN", b"\1\2\3\4")
    return dataset


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("syntax", SYNTAXES, ids=lambda syntax: syntax.name)
def test_a_whole_data_set_gives_its_identifiers(
    tmp_path: Path, syntax: UID, shape: Callable[[], Dataset]
) -> None:
    encoded = _encoded(shape(), tmp_path / "a.dcm", syntax)
    assert read_identifiers(encoded, syntax, 0, MOST) == UIDS


@pytest.mark.parametrize("shape", ["flat", "items of undefined length"])
@pytest.mark.parametrize("syntax", SYNTAXES, ids=lambda syntax: syntax.name)
def test_a_data_set_that_is_cut_is_incomplete(tmp_path: Path, syntax: UID, shape: str) -> None:
    """Wherever it is cut, but between two elements of the top level, which leaves a smaller data set.

    Zeros behind it do not count: some writers fill up the last block of a file.
    """
    encoded = _encoded(SHAPES[shape](), tmp_path / "a.dcm", syntax)
    deflated = syntax == DeflatedExplicitVRLittleEndian
    ends = [] if deflated else list(_between_elements(SHAPES[shape](), syntax))[1:]
    for cut in range(len(encoded)):
        whole = next((end for end in reversed(ends) if end <= cut), None)
        if whole is not None and not encoded[whole:cut].strip(b"\0"):
            read_identifiers(encoded[:cut], syntax, 0, MOST)
        else:
            with pytest.raises(UnreadableInstance):
                read_identifiers(encoded[:cut], syntax, 0, MOST)


def _between_elements(dataset: Dataset, syntax: UID) -> Iterator[int]:
    buffer = DicomBytesIO()
    buffer.is_little_endian, buffer.is_implicit_VR = syntax.is_little_endian, syntax.is_implicit_VR
    for element in dataset:
        yield buffer.tell()
        alone = Dataset()
        alone.add(element)
        write_dataset(buffer, alone)


def test_fragments_of_pixel_data_are_followed_to_their_end(tmp_path: Path) -> None:
    dataset = _dataset(PixelData=encapsulate([b"\xff\x4f" * 30, b"\xff\x4f" * 20]))
    dataset["PixelData"].VR = "OB"
    encoded = _encoded(dataset, tmp_path / "a.dcm", JPEG2000Lossless)
    assert read_identifiers(encoded, JPEG2000Lossless, 0, MOST) == UIDS
    for end in range(len(encoded) - 1, len(encoded) - 120, -1):
        with pytest.raises(UnreadableInstance):
            read_identifiers(encoded[:end], JPEG2000Lossless, 0, MOST)


def test_unknown_of_undefined_length_is_implicit_vr_within(tmp_path: Path) -> None:
    """PS3.5 Section 6.2.2: whatever the encoding around it."""
    item = pack("<HHL", 0x0008, 0x0018, 4) + b"9.9\0"
    unknown = b"\x09\0\x10\x10UN\0\0\xff\xff\xff\xff" + pack("<HHL", 0xFFFE, 0xE000, len(item)) + item
    unknown += pack("<HHL", 0xFFFE, 0xE0DD, 0)
    encoded = _encoded(_dataset(), tmp_path / "a.dcm", ExplicitVRLittleEndian)
    class_and_instance = encoded.index(b"\x20\0\x0d\0")
    encoded = encoded[:class_and_instance] + unknown + encoded[class_and_instance:]
    assert read_identifiers(encoded, ExplicitVRLittleEndian, 0, MOST) == UIDS


@pytest.mark.parametrize(("depth", "taken"), [(DEEPEST, True), (DEEPEST + 1, False), (2000, False)])
def test_nesting_has_an_end(depth: int, taken: bool) -> None:
    opening = pack("<HHL", 0x0008, 0x1115, 0xFFFFFFFF) + pack("<HHL", 0xFFFE, 0xE000, 0xFFFFFFFF)
    closing = pack("<HHL", 0xFFFE, 0xE00D, 0) + pack("<HHL", 0xFFFE, 0xE0DD, 0)
    encoded = opening * depth + closing * depth
    if taken:
        assert read_identifiers(encoded, ImplicitVRLittleEndian, 0, MOST) == {}
    else:
        with pytest.raises(UnreadableInstance, match="nested"):
            read_identifiers(encoded, ImplicitVRLittleEndian, 0, MOST)


def test_a_deflated_data_set_may_not_grow_beyond_the_limit(tmp_path: Path) -> None:
    deflated = DeflatedExplicitVRLittleEndian
    encoded = _encoded(_dataset(EncapsulatedDocument=bytes(10**6)), tmp_path / "a.dcm", deflated)
    assert read_identifiers(encoded, deflated, 0, 1_001_000) == UIDS
    with pytest.raises(UnreadableInstance, match="larger than 1 MB"):
        read_identifiers(encoded, deflated, 0, 1_000_000)


def _found(read: Callable[[], dict[str, str]]) -> dict[str, str] | None:
    try:
        return {keyword: uid for keyword, uid in read().items() if uid}
    except UnreadableInstance:
        return None


def _by_header(content: bytes) -> dict[str, str]:
    header = read_header(content)
    return {keyword: str(header.get(keyword) or "") for keyword in UIDS}


@settings(max_examples=400, deadline=None)
@given(data=st.data(), syntax=st.sampled_from(SYNTAXES[:3]))
def test_read_header_agrees_on_what_is_damaged(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, syntax: UID
) -> None:
    encoded = _encoded(_nested(2), tmp_path_factory.mktemp("damaged") / "a.dcm", syntax)
    start = data.draw(st.integers(8, len(encoded)))  # behind the first tag, which must not be of group 2
    stop = data.draw(st.integers(start, len(encoded)))
    damaged = encoded[:start] + data.draw(st.binary(max_size=12)) + encoded[stop:]
    ours = _found(lambda: read_identifiers(damaged, syntax, 0, MOST))
    theirs = _found(lambda: _by_header(Head(CT_IMAGE, "1.2.3", syntax).encoded() + damaged))
    assert (ours is None) == (theirs is None)


@settings(max_examples=300, deadline=None)
@given(content=st.binary(max_size=300), syntax=st.sampled_from(SYNTAXES))
def test_noise_is_read_or_refused(content: bytes, syntax: UID) -> None:
    with suppress(UnreadableInstance):
        assert read_identifiers(content, syntax, 0, MOST) is not None


def test_every_sample_gives_the_identifiers_that_pydicom_reads(samples: Path) -> None:
    checked = 0
    for path in sorted(samples.rglob("*.dcm")):
        try:
            header = dcmread(path, stop_before_pixels=True)
        except InvalidDicomError:
            continue  # samples without preamble or file meta information: no C-STORE leaves such a file
        meta = header.file_meta
        content, start = path.read_bytes(), 128 + 4 + 12 + meta.FileMetaInformationGroupLength
        found = read_identifiers(content, meta.TransferSyntaxUID, start, MOST)
        assert {keyword: found.get(keyword, "") for keyword in UIDS} == {
            keyword: str(header.get(keyword) or "") for keyword in UIDS
        }
        checked += 1
    assert checked > 50


def test_what_passes_can_be_read_by_pydicom_to_its_last_element(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(config.settings, "reading_validation_mode", config.RAISE)
    for path in [*ct_series(tmp_path, slices=1), enhanced_ct(tmp_path, slices=3)]:
        assert check_file(path) == dcmread(path).SOPInstanceUID
        for element in dcmread(path).iterall():
            assert element.value is not None


def test_the_head_is_file_meta_information(tmp_path: Path) -> None:
    head = Head(CT_IMAGE, "1.2.345", ExplicitVRLittleEndian).encoded()
    (tmp_path / "a.dcm").write_bytes(head)
    meta = dcmread(tmp_path / "a.dcm").file_meta
    assert meta.FileMetaInformationGroupLength == len(head) - 128 - 4 - 12
    assert (meta.MediaStorageSOPInstanceUID, meta.ImplementationVersionName) == ("1.2.345", "GANTRY")


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda content: content[: len(content) // 2], UnreadableInstance),
        (lambda content: content[:140], UnreadableInstance),
        (lambda content: bytes(200), UnreadableInstance),
        (lambda content: b"x", UnreadableInstance),
        (
            lambda content: content.replace(
                b"1.2.840.10008.5.1.4.1.1.2\0", b"1.2.840.10008.5.1.4.1.1.4\0", 1
            ),
            MismatchedInstance,
        ),
        (lambda content: content.replace(b"\x20\0\x0e\0UI", b"\x21\0\x0e\0UI"), InvalidIdentifier),
    ],
    ids=["half", "within the head", "zeros", "a letter", "another class", "no series"],
)
def test_a_file_that_may_not_arrive(
    tmp_path: Path, change: Callable[[bytes], bytes], error: type[RefusedInstance | ImagingDataError]
) -> None:
    [path] = ct_series(tmp_path, slices=1)
    check_file(path)
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(error) as raised:
        check_file(path)
    assert raised.value.hint
