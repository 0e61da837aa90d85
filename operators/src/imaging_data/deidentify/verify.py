# SPDX-License-Identifier: Apache-2.0
"""Whether anything of the originals is still found in a de-identified result."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from pydicom import Dataset

from ..errors import ImagingDataError, NotDicom, UnreadableInstance
from ..files import read_file
from ..parts import Parts, split
from ..values import items_of, text_of
from .comments import comments
from .dates import cap_age
from .instance import patient_of
from .known import SENTENCE, TABLE, Known, elements
from .places import files_of
from .profile import CLEAN_DESCRIPTORS, MODIFIED_DATES, OPTIONS, RETAIN_UIDS, Profile
from .pseudonyms import Key
from .reading import Reading
from .substitutes import TEXT
from .words import bounded, is_long

UID = re.compile(rb"(?<![\d.])\d+(?:\.\d+){3,}")
DATE = re.compile(rb"(?<![\d.])(\d{8})(?:\d{6})?(?!\d)")
YEAR_FIRST = re.compile(r"(?<!\d)(\d{4})([-./])(\d{1,2})\2(\d{1,2})(?!\d)")
YEAR_LAST = re.compile(r"(?<!\d)(\d{1,2})([-./])(\d{1,2})\2(\d{4})(?!\d)")
Reader = Callable[[Parts, Reading], list[str]]
NAME, TEXTS, WORDS = "name or identifier", "text", "name, identifier or text"
LONGER = TEXT | {"CS", "UR", "UN"}


@dataclass(frozen=True)
class Finding:
    """Something of an original in a result: the file, where in it, and what kind of thing; never the value."""

    path: Path
    place: str
    kind: str


@dataclass
class Verified:
    """What was searched and found.  not_searched: what the results say was kept on purpose, and why."""

    files: int = 0
    findings: list[Finding] = field(default_factory=list)
    not_searched: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class Search:
    """What is searched for in one result, and what is kept in it on purpose."""

    known: Known
    profile: Profile
    dates: bool
    words: re.Pattern[str] | None
    bytes: re.Pattern[bytes] | None


class Verification:
    """Searches results for what `original` says.

    key: with it each result is compared with its own patient's originals, dates that were moved included;
    without it with all of them, and moved dates are not compared, because one patient's may be another's.
    profile: its choices are what was kept on purpose, with the options that a result says of itself.
    """

    def __init__(self, original: Path, key: Key | None = None, profile: Profile | None = None) -> None:
        self._key = key
        self._profile = profile or Profile.read("research")
        self._all, self._by_pseudonym = Known(), dict[str, Known]()
        self._searches: dict[tuple[str, frozenset[str]], Search] = {}
        self._unread = 0
        for path in files_of(original):
            try:
                self._learn(split(read_file(path)[0]))
            except NotDicom:
                continue
            except UnreadableInstance:
                self._unread += 1

    def _learn(self, parts: Parts) -> None:
        known = Known()
        known.add(parts.dataset)
        known.add(parts.dataset.file_meta)
        self._all.merge(known)
        if self._key is not None:
            pseudonym = patient_of(parts.dataset, self._key).pseudonym
            self._by_pseudonym.setdefault(pseudonym, Known()).merge(known)

    def run(
        self,
        result: Path,
        words_in_pixels: Reader | None = None,
        on_progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> Verified:
        """Search the file or folder `result`.  words_in_pixels: reads text in pixels."""
        done, paths, others = Verified(), files_of(result), 0
        in_name = _in_name(self._all)
        if words_in_pixels is None:
            done.not_searched.add("text in pixels: not asked for")
        if self._unread:
            done.not_searched.add(f"originals that are damaged: {self._unread}")
        for number, path in enumerate(paths, start=1):
            kind = in_name(f"{path.relative_to(result.parent)}")
            done.findings += [Finding(path, "the name of the file", kind)] if kind else []
            try:
                parts = split(read_file(path)[0])
                done.findings += [Finding(path, *each) for each in self._one(parts, words_in_pixels, done)]
                done.files += 1
            except NotDicom:
                others += 1
            except UnreadableInstance:
                done.findings.append(Finding(path, "the file", "damaged: not searched"))
            on_progress(number, len(paths))
        if others:
            done.not_searched.add(f"files that are no DICOM: {others}")
        return done

    def _one(self, parts: Parts, words_in_pixels: Reader | None, done: Verified) -> list[tuple[str, str]]:
        """Where and what in one result."""
        search = self._search(parts.dataset, done)
        found = list(dict.fromkeys(_in_elements(search, parts)))
        kinds = {kind for _, kind in found}
        kinds |= {WORDS} if kinds & {NAME, TEXTS} else set()
        found += [each for each in _in_bytes(search, parts) if each[1] not in kinds]
        if words_in_pixels is not None and parts.pixels:
            try:
                found += _in_pixels(search, words_in_pixels(parts, self._profile.reading))
            except ImagingDataError as error:
                done.not_searched.add(f"text in some pixels: {error}")
        return found

    def _search(self, dataset: Dataset, done: Verified) -> Search:
        profile = replace(self._profile, options=_stamped(dataset))
        own = self._by_pseudonym.get(text_of(dataset, "PatientID"))
        dates = not profile.keeps_times or (own is not None and profile.has(MODIFIED_DATES))
        if not dates:
            why = "name the key" if profile.has(MODIFIED_DATES) else "kept by an option"
            done.not_searched.add(f"dates: {why}")
        if profile.has(RETAIN_UIDS):
            done.not_searched.add("UIDs: kept by an option")
        which = (text_of(dataset, "PatientID") if own else "", profile.options)
        if which not in self._searches:
            words = self._profile.words if profile.has(CLEAN_DESCRIPTORS) else frozenset[str]()
            known = (own or self._all).without(_kept(profile), words)
            self._searches[which] = Search(
                known, profile, dates, _words(known), _encoded(known, profile.words)
            )
        return self._searches[which]


def _stamped(dataset: Dataset) -> frozenset[str]:
    """The options that an instance says were used on it."""
    codes = {text_of(item, "CodeValue") for item in items_of(dataset, "DeidentificationMethodCodeSequence")}
    return frozenset(name for name, option in OPTIONS.items() if option.code in codes)


def _kept(profile: Profile) -> frozenset[int]:
    """Attributes that stay as they are, on purpose."""
    rules = profile.rules() | dict(profile.choices)
    return frozenset(tag for tag, rule in rules.items() if rule.action == "K")


def _words(known: Known) -> re.Pattern[str] | None:
    words = sorted(filter(is_long, known.names | known.identifiers.keys()))
    return re.compile("|".join(map(bounded, words))) if words else None


def _encoded(known: Known, usual: frozenset[str]) -> re.Pattern[bytes] | None:
    """The same but for usual words, and whole sentences, in UTF-8, and names as the originals encode them."""
    words = set(filter(is_long, known.names | known.identifiers.keys())) - usual
    texts = {text for text in known.texts if len(text) >= SENTENCE and " " in text}
    every = {bounded(text).encode() for text in words | texts}
    encoded = {each.decode("latin-1") for each in known.encoded}
    every |= {bounded(each).encode("latin-1") for each in encoded if each.casefold() not in usual}
    return re.compile(b"|".join(sorted(every)), re.IGNORECASE) if every else None


def _in_name(known: Known) -> Callable[[str], str]:
    """What of any original the path of a file says; digits only stand in new UIDs by chance."""
    words = {word for word in known.names | known.identifiers.keys() if is_long(word) and not word.isdigit()}
    search = re.compile("|".join(map(bounded, sorted(words)))).search if words else lambda text: None
    uids = known.uids

    def said(path: str) -> str:
        if search(path.casefold()):
            return NAME
        return (
            "UID" if any(each.decode() in uids for each in UID.findall(path.encode(errors="replace"))) else ""
        )

    return said


def _in_elements(search: Search, parts: Parts) -> Iterator[tuple[str, str]]:
    kept = _kept(search.profile)
    for dataset, before in ((parts.dataset.file_meta, "file meta "), (parts.dataset, "")):
        for place, owner, tag, vr, values, _ in elements(dataset):
            if tag.is_private and not search.profile.is_safe(owner, tag):
                yield before + place, "private attribute"
            if tag in kept and vr not in _ALWAYS:
                continue
            for value in values:
                kind = _kind(search, int(tag), vr, value)
                if kind:
                    yield before + place, kind


_ALWAYS = ("DA", "DT", "UI", "AS")


def _kind(search: Search, tag: int, vr: str, value: str) -> str:
    """What of an original a value says; "" for nothing."""
    known, small = search.known, value.strip(" \0").casefold()
    if vr == "UI":
        return "UID" if value in known.uids and not search.profile.has(RETAIN_UIDS) else ""
    if vr == "AS" and cap_age(value) != value and tag not in search.profile.choices:
        return "great age"
    if vr in ("DA", "DT"):
        return "date" if search.dates and value[:8] in known.dates else ""
    if vr not in LONGER:
        return ""
    words = set(re.split(r"[\W_]+", small)) if vr != "CS" else {small}
    if vr == "CS" and small in search.profile.words:  # PERFUSION is no patient there, whatever their name
        return ""
    if words & known.names or (search.words and search.words.search(small)):
        return NAME
    if search.dates and known.dates & set(_written_dates(small)):
        return "date"
    same = small in known.texts and tag in TABLE and search.profile.rules()[tag].action != "C"
    return TEXTS if same or (small in known.texts and len(small) >= SENTENCE and " " in small) else ""


def _written_dates(text: str) -> Iterator[str]:
    """The days that a text may mean by 2020-01-31, 31.1.2020 or 1/31/2020, as YYYYMMDD."""
    for year, _, month, day in YEAR_FIRST.findall(text):
        yield f"{year}{month:0>2}{day:0>2}"
    for one, _, other, year in YEAR_LAST.findall(text):
        yield f"{year}{other:0>2}{one:0>2}"
        yield f"{year}{one:0>2}{other:0>2}"


def _in_bytes(search: Search, parts: Parts) -> Iterator[tuple[str, str]]:
    """In everything but the pixel data, however it is wrapped: junk behind values, the head, unknown elements."""
    span = parts.pixels
    outside = parts.content[: span.start] + b"\n" + parts.content[span.stop :] if span else parts.content
    if span and span.encapsulated:
        outside += b"".join(bytes(parts.pixel_bytes[text]) + b"\n" for text in comments(parts.pixel_bytes))
    if search.bytes and (found := search.bytes.search(outside)):
        yield f"byte {found.start()}", WORDS
    if not search.profile.has(RETAIN_UIDS):
        for each in UID.finditer(outside):
            if each[0].decode() in search.known.uids:
                yield f"byte {each.start()}", "UID"
                break
    if search.dates:
        for each in DATE.finditer(outside):
            if each[1].decode() in search.known.dates:
                yield f"byte {each.start()}", "date"
                break


def _in_pixels(search: Search, words: list[str]) -> list[tuple[str, str]]:
    said = {word.casefold() for word in words}
    hit = said & (search.known.names | search.known.identifiers.keys()) or any(
        search.words and search.words.search(word) for word in said
    )
    return [("pixel data", "text in pixels")] if hit else []
