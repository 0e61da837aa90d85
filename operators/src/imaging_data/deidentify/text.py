# SPDX-License-Identifier: Apache-2.0
"""Words in pictures, found by the program tesseract, which Debian has as tesseract-ocr."""

import io
import os
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ..errors import ImagingDataError
from .words import letters_in

Picture = NDArray[np.uint8]
PROGRAM = "tesseract"
ENGLISH = ("eng",)
SPARSE_TEXT = "11"  # --psm: words anywhere, in no order
SAUVOLA = "thresholding_method=2"  # what is dark is said by its surroundings: text over anatomy is found
LONGEST_S = 120
ENLARGED = 1600  # pixels: a picture that is no longer than that is read at twice its size
STROKE = 15  # pixels: lines of text are thinner
NOISE = 3  # times the median of what is thin
CONTRAST = 64  # of 255
A_WORD, A_LONG_WORD = 5, 7  # letters
CONFIDENT = 85  # of 100: what a shorter word is read with
A_NUMBER = 6  # digits: a date, an identifier


class TextUnreadable(ImagingDataError):
    """Text in pictures cannot be looked for."""

    hint = "Install Debian's tesseract-ocr, or look at the pictures yourself."


@dataclass(frozen=True)
class Word:
    """Something that looks like a word: where it is, columns and rows of the picture, ends excluded.

    confidence: 0 to 100, tesseract's.  seen: in how many renderings of the picture it was found.
    """

    text: str
    confidence: float
    left: int
    top: int
    right: int
    bottom: int
    seen: int = 1

    @property
    def letters(self) -> int:
        """How many letters and digits it has, Chinese ones counted twice, the same one over and over as 1."""
        found = [character.casefold() for character in self.text if character.isalnum()]
        return letters_in(found) if len(set(found)) > 1 else min(1, len(found))

    @property
    def is_sure(self) -> bool:
        """Whether it is text and no anatomy, which is read as short words, too: those need more confidence."""
        if self.letters >= 2 and sum(map(str.isdigit, self.text)) >= A_NUMBER:
            return True
        return self._is_likely and (self.letters >= A_WORD or self.confidence >= CONFIDENT)

    @property
    def is_doubtful(self) -> bool:
        """Whether it may be text: a short word, or one long enough for a name though read with less confidence."""
        often = self.seen >= (3 if self.letters < A_LONG_WORD else 2)
        return not self.is_sure and (
            self._is_likely or (self.letters >= 4 and (self.confidence >= 40 or often))
        )

    @property
    def _is_likely(self) -> bool:
        """Read with confidence, of which one seen alike in several renderings needs less."""
        if self.letters < 3:
            return self.letters == 2 and self.confidence >= 80
        return self.confidence >= (45 if self.seen > 1 else 60)

    def is_beside(self, other: "Word") -> bool:
        """Whether it continues the line of `other`."""
        height = max(1, min(self.bottom - self.top, other.bottom - other.top))
        shared = min(self.bottom, other.bottom) - max(self.top, other.top)
        apart = max(self.left, other.left) - min(self.right, other.right)
        return shared >= height / 2 and apart <= 3 * height


def is_installed() -> bool:
    """Whether text can be looked for on this machine."""
    return shutil.which(PROGRAM) is not None


def check_languages(languages: Sequence[str]) -> None:
    """Raise TextUnreadable unless tesseract has all of `languages`, by its names for them, such as jpn."""
    listed = _run([PROGRAM, "--list-langs"]).decode(errors="replace").split()
    for language in languages:
        if language not in listed:
            package = f"tesseract-ocr-{language.replace('_', '-').lower()}"
            raise TextUnreadable(
                f"Tesseract has no language {language!r} here.", f"Install Debian's {package}."
            )


