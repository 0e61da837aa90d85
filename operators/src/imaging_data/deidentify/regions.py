# SPDX-License-Identifier: Apache-2.0
"""Where an image may show its patient, by what it says of itself: ultrasound regions, rules for devices."""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from pydicom import Dataset
from pydicom.uid import (
    CTImageStorage,
    EnhancedCTImageStorage,
    EnhancedMRImageStorage,
    EnhancedPETImageStorage,
    MRImageStorage,
    PositronEmissionTomographyImageStorage,
    UltrasoundImageStorage,
    UltrasoundMultiFrameImageStorage,
    VLWholeSlideMicroscopyImageStorage,
)

from ..pixels import GREY
from ..values import items_of, numbers_of, text_of, values_of
from .frames import Mask, rectangles

ULTRASOUND = (UltrasoundImageStorage, UltrasoundMultiFrameImageStorage)
CROSS_SECTIONS = (
    CTImageStorage,
    EnhancedCTImageStorage,
    MRImageStorage,
    EnhancedMRImageStorage,
    PositronEmissionTomographyImageStorage,
    EnhancedPETImageStorage,
)
NO_SLICES = {"LOCALIZER", "SCREEN SAVE", "SCREENSHOT", "DOSE_INFO", "PROT", "POSDISP"}
CORNERS = ("RegionLocationMinX0", "RegionLocationMinY0", "RegionLocationMaxX1", "RegionLocationMaxY1")
CONTAINED = {
    "manufacturer": "Manufacturer",
    "model": "ManufacturerModelName",
    "image_type": "ImageType",
    "series_description": "SeriesDescription",
}


SIZES = {"rows": "Rows", "columns": "Columns"}
NEEDED = {"name", "modality", "mask"}


@dataclass(frozen=True)
class DeviceRule:
    """One rule of regions.toml, or of a profile.

    contained: text that occurs in an attribute, by keyword.  sizes: Rows and Columns.
    boxes: left, top, right and bottom of what is made black, ends excluded.
    """

    name: str
    modality: str
    contained: dict[str, str]
    sizes: dict[str, int]
    boxes: list[tuple[int, int, int, int]]

    @classmethod
    def of(cls, raw: dict[str, Any]) -> "DeviceRule":
        """A table of the file.  Raises ValueError, saying which key is wrong."""
        where = f"rule {raw.get('name', '')!r}"
        for key in sorted(raw.keys() - {*NEEDED, *CONTAINED, *SIZES}):
            raise ValueError(f"{where}: {key!r} is not known")
        for key in sorted(NEEDED - raw.keys()):
            raise ValueError(f"{where}: {key!r} is missing")
        for key, value in raw.items():
            fits = _are_boxes(value) if key == "mask" else type(value) is (int if key in SIZES else str)
            if not fits or value == "":
                raise ValueError(f"{where}: {key} = {value!r} is of the wrong kind")
        contained = {keyword: raw[key] for key, keyword in CONTAINED.items() if key in raw}
        sizes = {keyword: raw[key] for key, keyword in SIZES.items() if key in raw}
        boxes = [(left, top, left + width, top + height) for left, top, width, height in raw["mask"]]
        return cls(raw["name"], raw["modality"], contained, sizes, boxes)

    def fits(self, dataset: Dataset) -> bool:
        """Whether an image is of this kind."""
        return (
            text_of(dataset, "Modality") == self.modality
            and all(numbers_of(dataset, keyword, 1) == (size,) for keyword, size in self.sizes.items())
            and all(
                text.casefold() in text_of(dataset, keyword).casefold()
                for keyword, text in self.contained.items()
            )
        )


def _are_boxes(value: Any) -> bool:
    """Whether it is a list of left, top, width and height each; none at all says that nothing is written."""
    return isinstance(value, list) and all(
        isinstance(box, list) and len(box) == 4 and all(type(each) is int and each >= 0 for each in box)
        for box in value
    )


@cache
def device_rules() -> tuple[DeviceRule, ...]:
    """The rules of regions.toml, in their order."""
    text = files(__package__).joinpath("regions.toml").read_text(encoding="utf-8")
    return tuple(map(DeviceRule.of, tomllib.loads(text)["rule"]))


def is_ultrasound(dataset: Dataset) -> bool:
    """Whether the device writes the patient beside its image."""
    return text_of(dataset, "Modality") == "US" or text_of(dataset, "SOPClassUID") in ULTRASOUND


def is_plain_slice(dataset: Dataset) -> bool:
    """Whether it is a grey cross-section with its place in the patient, whose every value is as it was computed.

    No localizer and no screen, more than 8 bits, not lossily compressed, and it does not say that text is in it.
    """
    bits = numbers_of(dataset, "BitsStored", 1) or (0,)
    kinds = set(map(str, values_of(dataset, "ImageType")))
    return (
        text_of(dataset, "SOPClassUID") in CROSS_SECTIONS
        and ("ImagePositionPatient" in dataset or "PerFrameFunctionalGroupsSequence" in dataset)
        and not NO_SLICES & kinds
        and bits[0] > 8
        and text_of(dataset, "PhotometricInterpretation") in GREY
        and text_of(dataset, "LossyImageCompression") != "01"
        and text_of(dataset, "BurnedInAnnotation") != "YES"
    )


def is_slide_label(dataset: Dataset) -> bool:
    """Whether it is the photograph of a slide's label, or of the whole slide with it (PS3.3 C.8.12.4.1.1)."""
    kinds = {str(value) for value in values_of(dataset, "ImageType")}
    whole_slide = text_of(dataset, "SOPClassUID") == VLWholeSlideMicroscopyImageStorage
    return whole_slide and bool(kinds & {"LABEL", "OVERVIEW"})


def is_slide(dataset: Dataset) -> bool:
    """Whether it is tissue under the microscope, in tiles that nobody writes into."""
    return text_of(dataset, "SOPClassUID") == VLWholeSlideMicroscopyImageStorage


def black_by_rule(dataset: Dataset, shape: tuple[int, int], own: Sequence[DeviceRule] = ()) -> Mask | None:
    """What is black before text is looked for (rows, columns): outside of ultrasound regions, a device's boxes.

    own: rules of the profile, which go before ours and are added to regions.  None where nothing says anything.
    On plain slices ours say nothing: they are for screens.  Raises ValueError for regions outside the image
    (PS3.3 C.8.5.5.1).
    """
    regions = items_of(dataset, "SequenceOfUltrasoundRegions")
    ours = () if regions or is_plain_slice(dataset) else device_rules()
    rule = next((rule for rule in (*own, *ours) if rule.fits(dataset)), None)
    if not regions and rule is None:
        return None
    mask = rectangles(shape, rule.boxes if rule else ())
    return mask | ~rectangles(shape, [_corners(item, shape) for item in regions]) if regions else mask


def _corners(item: Dataset, shape: tuple[int, int]) -> tuple[int, int, int, int]:
    found = [numbers_of(item, keyword, 1) for keyword in CORNERS]
    left, top, right, bottom = (int(number[0]) if number else -1 for number in found)
    if not (0 <= left <= right <= shape[1] and 0 <= top <= bottom <= shape[0]):
        raise ValueError("An ultrasound region lies outside the image.")
    return left, top, right + 1, bottom + 1
