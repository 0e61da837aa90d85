# SPDX-License-Identifier: Apache-2.0
"""The actions of PS3.15 Table E.1-1a on the elements of one instance, in its sequences too."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from pydicom import DataElement, Dataset
from pydicom.charset import python_encoding
from pydicom.datadict import dictionary_VR, keyword_for_tag, tag_for_keyword
from pydicom.dataelem import RawDataElement
from pydicom.multival import MultiValue
from pydicom.sequence import Sequence
from pydicom.tag import BaseTag

from ..elements import DEEPEST
from ..values import UNREADABLE
from . import dates
from .holding import HeldBack
from .profile import CLEAN_DESCRIPTORS, MODIFIED_DATES, RETAIN_UIDS, Profile, Rule
from .pseudonyms import Key
from .substitutes import TEXT, dummy, empty
from .words import UNMISTAKABLE, clean_text, is_long, text_words

KEEP, REMOVE = Rule("K", "K"), Rule("X", "X")
DATES = frozenset({"DA", "DT"})
ECHOING = TEXT | {"CS", "UR", "UN"}  # VRs in which the patient's name may stand where the table expects none
WRITTEN = TEXT | {"CS", "UI", "UR", "DS", "IS", "DA", "DT", "TM", "AS"}  # in letters and digits
MEANT = DATES | {"TM", "AS", "PN", "UI"}  # VRs that hold, whatever a file says in their place
NUMBERS = {  # what values in digits may look like; anything else in them is not kept
    **dict.fromkeys(("DS", "IS"), re.compile(rb"[0-9+\-.eE\\ \0]*")),
    **dict.fromkeys(("DA", "DT"), re.compile(rb"[0-9+\-.:\\ \0]*")),
    "TM": re.compile(rb"(?:\d\d(?::?\d\d(?::?\d\d(?:\.\d{1,6})?)?)?[ \0]*(?:\\|$))*[ \0]*"),
    "AS": re.compile(rb"[0-9DWMY\\ \0]*"),
    "UI": re.compile(rb"[0-9.\\ \0]*"),
}
SIZES = {  # bytes of one value
    "US": 2, "SS": 2, "UL": 4, "SL": 4, "FL": 4, "AT": 4, "FD": 8, "UV": 8, "SV": 8,
}  # fmt: skip
SAYING = TEXT | {"DS", "FD", "FL", "UN", "UR"}  # VRs that say something in a sequence that must say nothing
# What goes from items: what the table says, free texts, too, all that says anything.
LISTED, TEXTS, BLANK = range(3)
BULK = 1 << 20  # bytes
ITEMS = (b"\xfe\xff\x00\xe0", b"\xff\xfe\xe0\x00")  # what a sequence begins with
PATIENT_ID, PATIENT_NAME = BaseTag(0x00100020), BaseTag(0x00100010)
CODES = range(0x00080100, 0x00080125)  # Code Sequence Macro (PS3.3 section 8.8)
# Not in the table: who gave the identifiers, whose animals lie together, URLs, what was encrypted or signed.
BEYOND = frozenset(
    tag_for_keyword(keyword)
    for keyword in (
        "IssuerOfAccessionNumberSequence", "IssuerOfPatientIDQualifiersSequence", "OrderPlacerIdentifierSequence",
        "OrderFillerIdentifierSequence", "SourcePatientGroupIdentificationSequence",
        "GroupOfPatientsIdentificationSequence", "EncryptedAttributesSequence", "MACParametersSequence",
    )
)  # fmt: skip
CHARACTER_SET = BaseTag(0x00080005)
CODE_MEANING, CODING_SCHEME, CODING_SCHEME_UID = map(BaseTag, (0x00080104, 0x00080102, 0x0008010C))
# Coding schemes of PS3.16 section 8 whose meanings no hospital writes.
PUBLIC = frozenset({
    "SCT", "SRT", "SNM3", "DCM", "LN", "UCUM", "FMA", "RADLEX", "MA", "NCIt", "UMLS", "NCDR", "BI", "NEU", "I9",
    "I9C", "I10", "I10P", "C4", "CD2", "ISO3166_1", "ISO639_1", "RFC5646", "IBSI", "MDC", "UNS",
})  # fmt: skip


@dataclass(frozen=True)
class Patient:
    """Whom an instance is of, as the key sees it.

    identity: issuer and PatientID.  pseudonym: stands for PatientID and PatientName.  days: by how many dates move.
    """

    identity: tuple[str, str]
    pseudonym: str
    days: int


@dataclass
class Cleaner:
    """Takes the patient out of the elements of one instance, in place.

    rules: for the top level, by the table's tag; items: for what lies in sequences.  uids: collects what stands
    for what.
    """

    profile: Profile
    key: Key
    patient: Patient
    rules: Mapping[int, Rule]
    items: Mapping[int, Rule]
    words: frozenset[str]
    uids: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._depth, self._mode = 0, LISTED
        self._echo = [word for word in self.words if is_long(word)]
        self._bulk = [word.encode() for word in self.words if len(word) >= UNMISTAKABLE + word.isdigit()]
        self._actions: dict[str, Callable[[Dataset, BaseTag, str, Rule], None]] = {
            "K": self._keep, "C": self._clean, "U": self._uid, "H": self._hash, "R": self._replace,
            "Z": self._empty, "D": self._dummy,
        }  # fmt: skip

    def clean(self, dataset: Dataset, rules: Mapping[int, Rule]) -> None:
        """All elements of `dataset`."""
        if not _is_readable(dataset):
            raise HeldBack("Its SpecificCharacterSet is none of PS3.3 section C.12.1.1.2: names stay hidden.")
        for tag in list(dataset.keys()):
            try:
                self._element(dataset, tag, rules)
            except UNREADABLE:  # a value that is not what its VR says is kept by no rule
                dataset.pop(tag, None)
        self._drop_creators(dataset)

    def _element(self, dataset: Dataset, tag: BaseTag, rules: Mapping[int, Rule]) -> None:
        if tag.is_private:
            if not tag.is_private_creator:
                self._private(dataset, tag)
            return
        vr = _vr(dataset, tag)
        rule = self.profile.choices.get(tag) or rules.get(tag) or self._unlisted(dataset, tag, vr)
        if rule.action == "X" or not vr or tag.group < 0x0008:
            del dataset[tag]
        else:
            self._actions[rule.action](dataset, tag, vr, rule)

    def _private(self, dataset: Dataset, tag: BaseTag) -> None:
        """What is safe stays as what the table does not name does; its sequences and bulk data go unread."""
        hides = _hides_items(dataset.get_item(tag))
        vr = str(dataset[tag].VR) if not hides and self.profile.is_safe(dataset, tag) else "SQ"
        if vr == "SQ" or vr.startswith("O"):
            del dataset[tag]
        else:
            rule = self._unlisted(dataset, tag, vr)
            self._actions[rule.action](dataset, tag, vr, rule)

    def _unlisted(self, dataset: Dataset, tag: BaseTag, vr: str) -> Rule:
        """What the table does not name stays, but for names, dates, UIDs, graphics and what is not known."""
        if not vr or tag.element == 0 or tag.group & 0xFF00 in (0x5000, 0x6000) or tag in BEYOND:
            return REMOVE
        if vr == "UI":
            public = keyword_for_tag(tag).endswith("ClassUID") or (
                tag == CODING_SCHEME_UID and _is_public(dataset)
            )
            return KEEP if public else Rule("U", "U")
        if vr == "PN" or (vr == "UR" and tag not in CODES):
            return Rule("D", "D")
        if vr in DATES or vr == "TM":
            return KEEP if self.profile.keeps_times else Rule("Z", "Z")
        if self._mode == BLANK and vr in SAYING:
            return Rule("D", "D")
        free = self._mode == TEXTS and vr in TEXT and tag not in CODES
        local = tag == CODE_MEANING and not _is_public(dataset)
        return Rule("C", "D") if free or local else KEEP

    def _keep(self, dataset: Dataset, tag: BaseTag, vr: str, rule: Rule) -> None:
        """Unchanged; a sequence by the rules of items; a date moved, an age capped where the profile says so."""
        if vr == "SQ":
            self._items(dataset, tag, self._mode)
        elif tag in self.profile.choices:
            return
        elif vr in DATES and self.profile.has(MODIFIED_DATES):
            self._shift(dataset, tag, vr)
        elif vr == "AS":
            self._set(dataset, tag, vr, dates.cap_age(_text(dataset, tag)))
        elif vr != "UI" and self._echoes(dataset, tag, vr):  # in UIDs that stay days and numbers are usual
            self._silence(dataset, tag, vr)

    def _clean(self, dataset: Dataset, tag: BaseTag, vr: str, rule: Rule) -> None:
        """Dates are moved, times stay, texts keep known words, sequences are cleaned; else the fallback."""
        if vr == "SQ":
            self._items(dataset, tag, TEXTS)
        elif vr in DATES and self.profile.has(MODIFIED_DATES):
            self._shift(dataset, tag, vr)
        elif vr in TEXT:
            self._cleaned_text(dataset, tag, vr, rule)
        elif vr != "TM":
            self._fall_back(dataset, tag, vr, rule)

    def _cleaned_text(self, dataset: Dataset, tag: BaseTag, vr: str, rule: Rule) -> None:
        known = self.profile.words if self.profile.has(CLEAN_DESCRIPTORS) and vr != "PN" else frozenset[str]()
        text = (
            clean_text(_text(dataset, tag), known, self.words) if known or tag in self.profile.choices else ""
        )
        if text:
            dataset[tag] = DataElement(tag, vr, text)
        else:
            self._fall_back(dataset, tag, vr, rule)

    def _fall_back(self, dataset: Dataset, tag: BaseTag, vr: str, rule: Rule) -> None:
        if rule.fallback == "X":
            del dataset[tag]
        else:
            self._actions[rule.fallback](dataset, tag, vr, rule)

    def _items(self, dataset: Dataset, tag: BaseTag, mode: int) -> None:
        """What lies in a sequence, as strictly as what is around it or stricter."""
        value, before = dataset[tag].value, self._mode
        if not isinstance(value, Sequence):
            del dataset[tag]
            return
        self._depth, self._mode = self._depth + 1, max(mode, before)
        if self._depth > DEEPEST:
            raise HeldBack(f"Its sequences are nested more than {DEEPEST} deep.")
        for item in value:
            self.clean(item, self.items)
        self._depth, self._mode = self._depth - 1, before

    def _uid(self, dataset: Dataset, tag: BaseTag, vr: str, rule: Rule) -> None:
        """Another UID for each; a sequence keeps its items, with other UIDs in them."""
        if vr == "SQ":
            self._items(dataset, tag, self._mode)
        elif vr != "UI":
            dataset[tag] = dummy(tag, vr)
        elif not (self.profile.has(RETAIN_UIDS) and tag not in self.profile.choices):
            new = [self._new_uid(str(uid)) for uid in _values(dataset, tag)]
            dataset[tag] = DataElement(tag, vr, new)

    def _new_uid(self, original: str) -> str:
        new = self.key.uid(original)
        if new != original:
            self.uids[original] = new
        return new

    def _shift(self, dataset: Dataset, tag: BaseTag, vr: str) -> None:
        moved = [dates.shift(str(value), self.patient.days) for value in _values(dataset, tag)]
        self._set(dataset, tag, vr, [value for value in moved if value])

    def _hash(self, dataset: Dataset, tag: BaseTag, vr: str, rule: Rule) -> None:
        text = _text(dataset, tag)
        self._set(dataset, tag, vr, self.key.pseudonym(f"{tag:08x}", text) if text and vr in TEXT else "")

    def _replace(self, dataset: Dataset, tag: BaseTag, vr: str, rule: Rule) -> None:
        dataset[tag] = DataElement(tag, vr, rule.value)

    def _empty(self, dataset: Dataset, tag: BaseTag, vr: str, rule: Rule) -> None:
        """Empty, but for the patient's name and identifier, which the pseudonym stands for."""
        if tag in (PATIENT_NAME, PATIENT_ID):
            self._dummy(dataset, tag, vr, rule)
        else:
            dataset[tag] = empty(tag, vr)

    def _dummy(self, dataset: Dataset, tag: BaseTag, vr: str, rule: Rule) -> None:
        if tag in (PATIENT_NAME, PATIENT_ID):
            dataset[tag] = DataElement(tag, vr, self.patient.pseudonym)
        elif vr == "SQ":
            self._items(dataset, tag, BLANK)
        elif vr == "UI":
            self._uid(dataset, tag, vr, rule)
        else:
            dataset[tag] = dummy(tag, vr, dataset[tag].VM)

    def _set(self, dataset: Dataset, tag: BaseTag, vr: str, value: str | list[str]) -> None:
        dataset[tag] = DataElement(tag, vr, value) if value else empty(tag, vr)

    def _silence(self, dataset: Dataset, tag: BaseTag, vr: str) -> None:
        """Replace what says the patient's name; of a coded string only the value that does, and is no usual word."""
        if vr not in ECHOING - {"UN"}:
            del dataset[tag]
            return
        if vr != "CS":
            dataset[tag] = dummy(tag, vr)
            return
        strange = {word for word in self.words if is_long(word)} - self.profile.words
        values = [str(value) for value in _values(dataset, tag)]
        numbers = [word for word in strange if len(word) > UNMISTAKABLE and not any(map(str.isalpha, word))]
        said = [
            strange & {value.casefold(), *text_words(value.replace("_", " "))}
            or any(n in value for n in numbers)
            for value in values
        ]
        dataset[tag] = DataElement(
            tag, vr, ["ANONYMIZED" if own else v for v, own in zip(values, said, strict=True)]
        )

    def _echoes(self, dataset: Dataset, tag: BaseTag, vr: str) -> bool:
        """Whether a value says a part of the patient's name or an identifier; of bulk data, the first MiB."""
        raw = dataset.get_item(tag).value
        if vr not in ECHOING:  # what is short, or digits only, occurs among numbers by chance
            plain = raw[:BULK].lower() if isinstance(raw, bytes) else b""
            return any(word in plain for word in self._bulk)
        ascii_only = isinstance(raw, bytes) and raw.isascii() and b"\x1b" not in raw
        text = (raw.decode("ascii") if ascii_only else _decoded(dataset, tag)).casefold()
        return any(word in text for word in self._echo)

    def _drop_creators(self, dataset: Dataset) -> None:
        """Creators of blocks that are gone go, too."""
        private = [tag for tag in dataset.keys() if tag.is_private]  # noqa: SIM118
        kept = {(tag.group, tag.element >> 8) for tag in private if not tag.is_private_creator}
        for tag in private:
            if tag.is_private_creator and (tag.group, tag.element) not in kept:
                del dataset[tag]


