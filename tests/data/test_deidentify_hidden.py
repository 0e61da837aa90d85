# SPDX-License-Identifier: Apache-2.0
"""Where a patient hides: wrong VRs, unknown ones, private attributes, texts, the head of compressed frames."""

import struct

import pytest
from deidentify_inputs import DATE, ID, KEY, NAME, UID_ROOT, ct, encoded
from pydicom import Dataset
from pydicom.dataelem import RawDataElement
from pydicom.encaps import encapsulate
from pydicom.tag import Tag
from pydicom.uid import BasicVoiceAudioWaveformStorage, ImplicitVRLittleEndian, JPEGBaseline8Bit

from imaging_data import read_header
from imaging_data.deidentify import HeldBack, Profile, deidentify
from imaging_data.deidentify.comments import comments
from imaging_data.deidentify.encode import encode
from imaging_data.deidentify.verify import Verification
from imaging_data.deidentify.words import clean_text
from imaging_data.parts import split

BASIC, RESEARCH = Profile.read("basic"), Profile.read("research")


def _out(dataset: Dataset, profile: Profile = RESEARCH, **more: object) -> bytes:
    parts = split(encoded(dataset, **more))
    return encode(deidentify(parts.dataset, profile, KEY).dataset, parts)


def _raw(dataset: Dataset, tag: int, vr: str, value: bytes) -> Dataset:
    dataset[tag] = RawDataElement(Tag(tag), vr, len(value), value, 0, False, True)
    return dataset


def _item(tag: int, value: bytes) -> bytes:
    """An item of implicit VR with one element."""
    element = struct.pack("<HHL", tag >> 16, tag & 0xFFFF, len(value)) + value
    return struct.pack("<HHL", 0xFFFE, 0xE000, len(element)) + element


HIDDEN = _item(0x00100010, NAME.encode() + b" ")
PLACES = {
    "a UID said to be text": (0x0018991E, "LO", f"{UID_ROOT}.77".encode()),
    "a date said to be text": (0x00089214, "LO", DATE.encode()),
    "a sequence said to be bytes": (0x00081115, "OB", HIDDEN),
    "a sequence of unknown VR": (0x00081115, "UN", HIDDEN),
    "a number said to be text": (0x00180088, "LO", b"HIV positive"),
    "a date in a text": (0x00181020, "LO", f"build {DATE}".encode()),
    "its own UID in a text": (0x00281055, "LO", f"of {UID_ROOT}.1 ".encode()),
    "the institution in a text": (0x00281055, "LO", b"by Saint HOSPITAL "),
    "another identifier in a text": (0x00281055, "LO", b"was HIV-4711"),
    "a URL": (0x00081190, "UR", f"http://pacs.hospital/studies/{UID_ROOT}.2 ".encode()),
    "a date said to be a time": (0x00080032, "TM", DATE.encode()),
    "a text said to be a time": (0x00104000, "TM", DATE.encode()),
    "bytes that are no number": (0x0020930D, "FD", f"{DATE} x".encode()),
    "a date in bytes": (0x00144064, "OB", DATE.encode()),
    "a date for a number": (0x00201208, "IS", DATE.encode()),
    "its own UID for a code": (0x00189008, "CS", f"X_{UID_ROOT}.1".encode()),
    "an element of a message": (0x00041511, "UI", f"{UID_ROOT}.1 ".encode()),
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("profile", [BASIC, RESEARCH], ids=lambda profile: profile.name)
def test_it_is_found_where_it_hides(place, profile):
    other = Dataset()
    other.PatientID = "HIV-4711"
    dataset = ct(InstitutionName="Saint Hospital", OtherPatientIDsSequence=[other])
    parts = split(encoded(dataset))
    _raw(parts.dataset, *PLACES[place])
    content = encode(deidentify(parts.dataset, profile, KEY).dataset, parts)
    left = (NAME.encode(), UID_ROOT.encode(), DATE.encode(), b"HIV", b"hospital", b"HOSPITAL")
    assert not any(text in content for text in left)


def test_who_gave_the_identifiers_goes():
    issuer, sequence = Dataset(), Dataset()
    issuer.UniversalEntityID = "1.2.3.hospital"
    sequence.PatientID = "ANOTHER-1"
    done = read_header(
        _out(
            ct(IssuerOfPatientIDQualifiersSequence=[issuer], GroupOfPatientsIdentificationSequence=[sequence])
        )
    )
    assert "IssuerOfPatientIDQualifiersSequence" not in done
    assert "GroupOfPatientsIdentificationSequence" not in done


def _philips(vr: str, value: object, creator: str = "Philips Imaging DD 001", group: int = 0x2001) -> Dataset:
    dataset = ct()
    dataset.private_block(group, creator, create=True).add_new(0x63, vr, value)
    return dataset


@pytest.mark.parametrize(
    ("dataset", "stays"),
    [
        (_philips("CS", "LIGHTBOX"), True),
        (_philips("CS", "LIGHTBOX", creator="Philips Imaging DD 003"), False),
        (_philips("CS", "LIGHTBOX", group=0x2003), False),
        (_philips("UN", HIDDEN), False),
        (_philips("OB", b"\0\1\2\3"), False),
        (_philips("PN", "Somebody^Else"), False),
        (_philips("UN", f"{NAME} é ".encode()), False),
        (_philips("DA", DATE), False),
        (_philips("UI", f"{UID_ROOT}.1"), False),
    ],
)
def test_a_private_attribute_stays_as_far_as_it_is_safe(dataset, stays):
    before = dataset[0x20011063 if 0x20011063 in dataset else 0x20031063].value
    done = read_header(_out(dataset))
    assert (0x20011063 in done and done[0x20011063].value == before) == stays
    assert Tag(0x20030010) not in done


def test_a_creator_outside_its_block_makes_nothing_safe():
    dataset = _raw(_raw(ct(), 0x0019000C, "LO", b"SIEMENS MR HEADER "), 0x00190C0C, "LO", b"somebody")
    assert not any(element.tag.is_private for element in read_header(_out(dataset)))


def test_private_attributes_of_unknown_vr_in_implicit_files():
    dataset = ct()
    block = dataset.private_block(0x0019, "SIEMENS MR HEADER", create=True)
    block.add_new(0x0C, "IS", "1000")
    block.add_new(0x0D, "SQ", [ct(PixelData=None)])
    done = read_header(_out(dataset, syntax=ImplicitVRLittleEndian))
    assert [element.value for element in done if element.tag.is_private] == ["SIEMENS MR HEADER", 1000]


@pytest.mark.parametrize("same", ["Qqxmark77", " Qqxmark77", "Qqxmark77 ", "Qqxmark77\0"])
def test_spaces_around_an_identifier_say_nothing(same):
    assert read_header(_out(_raw(ct(), 0x00100020, "LO", same.encode()))).PatientID == KEY.pseudonym("", ID)


def test_the_case_of_an_identifier_says_who():
    assert read_header(_out(ct(PatientID=ID.upper()))).PatientID != KEY.pseudonym("", ID)


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("CT Chest 12/24/85", "CT Chest"),
        ("Chest 02.01.2020", "Chest"),
        ("Chest 1.2.85", "Chest"),
        ("Chest 123-45-678", "Chest"),
        ("Chest tel. 555 123 456", "Chest"),
        ("Chest 1.25 mm 512x512", "Chest 1.25 mm"),
        ("MR 3t brain 2.5mm b1000 80/20", "MR 3t brain 2.5 mm b1000 80 20"),
    ],
)
def test_numbers_that_may_be_somebody_s_go(text, cleaned):
    assert clean_text(text, RESEARCH.words) == cleaned


