# SPDX-License-Identifier: Apache-2.0
"""What originals say that must not be found in a result: names, identifiers, dates, UIDs, texts."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from pydicom import Dataset
from pydicom._uid_dict import UID_dictionary
from pydicom.datadict import keyword_for_tag
from pydicom.sequence import Sequence
from pydicom.tag import BaseTag

from ..elements import DEEPEST
from ..values import UNREADABLE
from .profile import Profile
from .substitutes import DUMMIES, TEXT
from .words import SHORTEST, clean_text, parts_of, text_words

SENTENCE = 10  # letters of a text of several words that is searched for wherever it may stand
TABLE = Profile("").rules()
_ID = re.compile(r"(ID|IDs|Identifier|Number|Locator)$")
PUBLIC_UIDS = ("ClassUID", "CodingSchemeUID")
NOT_PATIENTS = {"SeriesNumber", "AcquisitionNumber", "InstanceNumber"}

# Path, data set, tag, VR, values, encoded value.
Element = tuple[str, Dataset, BaseTag, str, list[str], bytes]


@dataclass
class Known:
    """By kind: words and texts in small letters, dates as YYYYMMDD, UIDs; `encoded` as in the file.

    Identifiers and texts are known with the attributes that say them, some of which a profile keeps.
    """

    names: set[str] = field(default_factory=set)
    identifiers: dict[str, set[int]] = field(default_factory=dict)
    texts: dict[str, set[int]] = field(default_factory=dict)
    dates: set[str] = field(default_factory=set)
    uids: set[str] = field(default_factory=set)
    encoded: set[bytes] = field(default_factory=set)

    def add(self, dataset: Dataset) -> None:
        """Take in what an original says, in its sequences and private attributes too."""
        for _, _, tag, vr, values, encoded in elements(dataset):
            for value in values:
                self._add(tag, vr, value)
            if vr == "PN":
                self.encoded |= {part for part in re.split(rb"[\^=\\ ]", encoded) if len(part) >= SHORTEST}

    def _add(self, tag: BaseTag, vr: str, value: str) -> None:
        if vr == "PN":
            self.names |= {part for part in parts_of(value) if len(part) > 1}
        elif vr in ("DA", "DT") and value[:8].isdigit() and len(value) >= 8:
            self.dates.add(value[:8])
        elif vr == "UI":
            if value and value not in UID_dictionary and not keyword_for_tag(tag).endswith(PUBLIC_UIDS):
                self.uids.add(value)
        elif vr in TEXT and tag in TABLE and len(value.strip()) >= SHORTEST:
            keyword = keyword_for_tag(tag)
            named = _ID.search(keyword) and keyword not in NOT_PATIENTS
            into = self.identifiers if named else self.texts
            into.setdefault(value.strip().casefold(), set()).add(int(tag))

    def merge(self, other: "Known") -> None:
        """Take in what `other` knows."""
        for name in ("names", "dates", "uids", "encoded"):
            getattr(self, name).update(getattr(other, name))
        for name in ("identifiers", "texts"):
            into = getattr(self, name)
            for text, tags in getattr(other, name).items():
                into.setdefault(text, set()).update(tags)

    def without(self, kept: frozenset[int], words: frozenset[str]) -> "Known":
        """What it knows from other attributes than `kept`, and of texts those with another word than `words`."""
        identifiers = {text: tags for text, tags in self.identifiers.items() if not tags & kept}
        texts = {
            text: tags
            for text, tags in self.texts.items()
            if not tags & kept and text_words(clean_text(text, words)) != text_words(text)
        }
        return Known(self.names, identifiers, texts, self.dates, self.uids, self.encoded)


def elements(dataset: Dataset, path: str = "", depth: int = 0) -> Iterator[Element]:
    """Every element, with its place such as (0008,1115)[0](0008,1150); a sequence itself without a value.

    Deeper than 32 sequences it does not look; their bytes are searched all the same.
    """
    for tag in list(dataset.keys()):
        raw = dataset.get_item(tag).value
        here = f"{path}({tag.group:04X},{tag.element:04X})"
        try:
            element = dataset[tag]
            value = element.value
        except UNREADABLE:
            yield here, dataset, tag, "UN", [], raw if isinstance(raw, bytes) else b""
            continue
        inside = isinstance(value, Sequence)
        encoded = b"" if inside or not isinstance(raw, bytes) else raw
        yield here, dataset, tag, str(element.VR), [] if inside else _texts(value), encoded
        if inside and depth < DEEPEST:
            for number, item in enumerate(value):
                yield from elements(item, f"{here}[{number}]", depth + 1)


def _texts(value: object) -> list[str]:
    if isinstance(value, bytes):
        return [value.decode("latin-1")] if len(value) < 1 << 16 else []
    several = value if isinstance(value, (list, tuple)) or hasattr(value, "append") else [value]
    return [str(one) for one in several if one not in (None, "", *map(str, DUMMIES.values()))]  # type: ignore[attr-defined]