def _vr(dataset: Dataset, tag: BaseTag) -> str:
    """The VR that the element says, else the dictionary's.

    "" where PS3.6 does not know the attribute, or where text or anything else stands in place of numbers.
    """
    known, raw = _dictionary_vr(tag), dataset.get_item(tag)
    if not known:
        return ""
    said = known if raw.VR in (None, "UN") or tag in (PATIENT_ID, PATIENT_NAME) else str(raw.VR)
    if known == "SQ" or said == "SQ":
        return "SQ" if known == said else ""
    if (said in TEXT and known not in WRITTEN) or _hides_items(raw):
        return ""
    if known in MEANT or (known in ECHOING and said not in ECHOING | DATES | {"UI"}):
        said = known
    if not isinstance(raw.value, bytes):
        return said
    plain = NUMBERS.get(said) or NUMBERS.get(known)
    fits = plain.fullmatch(raw.value) if plain else len(raw.value) % SIZES.get(said, 1) == 0
    return said if fits else ""


@lru_cache(4096)
def _dictionary_vr(tag: BaseTag) -> str:
    """The VR by PS3.6, "" where it does not know the attribute."""
    try:
        return dictionary_VR(tag)
    except KeyError:
        return ""


def _hides_items(raw: DataElement | RawDataElement) -> bool:
    """Whether a value is the bytes of a sequence, which nobody would look into."""
    return isinstance(raw.value, bytes) and raw.value[:4] in ITEMS


def _is_readable(dataset: Dataset) -> bool:
    """Whether its texts are in a character set that is known."""
    return {str(each) for each in _values(dataset, CHARACTER_SET)} <= python_encoding.keys()


def _values(dataset: Dataset, tag: BaseTag) -> list[object]:
    value = dataset[tag].value if tag in dataset else None
    return list(value) if isinstance(value, MultiValue) else [] if value in (None, "") else [value]


def _text(dataset: Dataset, tag: BaseTag) -> str:
    return "\\".join(map(str, _values(dataset, tag)))


def _decoded(dataset: Dataset, tag: BaseTag) -> str:
    """A value's text; of one that was read as bytes, in each character set of the data set."""
    value = dataset[tag].value
    if not isinstance(value, bytes):
        return _text(dataset, tag)
    encodings = dataset.original_character_set
    each = [encodings] if isinstance(encodings, str) else encodings
    return "\n".join(value.decode(encoding, "ignore") for encoding in each)


def _is_public(dataset: Dataset) -> bool:
    """Whether its code, or what it says of a coding scheme, is of a public one (PS3.16 section 8)."""
    return _text(dataset, CODING_SCHEME).strip() in PUBLIC
