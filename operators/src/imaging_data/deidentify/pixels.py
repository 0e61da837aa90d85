# SPDX-License-Identifier: Apache-2.0
"""Text that is burned into pixels: found, made black, and looked for again (PS3.15 section E.3.1).

Everything with pixels is searched by OCR.  What is not certain is held: text that is left, regions that an
ultrasound image does not have, pixels that cannot be read, a machine without tesseract.

One kind of image is not read by OCR: grey slices of CT, MR and PET of more than 8 bits that are not lossily
compressed and have a place in the patient (`regions.is_plain_slice`).  They are many, and scanners do not write
into them.  Whether somebody drew into them afterwards shows in their grey values: one that occurs far oftener than
those around it (`sampling.is_drawn_into`).  Then they are searched as all others.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
from pydicom.uid import UID, RTDoseStorage, SegmentationStorage

from ..errors import ImagingDataError, UnreadableInstance
from ..parts import Parts
from ..values import text_of
from .frames import Frames, Mask, Picture, rectangles
from .holding import HeldBack
from .letters import find_lines
from .profile import CLEAN_PIXELS, Profile
from .reading import Reading
from .regions import black_by_rule, is_plain_slice, is_slide, is_slide_label, is_ultrasound
from .sampling import is_drawn_into, pictures_of
from .text import TextUnreadable, Word, is_installed, read_words, with_lines

LABEL_MAP_STORAGE = UID("1.2.840.10008.5.1.4.1.1.66.7")
NO_PICTURES = (RTDoseStorage, SegmentationStorage, LABEL_MAP_STORAGE)
ROUNDS = 3  # of masking and looking again
MARGIN = 0.4  # of a word's height, on each side
LEAST_MARGIN = 3  # pixels
LARGEST_MASK = 0.5  # of the picture: text that seems to cover more of it is no text


def clean_pixels(parts: Parts, profile: Profile) -> Parts:
    """The instance without text in its pixels; the same one where nothing had to be changed.

    Its attributes are those of the original still, because rules for devices ask for them; those of the pixels
    are changed in place.  Raises HeldBack, saying why, for what is not certain.
    """
    if not profile.has(CLEAN_PIXELS) or not _shows_something(parts):
        return parts
    try:
        with _understood():
            return _clean(parts, profile.reading)
    except HeldBack:
        raise
    except ImagingDataError as error:
        raise HeldBack(
            f"Whether text is burned into its pixels cannot be said: {error}", error.hint
        ) from error


def words_in_pixels(parts: Parts, reading: Reading) -> list[str]:
    """What reads as text in the pixels, in small letters, misread as it may be.

    Those slices that `clean_pixels` does not read are not read here.  Raises TextUnreadable, and as `Frames.of`.
    """
    if not _shows_something(parts):
        return []
    with _understood():
        frames = Frames.of(parts)
        pictures = [] if _needs_no_reading(frames, reading) else pictures_of(frames)
        found = [word for picture in pictures for word in read_words(picture, reading.languages)]
    return sorted({word.text.casefold() for word in found if word.is_sure or word.is_doubtful})


@contextmanager
def _understood() -> Iterator[None]:
    """Attributes that contradict each other, or are of the wrong kind, make pixels that cannot be read."""
    try:
        yield
    except (ValueError, TypeError, AttributeError, LookupError, ZeroDivisionError) as error:
        raise UnreadableInstance(
            f"The attributes of its pixels are damaged ({type(error).__name__})."
        ) from error


def _shows_something(parts: Parts) -> bool:
    """Whether there are grey values or colours: no labels, no dose, no tissue under a microscope."""
    dataset = parts.dataset
    if is_slide_label(dataset):
        raise HeldBack("It shows the label of a slide, on which names are written.")
    return (
        parts.pixels is not None
        and parts.pixels.keyword == "PixelData"
        and text_of(dataset, "SOPClassUID") not in NO_PICTURES
        and not (is_slide(dataset) and text_of(dataset, "BurnedInAnnotation") != "YES")
    )


def _clean(parts: Parts, reading: Reading) -> Parts:
    frames = Frames.of(parts)
    changed = frames.clear_overlay_bits() | _clear_hidden(frames, reading)
    read = not _needs_no_reading(frames, reading)
    masked = _mask_by_rule(frames, reading, read)
    if read:
        if not is_installed():
            raise TextUnreadable("The program tesseract is not installed.")
        masked |= _mask_words(frames, reading)
        if text_of(parts.dataset, "BurnedInAnnotation") == "YES" and not masked:
            raise HeldBack("It says that text is burned in (BurnedInAnnotation), and none was found.")
        parts.dataset.BurnedInAnnotation = "NO"
    return frames.parts_again() if changed or masked else parts


def _needs_no_reading(frames: Frames, reading: Reading) -> bool:
    return not reading.everything and is_plain_slice(frames.dataset) and not is_drawn_into(frames)


def _clear_hidden(frames: Frames, reading: Reading) -> bool:
    """Bits beside the grey values go where they may show text.  Whether they did."""
    plane = frames.hidden()
    if plane is None or not any(word.is_sure or word.is_doubtful for word in _words_of(plane, reading)):
        return False
    frames.clear_hidden()
    return True


def _words_of(picture: Picture, reading: Reading) -> list[Word]:
    """What is read, and what is drawn as letters are whether it is read or not."""
    return [*read_words(picture, reading.languages), *find_lines(picture)]


def _mask_by_rule(frames: Frames, reading: Reading, read: bool) -> bool:
    """What regions and devices' rules say is made black.  Whether anything was."""
    try:
        mask = black_by_rule(frames.dataset, frames.shape, reading.rules)
    except ValueError as error:
        raise HeldBack(str(error)) from None
    if mask is None and is_ultrasound(frames.dataset):
        raise HeldBack(
            "It is an ultrasound image without SequenceOfUltrasoundRegions, and no rule for its device is known."
        )
    if mask is None and read and reading.rule_needed:
        raise HeldBack("It has no regions and its device no rule, and the profile holds such images.")
    if mask is None or not mask.any():
        return False
    frames.blacken(mask)
    return True


