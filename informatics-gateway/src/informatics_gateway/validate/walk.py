# SPDX-License-Identifier: Apache-2.0
"""A walk over a data set and every item in it that decodes nothing but identifiers and sequences."""

from collections.abc import Iterator
from dataclasses import dataclass

from pydicom import DataElement, Dataset
from pydicom.datadict import dictionary_has_tag, dictionary_VR, keyword_for_tag
from pydicom.dataelem import RawDataElement
from pydicom.multival import MultiValue
from pydicom.tag import BaseTag


@dataclass(frozen=True)
class Place:
    """Where an item stands: the study and series that the items around it name, and the outermost sequence.

    All are empty for the data set itself.
    """

    study: str = ""
    series: str = ""
    outermost: str = ""


@dataclass(frozen=True)
class Item:
    """One item, or the data set itself, with its UIDs: (keyword, value), an empty value left out."""

    place: Place
    dataset: Dataset
    uids: tuple[tuple[str, str], ...]

    def uid(self, keyword: str) -> str:
        """The item's own UID of this keyword; empty without one."""
        return next((value for name, value in self.uids if name == keyword), "")


def walk(dataset: Dataset) -> Iterator[Item]:
    """The data set, then every item at any depth, in their order."""
    uids, sequences = _uids_and_sequences(dataset)
    yield Item(Place(), dataset, uids)
    for tag in sequences:
        for child in dataset[tag].value:
            yield from _walk_item(Place(outermost=_name(tag)), child)


def _walk_item(around: Place, dataset: Dataset) -> Iterator[Item]:
    uids, sequences = _uids_and_sequences(dataset)
    item = Item(around, dataset, uids)
    place = Place(
        item.uid("StudyInstanceUID") or around.study,
        item.uid("SeriesInstanceUID") or around.series,
        around.outermost,
    )
    yield Item(place, dataset, uids)
    for tag in sequences:
        for child in dataset[tag].value:
            yield from _walk_item(place, child)


def _uids_and_sequences(dataset: Dataset) -> tuple[tuple[tuple[str, str], ...], list[BaseTag]]:
    uids: list[tuple[str, str]] = []
    sequences: list[BaseTag] = []
    for tag in dataset.keys():  # noqa: SIM118  iterating over the data set itself decodes every value
        element = dataset.get_item(tag)
        vr = _vr(element)
        if vr == "SQ":
            sequences.append(tag)
        elif vr == "UI":
            uids += [(_name(tag), uid) for uid in _uids(element) if uid]
    return tuple(uids), sequences


def _vr(element: DataElement | RawDataElement) -> str:
    """What pydicom takes the element for once it decodes it: UN and implicit VR go by the dictionary."""
    if element.VR is not None and element.VR != "UN":
        return str(element.VR)
    return dictionary_VR(element.tag) if dictionary_has_tag(element.tag) else "UN"


def _uids(element: DataElement | RawDataElement) -> list[str]:
    """The values of an element with VR UI, padded with a null byte each (PS3.5 section 9)."""
    value = element.value
    if isinstance(value, bytes):
        return [uid.rstrip("\0 ") for uid in value.decode("latin-1").split("\\")]
    return [str(uid) for uid in (value if isinstance(value, MultiValue) else [value or ""])]


def _name(tag: BaseTag) -> str:
    return keyword_for_tag(tag) or str(tag)