def _jpeg(said: bytes) -> bytes:
    def segment(marker: int, payload: bytes) -> bytes:
        return struct.pack(">BBH", 0xFF, marker, len(payload) + 2) + payload

    colours = segment(0xE2, b"ICC_PROFILE\0" + b"\1\1icc") + segment(0xEE, b"Adobe\0d\0\0\0\0\1")
    return (
        b"\xff\xd8"
        + segment(0xE1, said)
        + segment(0xFE, said)
        + colours
        + b"\xff\xda\0\x02"
        + said
        + b"\xff\xd9"
    )


def test_comments_in_compressed_frames_go_and_their_pixels_and_colours_stay(tmp_path):
    said, code_stream = f"Exif {NAME}".encode(), b"\xff\x4f\xff\x64\0\x0d\0\x01" + NAME.encode() + b"\xff\x90"
    dataset = ct(NumberOfFrames=2, PixelData=encapsulate([_jpeg(said), code_stream]))
    content = encoded(dataset, JPEGBaseline8Bit)
    before, after = split(content), split(_out(dataset, syntax=JPEGBaseline8Bit))
    assert len(list(comments(before.pixel_bytes))) == 3
    changed = bytes(after.pixel_bytes)
    assert (bytes(before.pixel_bytes).count(NAME.encode()), changed.count(NAME.encode())) == (4, 1)
    assert len(changed) == len(before.pixel_bytes)
    assert all(part in changed for part in (b"ICC_PROFILE", b"Adobe", b"\xff\xda\0\x02" + said))

    head, tail = after.content[: after.pixels.start], after.content[after.pixels.stop :]
    (tmp_path / "in.dcm").write_bytes(content)
    (tmp_path / "out.dcm").write_bytes(head + before.pixel_bytes + tail)
    [finding] = Verification(tmp_path / "in.dcm", KEY).run(tmp_path / "out.dcm").findings
    assert finding.kind == "name, identifier or text"


def test_a_transfer_syntax_that_is_none_is_held_back():
    content = encoded(ct()).replace(b"1.2.840.10008.1.2.1", b"1.2.Zzyzxmark.1.2.1")
    parts = split(content)
    with pytest.raises(HeldBack, match="transfer syntax"):
        encode(deidentify(parts.dataset, RESEARCH, KEY).dataset, parts)


def test_speech_is_held_back():
    with pytest.raises(HeldBack, match="sound"):
        _out(ct(SOPClassUID=BasicVoiceAudioWaveformStorage))


def test_what_is_wrong_with_a_uid_is_said_without_it():
    with pytest.raises(HeldBack, match="StudyInstanceUID") as raised:
        _out(ct(StudyInstanceUID=f"1.2.{NAME}"))
    assert NAME not in str(raised.value)