def read_words(picture: Picture, languages: Sequence[str] = ENGLISH) -> list[Word]:
    """What looks like words of `languages` in `picture` (rows, columns), surest first.

    It is read as it is and inverted, and both without whatever is broader than a line of text.  Raises
    TextUnreadable where tesseract is missing, fails or takes too long.
    """
    times = 2 if max(picture.shape) <= ENLARGED else 1
    plain = (picture, 255 - picture)
    renderings = [*plain, *(255 - _thin(each) for each in plain)]
    found = _tesseract([_enlarged(each, times) for each in renderings], languages)
    words = [
        Word(text, confidence, left // times, top // times, -(-right // times), -(-bottom // times))
        for text, confidence, left, top, right, bottom in found
    ]
    counted = (replace(word, seen=max(1, _times_seen(word, words))) for word in words)
    return sorted(counted, key=lambda word: -word.confidence)


def with_lines(words: Sequence[Word]) -> list[Word]:
    """The sure words, and those on one line with them: half of a line of text is seldom text."""
    sure = [word for word in words if word.is_sure]
    others = [word for word in words if not word.is_sure and word.letters >= 1]
    for known in sure:  # it grows meanwhile
        beside = [word for word in others if word.is_beside(known) and _is_as_high(word, known)]
        sure.extend(beside)
        others = [word for word in others if word not in beside]
    return sure


def _is_as_high(word: Word, known: Word) -> bool:
    return word.bottom - word.top <= 2 * (known.bottom - known.top)


def _times_seen(word: Word, words: Sequence[Word]) -> int:
    """How often something of at least three letters was found at its place."""
    return sum(_overlap(word, other) > 0.5 and other.letters >= 3 for other in words)


def _overlap(one: Word, other: Word) -> float:
    """The area that both have, of the area that either has."""
    width = min(one.right, other.right) - max(one.left, other.left)
    height = min(one.bottom, other.bottom) - max(one.top, other.top)
    both = max(0, width) * max(0, height)
    areas = [(each.right - each.left) * (each.bottom - each.top) for each in (one, other)]
    return both / max(1, sum(areas) - both)


def _enlarged(picture: Picture, times: int) -> Picture:
    from PIL import Image

    image = Image.fromarray(picture)
    size = image.width * times, image.height * times
    return np.asarray(image if times == 1 else image.resize(size, Image.Resampling.BICUBIC))


def _thin(picture: Picture) -> Picture:
    """`without_broad`, noise taken off.

    It is spread to 0..255, but not from less than CONTRAST: noise alone stays faint.
    """
    thin = without_broad(picture)
    above = np.maximum(thin.astype(np.uint16), noise := int(NOISE * np.median(thin))) - noise
    return (above * 255 // max(CONTRAST, int(above.max()))).astype(np.uint8)


def without_broad(picture: Picture) -> Picture:
    """What is brighter than its surroundings and thinner than STROKE: by how much (a white top-hat)."""
    eroded = extreme(extreme(picture, np.minimum, 0), np.minimum, 1)
    opened = extreme(extreme(eroded, np.maximum, 0), np.maximum, 1)
    return picture - np.minimum(opened, picture)


def extreme(picture: Picture, of: np.ufunc, axis: int) -> Picture:
    """The least or greatest of the STROKE pixels around each one along `axis`."""
    turned = np.swapaxes(picture, 0, axis)
    half = STROKE // 2
    found = np.pad(turned, ((half, half), (0, 0)), mode="edge")
    for near, far in pairwise((1, 2, 4, 8, STROKE)):  # of 2, of 4, of 8, of 15 pixels
        found = of(found[: len(found) - far + near], found[far - near :])
    return np.swapaxes(found, 0, axis)


def _tesseract(
    pages: Iterable[Picture], languages: Sequence[str]
) -> list[tuple[str, float, int, int, int, int]]:
    """Text, confidence, left, top, right and bottom of each word on any of `pages`."""
    command = [
        PROGRAM,
        "stdin",
        "stdout",
        "-l",
        "+".join(languages),
        "--psm",
        SPARSE_TEXT,
        "-c",
        SAUVOLA,
        "tsv",
    ]
    lines = _run(command, _tiff(pages)).decode(errors="replace").splitlines()
    rows = [line.split("\t") for line in lines]
    return [_word(row) for row in rows if len(row) == 12 and row[0] == "5" and row[11].strip()]


def _run(command: Sequence[str], given: bytes = b"") -> bytes:
    """What tesseract answers.  Raises TextUnreadable where it is missing, fails or takes too long."""
    alone = os.environ | {"OMP_THREAD_LIMIT": "1"}  # its threads wait for each other more than they read
    try:
        done = subprocess.run(
            command, input=given, capture_output=True, check=True, timeout=LONGEST_S, env=alone
        )
    except FileNotFoundError:
        raise TextUnreadable("The program tesseract is not installed.") from None
    except (OSError, subprocess.SubprocessError) as error:
        raise TextUnreadable(f"The program tesseract failed ({type(error).__name__}).") from None
    return done.stdout


def _word(row: Sequence[str]) -> tuple[str, float, int, int, int, int]:
    left, top, width, height = map(int, row[6:10])
    return row[11].strip(), float(row[10]), left, top, left + width, top + height


def _tiff(pages: Iterable[Picture]) -> bytes:
    """One file of all pages, through a pipe: no picture of a patient lies in a temporary file."""
    from PIL import Image

    first, *others = (Image.fromarray(page) for page in pages)
    file = io.BytesIO()
    first.save(file, "TIFF", save_all=True, append_images=others, dpi=(150, 150))
    return file.getvalue()
