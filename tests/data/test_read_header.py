# SPDX-License-Identifier: Apache-2.0
"""Headers: the same as pydicom reads, but nothing that is cut off or damaged passes for whole."""

import io
import random
import struct
from pathlib import Path

import pytest
from builders import ct_series, enhanced_ct, write
from pydicom import Dataset, dcmread, dcmwrite
from pydicom.data import get_testdata_file
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    RLELossless,
)

from imaging_data import (
    ImagingDataError,
    NotDicom,
    SeriesRule,
    UnreadableInstance,
    check_identifiers,
    find_instances,
    read_header,
    read_volume,
)
from imaging_data.parts import split


@pytest.fixture
def ct_file(tmp_path: Path) -> Path:
    return ct_series(tmp_path / "ct", slices=1, rows=4, columns=4)[0]


def _encodings(path: Path) -> dict[str, bytes]:
    """One instance in every way a file may be written."""
    dataset, written = dcmread(path), {"explicit": path.read_bytes()}
    for name, syntax in (("implicit", ImplicitVRLittleEndian), ("deflated", DeflatedExplicitVRLittleEndian)):
        written[name] = write(dataset, path.with_suffix(f".{name}"), syntax).read_bytes()
    written["big"] = _big_endian(dcmread(path), path.with_suffix(".big")).read_bytes()
    dataset = dcmread(path)
    dataset.compress(RLELossless)
    dataset.save_as(path.with_suffix(".rle"))
    written["rle"] = path.with_suffix(".rle").read_bytes()
    return written


def _big_endian(dataset: Dataset, path: Path) -> Path:
    dataset.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
    dataset.PixelData = dataset.pixel_array.astype(">u2").tobytes()
    dcmwrite(path, dataset, implicit_vr=False, little_endian=False, force_encoding=True)
    return path


def test_a_header_has_what_pydicom_reads_but_the_pixel_data(ct_file):
    for name, content in _encodings(ct_file).items():
        expected = dcmread(io.BytesIO(content), stop_before_pixels=True)
        header = read_header(io.BytesIO(content))
        assert header == expected, name
        assert header.file_meta == expected.file_meta
        assert "PixelData" not in header


def test_a_header_is_read_from_a_path_a_stream_or_bytes(ct_file):
    content = ct_file.read_bytes()
    expected = dcmread(ct_file, stop_before_pixels=True)
    stream = io.BytesIO(b"before" + content)
    stream.seek(6)
    with ct_file.open("rb") as file:
        assert read_header(file) == expected
    assert read_header(ct_file) == read_header(content) == read_header(stream) == expected


def test_the_pixel_data_are_found_where_they_lie(ct_file):
    for name, content in _encodings(ct_file).items():
        expected = dcmread(io.BytesIO(content)).PixelData
        assert bytes(split(content).pixel_bytes) == expected, name


def test_every_pydicom_test_file_reads_as_pydicom_reads_it():
    names = (
        "CT_small.dcm MR_small.dcm rtdose.dcm reportsi.dcm liver_1frame.dcm eCT_Supplemental.dcm rtplan.dcm "
        "JPEG2000.dcm image_dfl.dcm nested_priv_SQ.dcm priv_SQ.dcm UN_sequence.dcm ExplVR_BigEnd.dcm "
        "no_meta_group_length.dcm chrH31.dcm SC_rgb_jpeg_gdcm.dcm meta_missing_tsyntax.dcm"
    )
    for name in names.split():
        path = Path(get_testdata_file(name, download=False) or "")
        if path.is_file():
            assert read_header(path) == dcmread(path, stop_before_pixels=True), name


@pytest.mark.parametrize("syntax", [None, "implicit", "big"])
def test_a_file_without_preamble_and_meta_information_is_read(ct_file, syntax):
    content = _encodings(ct_file)[syntax or "explicit"]
    bare = content[132 + 12 + struct.unpack_from("<L", content, 140)[0] :]
    header = read_header(bare)
    assert header == read_header(content)
    assert len(header.file_meta) == 0


