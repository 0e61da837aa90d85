# SPDX-License-Identifier: Apache-2.0
"""How a picture is wanted, and what was used to make it."""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

Like = Literal["standard", "ohif"]
Bits = Literal[8, 16]


class Rule(StrEnum):
    """What decided in which grey levels an image is shown."""

    TABLE = "VOILUTSequence"  # PS3.3 section C.11.2.1.1
    WINDOW = "WindowCenter and WindowWidth"  # section C.11.2.1.2
    ASKED = "window asked for"
    RANGE = "smallest to greatest value"  # the instance has neither, and none was asked for
    COLOUR = "colour as stored"


class Window(NamedTuple):
    """`centre` and `width` in modality values, and the VOILUTFunction: LINEAR, LINEAR_EXACT or SIGMOID."""

    centre: float
    width: float
    function: str = "LINEAR"

    @classmethod
    def read(cls, text: str) -> "int | str | Window":
        """What `Options.window` takes, from a command line: `first`, a number, `centre,width`, an explanation."""
        if re.fullmatch(r"\d{1,4}", text):
            return int(text)
        pair = re.fullmatch(r"\s*([-+.\de]+)\s*,\s*([-+.\de]+)\s*", text)
        try:
            return cls(float(pair[1]), float(pair[2])) if pair else text
        except ValueError:
            return text


@dataclass(frozen=True)
class Options:
    """How pictures are wanted.

    window: which of the alternative views that an instance offers (PS3.3 section C.11.2): "first"; its number
    from 1, the tables of VOILUTSequence counted before the windows; the explanation of one (LUTExplanation or
    WindowCenterWidthExplanation, in any case); or a Window of one's own.  For what an instance does not offer its
    first view is taken, so that no image is left out; `Rendering` says which view it was.  "all" is the first view
    for one picture, and every view for `pictures`.
    like: "standard" is PS3.3 to the letter; "ohif" is what OHIF 3.12 shows at 1:1, which has 8 bits (`display.ohif`).
    bits: 8 or 16, of a grey level.  Colour has 8.
    """

    window: int | str | Window = "first"
    like: Like = "standard"
    bits: Bits = 8


@dataclass(frozen=True)
class Rendering:
    """Everything that a picture was made with: numbers and texts alone, to be written down beside it.

    frame: of the instance, counted from 0.  rows, columns, bits (of a sample): of the picture.
    like: as in Options.  rule: what decided.
    view: the number of the view that was used, from 1; 0 where it is none of those that the instance offers.
    views: how many it offers.
    window_center, window_width, voi_lut_function, explanation: of the view; None and empty where it has none.
    rescale_slope, rescale_intercept: what stored values were multiplied by, and what was added then; None where
    `modality_lut` (a ModalityLUTSequence) took their place, and for colour.
    photometric_interpretation: as stored.  inverted: whether great values are shown dark.
    padding_pixels: how many pixels are padding, and shown black.
    """

    frame: int
    rows: int
    columns: int
    bits: int
    like: str
    rule: Rule
    photometric_interpretation: str
    view: int = 0
    views: int = 0
    window_center: float | None = None
    window_width: float | None = None
    voi_lut_function: str = ""
    explanation: str = ""
    rescale_slope: float | None = None
    rescale_intercept: float | None = None
    modality_lut: bool = False
    inverted: bool = False
    padding_pixels: int = 0


class Picture(NamedTuple):
    """An image as it is shown, and what it was made with.

    array: uint8 or uint16 (rows, columns), or uint8 (rows, columns, 3): red, green and blue.
    """

    array: NDArray[Any]
    rendering: Rendering


def to_levels(shown: NDArray[np.float64], bits: int) -> NDArray[Any]:
    """Brightness 0 to 1 as the nearest grey level of 0 to 2^bits - 1, the even one where two are as near."""
    return np.rint(shown * ((1 << bits) - 1)).astype(np.uint8 if bits == 8 else np.uint16)
