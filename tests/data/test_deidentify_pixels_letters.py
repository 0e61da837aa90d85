# SPDX-License-Identifier: Apache-2.0
"""Letters that no OCR reads are found by how they are drawn; anatomy, noise and scales are not taken for them."""

import numpy as np
import pytest
from burned_in import BASIC, Page, page_of_names, parts_of, tissue
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from imaging_data.deidentify import HeldBack, pixels
from imaging_data.deidentify.frames import Frames, rectangles
from imaging_data.deidentify.letters import find_lines
from imaging_data.deidentify.pixels import clean_pixels


def covered(picture: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Where sure lines are."""
    sure = [line for line in find_lines(picture) if line.is_sure]
    return rectangles(
        picture.shape, [(each.left - 3, each.top - 3, each.right + 3, each.bottom + 3) for each in sure]
    )


def grey(seed: int = 0) -> NDArray[np.uint8]:
    """Smooth tissue with noise, 8 bits."""
    return np.clip(tissue((240, 320), seed, 900, 25) / 10, 0, 150).astype(np.uint8)


@pytest.mark.parametrize("background", ["black", "grey", "tissue"])
def test_names_are_seen_without_reading_them(background: str) -> None:
    """Of 12 names of 10 to 32 pixels 11 at least, bright or dark, and the same when the page is turned."""
    page = page_of_names(background, seed=2)
    assert len(page.left(covered(page.pixels))) <= 1
    assert len(page.left(covered(255 - page.pixels))) <= 1
    assert len(page.left(np.rot90(covered(np.rot90(page.pixels)), -1))) <= 1


def test_what_is_not_letters_is_not_seen() -> None:
    """Noise, speckle, blocks of one size in a row, the ticks of a scale, and two letters alone."""
    noise = np.random.default_rng(5).normal(100, 20, (240, 320)).clip(0, 255).astype(np.uint8)
    speckle = np.uint8(Image.fromarray(noise).filter(ImageFilter.GaussianBlur(1.5)))
    ticks = np.zeros((240, 320), np.uint8)
    ticks[100:112, 20:300:8] = 255
    page = Page(grey())
    page.write("Lr", (40, 40), 20, 255)
    assert [find_lines(each) for each in (noise, speckle, ticks, grey(), page.pixels)] == [[]] * 5


def test_unread_letters_are_masked_or_held(monkeypatch: pytest.MonkeyPatch) -> None:
    """OCR sees nothing: a name that runs upwards goes, nothing else changes; three faint letters are held."""
    monkeypatch.setattr(pixels, "read_words", lambda picture, languages: [])
    monkeypatch.setattr(pixels, "is_installed", lambda: True)
    page = Page(np.rot90(grey()))
    page.write("MUELLER ANNA", (30, 100), 16, 230)
    before = np.rot90(page.pixels, -1)
    after = Frames.of(clean_pixels(parts_of(before), BASIC)).stored[0, ..., 0]
    letters = np.rot90(page.names[0][1], -1)
    assert (after[letters] == before.min()).mean() > 0.95
    assert (after == before).mean() > 0.9
    assert (after[after != before] == before.min()).all()
    three = Page(np.zeros((80, 80), np.uint8))
    three.write("Lee", (20, 20), 40, 255)
    with pytest.raises(HeldBack, match="may be text"):
        clean_pixels(parts_of(three.pixels), BASIC)