def test_a_data_set_that_is_not_encoded_as_declared_is_read(ct_file):
    explicit, implicit = b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2\0\0\0"
    contents = _encodings(ct_file)
    for content in (
        contents["explicit"].replace(explicit, implicit),
        contents["implicit"].replace(implicit[:18], b"1.2.840.99999.9.9\0"),
    ):
        assert read_header(content) == read_header(ct_file)


@pytest.mark.parametrize(
    "content", [b"", b"DICM", b"<html></html>", b"\x89PNG\r\n\x1a\n" + b"\0" * 200, b"\0" * 400, b"\x08\0"]
)
def test_what_is_not_dicom_is_told_apart(content):
    with pytest.raises(NotDicom, match=r"The file is not DICOM\."):
        read_header(io.BytesIO(content))


@pytest.mark.parametrize("name", ["explicit", "implicit", "big", "rle", "deflated"])
def test_a_file_cut_off_anywhere_is_not_taken_for_whole(ct_file, name):
    """Cut between two elements before Rows, a data set is whole in itself: nothing shows that it is not."""
    content = _encodings(ct_file)[name]
    for end in range(132, len(content) - 1):
        try:
            header = read_header(content[:end])
        except UnreadableInstance:
            continue
        assert "Rows" not in header, end
        assert name != "deflated"


def test_the_message_says_where_the_file_ends(ct_file):
    with pytest.raises(
        UnreadableInstance, match=r"PixelData \(7FE0,0010\), which declares 32 bytes and has 31"
    ):
        read_header(ct_file.read_bytes()[:-1])
    content = ct_file.read_bytes()
    cut = content.index(b"Test^Phantom") + 3
    with pytest.raises(
        UnreadableInstance, match=r"PatientName \(0010,0010\).* the file is cut off"
    ) as raised:
        read_header(content[:cut])
    assert "Test" not in str(raised.value)


def test_zeros_behind_the_data_set_are_padding_and_other_bytes_are_not(ct_file):
    content = ct_file.read_bytes()
    assert read_header(content + b"\0" * 5) == read_header(content + b"\0" * 512) == read_header(content)
    with pytest.raises(UnreadableInstance):
        read_header(content + b"rest")


def test_sequences_of_undefined_length_are_read(tmp_path):
    dataset = dcmread(enhanced_ct(tmp_path, slices=3))
    for element in dataset.iterall():
        if element.VR == "SQ":
            element.is_undefined_length = True
            for item in element.value:
                item.is_undefined_length_sequence_item = True
    path = write(dataset, tmp_path / "undefined.dcm")
    assert b"\xfe\xff\xdd\xe0" in path.read_bytes()
    assert read_header(path) == dcmread(path, stop_before_pixels=True)
    content = path.read_bytes()
    delimiter = content.index(b"\xfe\xff\xdd\xe0")
    with pytest.raises(UnreadableInstance, match=r"Sequence \(....,....\): the file is cut off"):
        read_header(content[:delimiter])


def test_sequences_nested_without_end_are_refused():
    opening = b"\x40\0\x30\xa7SQ\0\0\xff\xff\xff\xff\xfe\xff\0\xe0\xff\xff\xff\xff"
    content = b"\0" * 128 + b"DICM" + b"\x08\0\x05\0CS\0\0" + opening * 5000
    with pytest.raises(UnreadableInstance, match="nested more than 32 deep"):
        read_header(content)


def test_a_small_file_that_inflates_without_end_is_refused(ct_file, monkeypatch):
    monkeypatch.setattr("imaging_data.parts.LARGEST_INFLATED", 100)
    with pytest.raises(UnreadableInstance, match="cut off, or larger than 2 GiB"):
        read_header(_encodings(ct_file)["deflated"])


