# SPDX-License-Identifier: Apache-2.0
"""Marks and a window over the source's images: a Grayscale Softcopy Presentation State (PS3.3 A.33.1)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from pydicom import Dataset
from pydicom.uid import GrayscaleSoftcopyPresentationStateStorage

from imaging_data.radiograph import Radiograph

from ..errors import InvalidResult
from .base import RESEARCH_ONLY, ResultContext
from .evidence import by_study, instance_item
from .grey import grey_transformations
from .marks import ImagePlace, Mark, check_inside, image_at
from .source import decimal_strings

LAYER = "AI"
LONGEST_LABEL = 16  # CS, PS3.5 section 6.2
YELLOW_CIELAB = (63000, 33000, 52000)  # PS3.3 C.10.7.1.1


@dataclass(frozen=True, eq=False)
class PresentationState:
    """Points, lines, outlines and text over images, with a window.

    marks: what is drawn; each on its own image.
    window: centre and width in the values of the array (HU for CT); for a radiograph leave it out, whose own
    window is then taken over.
    label: name in a list, at most 16 capital letters, digits, spaces and underscores.
    Raises InvalidResult without any mark, or for a window without a width.
    """

    marks: Sequence[Mark]
    window: tuple[float, float] | None = None
    label: str = "AI FINDINGS"
    kind: ClassVar[str] = "presentation-state"

    def __post_init__(self) -> None:
        if not self.marks:
            raise InvalidResult("A PresentationState without any mark.", "Return no PresentationState then.")
        if self.window is not None and not self.window[1] >= 1:
            raise InvalidResult(f"A window of width {self.window[1]}; 1 is the smallest.")
        plain = self.label.replace(" ", "A").replace("_", "A")
        if not (0 < len(plain) <= LONGEST_LABEL and plain.isascii() and plain.isalnum() and plain.isupper()):
            raise InvalidResult(
                f"The label {self.label!r} of a PresentationState.",
                f"At most {LONGEST_LABEL} capital letters, digits, spaces and underscores.",
            )

    def to_dicom(self, context: ResultContext) -> Dataset:
        """The presentation state; of the images it draws on.

        Raises InvalidResult for a mark outside the images, or where those do not share one rescale.
        """
        if self.window is not None and isinstance(context.source.image, Radiograph):
            raise InvalidResult(
                "A PresentationState with a window, of a radiograph: its array has no unit.",
                "Leave the window out; the radiograph's own is taken over.",
            )
        places = {mark.slice_index: image_at(context.source, mark.slice_index) for mark in self.marks}
        for mark in self.marks:
            check_inside(mark, context.source)
        dataset = Dataset()
        dataset.SOPClassUID = GrayscaleSoftcopyPresentationStateStorage
        dataset.Modality = "PR"
        dataset.Laterality = None  # type 2C: paired or not is not known (PS3.3 C.7.3.1)
        dataset.ContentLabel = self.label
        dataset.ContentDescription = RESEARCH_ONLY
        dataset.ContentCreatorName = None
        dataset.PresentationCreationDate = dataset.PresentationCreationTime = None  # of the envelope
        _add_references(dataset, places.values())
        _add_displayed_area(dataset, context)
        _add_layer(dataset)
        dataset.GraphicAnnotationSequence = [
            _research_only(),
            *(_annotation(mark, places[mark.slice_index]) for mark in self.marks),
        ]
        dataset.update(grey_transformations(context.source, places, self.window))
        return dataset


def _add_references(dataset: Dataset, places: Iterable[ImagePlace]) -> None:
    """Presentation State Relationship (PS3.3 C.11.11): the images, by series."""
    [study] = by_study(place.instance for place in places)
    dataset.ReferencedSeriesSequence = study.ReferencedSeriesSequence
    for series in dataset.ReferencedSeriesSequence:
        series.ReferencedImageSequence = series.ReferencedSOPSequence
        del series.ReferencedSOPSequence


def _add_displayed_area(dataset: Dataset, context: ResultContext) -> None:
    """All of each image, as large as there is room, with the aspect ratio of its pixels (PS3.3 C.10.4)."""
    image = context.source.image
    rows, columns = image.array.shape[-2:]
    area = Dataset()
    area.DisplayedAreaTopLeftHandCorner = [1, 1]
    area.DisplayedAreaBottomRightHandCorner = [columns, rows]
    area.PresentationSizeMode = "SCALE TO FIT"
    if isinstance(image, Radiograph):
        area.PresentationPixelAspectRatio = [1, 1]
    else:
        area.PresentationPixelSpacing = decimal_strings(image.spacing_mm[1:])
    dataset.DisplayedAreaSelectionSequence = [area]


def _add_layer(dataset: Dataset) -> None:
    layer = Dataset()
    layer.GraphicLayer = LAYER
    layer.GraphicLayerOrder = 1
    layer.GraphicLayerRecommendedDisplayCIELabValue = list(YELLOW_CIELAB)
    layer.GraphicLayerDescription = RESEARCH_ONLY
    dataset.GraphicLayerSequence = [layer]


def _research_only() -> Dataset:
    """The research-only line at the top of every image (PS3.3 C.10.5): fractions of the displayed area."""
    text = Dataset()
    text.BoundingBoxAnnotationUnits = "DISPLAY"
    text.UnformattedTextValue = RESEARCH_ONLY
    text.BoundingBoxTopLeftHandCorner = [0.0, 0.0]
    text.BoundingBoxBottomRightHandCorner = [1.0, 0.05]
    text.BoundingBoxTextHorizontalJustification = "CENTER"
    item = Dataset()
    item.GraphicLayer = LAYER
    item.TextObjectSequence = [text]
    return item


def _annotation(mark: Mark, place: ImagePlace) -> Dataset:
    """What is drawn on one image, in its pixels."""
    image = instance_item(place.instance)
    if place.frame_number is not None:
        image.ReferencedFrameNumber = place.frame_number
    item = Dataset()
    item.GraphicLayer = LAYER
    item.ReferencedImageSequence = [image]
    points = Dataset()
    points.GraphicAnnotationUnits = "PIXEL"
    points.GraphicDimensions = 2
    points.NumberOfGraphicPoints = len(mark.points)
    points.GraphicData = mark.graphic_data.ravel().tolist()
    points.GraphicType = mark.graphic_type
    if mark.is_closed:
        points.GraphicFilled = "N"
    item.GraphicObjectSequence = [points]
    if mark.text:
        item.TextObjectSequence = [_text(mark)]
    return item


def _text(mark: Mark) -> Dataset:
    text = Dataset()
    text.AnchorPointAnnotationUnits = "PIXEL"
    text.UnformattedTextValue = mark.text
    text.AnchorPoint = mark.graphic_data[0].tolist()
    text.AnchorPointVisibility = "Y"
    return text