def _mask_words(frames: Frames, reading: Reading) -> bool:
    """What is text is made black, until none is found any more.  Whether anything was."""
    masked = np.zeros(frames.shape, bool)
    for _ in range(ROUNDS + 1):
        words = [_words_of(_without(picture, masked), reading) for picture in pictures_of(frames)]
        text = [word for found in words for word in with_lines(found)]
        if not text:
            _check_doubtful([word for found in words for word in found])
            return bool(masked.any())
        masked |= _mask(text, frames.shape)
        frames.blacken(masked)
    raise HeldBack(f"Text is left in its pixels after it was made black {ROUNDS} times.")


def _without(picture: Picture, masked: Mask) -> Picture:
    """A picture in which what was masked is grey: at the edges of black boxes noise looks like letters."""
    if masked.any() and not masked.all():
        picture[masked] = np.median(picture[~masked])
    return picture


def _check_doubtful(words: Sequence[Word]) -> None:
    doubtful = [word for word in words if word.is_doubtful]
    if doubtful:
        raise HeldBack(
            f"What may be text is in its pixels, at column {doubtful[0].left} and row {doubtful[0].top}."
        )


def _mask(words: Sequence[Word], shape: tuple[int, int]) -> Mask:
    boxes = []
    for word in words:
        size = min(word.bottom - word.top, word.right - word.left)  # it may run upwards
        margin = max(LEAST_MARGIN, round(MARGIN * size))
        boxes.append((word.left - margin, word.top - margin, word.right + margin, word.bottom + margin))
    mask = rectangles(shape, boxes)
    if mask.mean() > LARGEST_MASK:
        raise HeldBack("What looks like text covers most of its pixels.")
    return mask