@pytest.mark.filterwarnings("error")
def test_values_that_break_their_vr_warn_of_nothing(tmp_path):
    """pydicom's warning would put the value, here the patient's age, into the log."""
    path = ct_series(tmp_path, slices=1)[0]
    content = path.read_bytes().replace(b"TEST-1", b"\0EST\n1")
    header = read_header(content.replace(b"19600101", b"1960-1-1"))
    assert header.PatientBirthDate == "1960-1-1"
    assert header.PatientID


@pytest.mark.filterwarnings("ignore:.*:UserWarning")  # pydicom's, of damaged tags and character sets
@pytest.mark.parametrize("seed", range(3))
def test_damaged_bytes_are_read_or_refused_and_nothing_else_happens(tmp_path, seed):
    chance = random.Random(seed)
    originals = [ct_series(tmp_path / "a", 1, 4, 4)[0], enhanced_ct(tmp_path / "b", 2, 4, 4)]
    originals += [tmp_path / "rle.dcm"]
    originals[-1].write_bytes(_encodings(originals[0])["rle"])
    damaged, outcomes = tmp_path / "damaged.dcm", {"read": 0, "refused": 0}
    for _ in range(300):
        damaged.write_bytes(_damage(bytearray(chance.choice(originals).read_bytes()), chance))
        try:
            _use(damaged)
            outcomes["read"] += 1
        except ImagingDataError:
            outcomes["refused"] += 1
    assert min(outcomes.values()) > 10, outcomes


def _damage(content: bytearray, chance: random.Random) -> bytearray:
    for _ in range(chance.randint(1, 3)):
        at = chance.randrange(len(content))
        match chance.randrange(5):
            case 0 | 1 | 2:
                content[at] = chance.choice([0, 255, 0xFE, 0x7F, 65, chance.randrange(256)])
            case 3:
                del content[at : at + chance.randint(1, 20)]
            case _:
                content[at:at] = chance.randbytes(chance.randint(1, 12))
    return content


def _use(path: Path) -> None:
    header = read_header(path)
    SeriesRule(Modality="CT", SliceThickness=(1, 5)).explain(header)
    check_identifiers(header)
    for series in find_instances(path).series:
        read_volume(series)


def test_a_header_does_not_hold_the_bytes_it_was_read_from(tmp_path):
    path = ct_series(tmp_path, slices=1, rows=512, columns=512)[0]
    header = read_header(path)
    held = sum(len(header.get_item(tag).value or b"") for tag in header.keys())  # noqa: SIM118
    assert held < 2000


def test_a_sequence_of_unknown_vr_is_read_as_implicit(ct_file):
    """VR UN of undefined length holds items in Implicit VR Little Endian (PS3.5 section 6.2.2)."""
    creator = b"\x09\0\x10\0LO\x06\0GANTRY"
    inner = (
        b"\x08\0\x04\x01" + struct.pack("<L", 4) + b"Code" + b"\x08\0\x05\x01" + struct.pack("<L", 2) + b"SQ"
    )
    item = b"\xfe\xff\0\xe0\xff\xff\xff\xff" + inner + b"\xfe\xff\x0d\xe0\0\0\0\0"
    unknown = b"\x09\0\x01\x10UN\0\0\xff\xff\xff\xff" + item + b"\xfe\xff\xdd\xe0\0\0\0\0"
    content = ct_file.read_bytes()
    at = content.index(b"\x10\0\x10\0PN")
    header = read_header(content[:at] + creator + unknown + content[at:])
    assert header[0x0009, 0x1001].value[0].CodeMeaning == "Code"
    assert header.PatientName == "Test^Phantom"
    assert header == dcmread(
        io.BytesIO(content[:at] + creator + unknown + content[at:]), stop_before_pixels=True
    )


@pytest.mark.parametrize("declared", [b"ISO_\0R 19\0", b"ISO_IR \xff\xff"])
@pytest.mark.filterwarnings("ignore:Unknown encoding.*:UserWarning")
def test_a_character_set_that_is_none_stops_nothing(ct_file, declared):
    content = ct_file.read_bytes().replace(b"ISO_IR 192", (declared + b" " * 9)[:10])
    assert read_header(content).PatientID == "TEST-1"
