# SPDX-License-Identifier: Apache-2.0
"""SpecificCharacterSet of what is made (PS3.3 C.12.1.1.2): the source's, where it has all that the result says.

An archive that took the source knows its character set; one that does not know UTF-8 would garble a name.  What
the source's cannot say without loss is in UTF-8, as all is while a result is made.
"""

from collections.abc import Iterator, Sequence
from struct import Struct

from pydicom import DataElement, Dataset
from pydicom.charset import convert_encodings, decode_bytes, default_encoding, encode_string, python_encoding
from pydicom.dataelem import RawDataElement
from pydicom.multival import MultiValue
from pydicom.tag import Tag
from pydicom.valuerep import TEXT_VR_DELIMS, PersonName

UTF_8 = "ISO_IR 192"
DEFAULT = ("", "ISO_IR 6", "ISO 2022 IR 6")
NEVER_FIRST = tuple(f"ISO 2022 IR {number}" for number in (58, 87, 149, 159))  # of several bytes a sign
TEXTS = {"LO", "LT", "PN", "SH", "ST", "UC", "UT"}  # the VRs that SpecificCharacterSet is for (PS3.5 6.1.2.2)
WITHOUT_TEXT = {  # of what is bytes already: UIDs, numbers, and codes of our own
    Tag(keyword)
    for keyword in (
        "PerFrameFunctionalGroupsSequence",
        "ReferencedSeriesSequence",
        "ROIContourSequence",
    )
}
KATAKANA = python_encoding["ISO_IR 13"]
ITEM_GROUP = 0xFFFE
HEAD = Struct("<HH2sH").unpack_from
LENGTH = Struct("<L").unpack_from
LONG = (b"SQ", b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"UC", b"UN", b"UR", b"UT")


def keep_character_set(dataset: Dataset, declared: Sequence[str]) -> None:
    """Give `dataset`, which is in UTF-8, the source's character set `declared`, if that loses nothing."""
    if not _is_known(declared):
        return
    encodings = convert_encodings(list(declared) or None)
    if not all(_survives(vr, text, encodings) for vr, text in set(_texts(dataset))):
        return
    implicit, little = dataset.original_encoding
    if all(term in DEFAULT for term in declared):
        del dataset.SpecificCharacterSet
        dataset.set_original_encoding(implicit, little, default_encoding)
    else:
        dataset.SpecificCharacterSet = list(declared)
        dataset.set_original_encoding(implicit, little, encodings)


def _is_known(declared: Sequence[str]) -> bool:
    """Whether each is a defined term, and several of them are those with code extensions (PS3.5 6.1.2.5)."""
    first, *others = declared or ("",)
    if not {first, *others} <= python_encoding.keys() - {UTF_8} or first in NEVER_FIRST:
        return False
    return not others or all(term.startswith("ISO 2022 IR") for term in (first or DEFAULT[-1], *others))


def _texts(dataset: Dataset) -> Iterator[tuple[str, str]]:
    """Each text with its VR; the VR of one that is bytes in UTF-8 already is empty."""
    for tag in dataset.keys() - WITHOUT_TEXT:
        element = dataset.get_item(tag)
        if isinstance(element, RawDataElement):
            yield from _raw_texts(element.value or b"") if element.VR == "SQ" else ()
        elif element.VR == "SQ":
            for item in element.value:
                yield from _texts(item)
        elif element.VR in TEXTS:
            yield from ((element.VR, str(value)) for value in _values(element))


def _values(element: DataElement) -> Sequence[object]:
    value = element.value
    return list(value) if isinstance(value, MultiValue) else [value or ""]


def _raw_texts(content: bytes) -> Iterator[tuple[str, str]]:
    """Those of a sequence's value in Explicit VR Little Endian, whatever lies within what."""
    at = 0
    while at < len(content):
        group, _, vr, length = HEAD(content, at)
        at += 8
        if group == ITEM_GROUP:  # a tag and a length: its elements follow
            continue
        if vr in LONG:
            [length] = LENGTH(content, at)
            at += 4
        if vr != b"SQ":
            if vr.decode("ascii") in TEXTS:
                yield "", content[at : at + length].decode()
            at += length


def _survives(vr: str, text: str, encodings: list[str]) -> bool:
    """Whether the text is the same once it was written, for readers that do not look for escapes, either."""
    if encodings[0] == KATAKANA and ("~" in text or "\\" in text):  # ISO_IR 13 has other signs there
        return False
    if text.isascii():
        return True
    if not vr or not all(any(_has(encoding, sign) for encoding in encodings) for sign in text):
        return False
    content, read = _written_and_read(vr, text, encodings)
    return read == text and content.count(b"\\") == text.count("\\")


def _has(encoding: str, sign: str) -> bool:
    """What pydicom's names stand for here: Latin-1 for ASCII, Shift JIS for its katakana of one byte."""
    if encoding == default_encoding or sign.isascii():
        return sign.isascii()
    if encoding == KATAKANA:
        return "\uff61" <= sign <= "\uff9f"
    try:
        return bool(sign.encode(encoding))
    except UnicodeEncodeError:
        return False


def _written_and_read(vr: str, text: str, encodings: list[str]) -> tuple[bytes, str]:
    if vr == "PN":
        content = PersonName(text).encode(encodings)
        return content, str(PersonName(content, encodings))
    content = encode_string(text, encodings)
    return content, decode_bytes(content, encodings, TEXT_VR_DELIMS)
