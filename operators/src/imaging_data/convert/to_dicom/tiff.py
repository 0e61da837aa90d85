# SPDX-License-Identifier: Apache-2.0
"""The pages of a TIFF file (TIFF 6.0), read by tifffile."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import TooLarge
from ..errors import MissingPackage, UnreadableInput
from ..packages import package
from .damage import foreign
from .pages import JPEG, Page, check_page, flattened, oriented

MOST_PAGES = 4096
GREY = {0: "MONOCHROME1", 1: "MONOCHROME2"}
RGB, PALETTE, YCBCR = 2, 3, 6
LOSSY = {6: JPEG, 7: JPEG, 34892: JPEG, 33003: "ISO_15444_1", 33005: "ISO_15444_1"}  # by its compression


def read_tiff(path: Path) -> Iterator[Page]:
    """The pages, smaller copies of them (thumbnails, levels of a pyramid) left out, one at a time.

    Raises UnreadableInput for a file that is damaged, TooLarge before anything of that size is read,
    MissingPackage for a compression that tifffile leaves to another package.
    """
    tifffile = package("tifffile")
    with foreign(tifffile.TiffFileError), _packages(), tifffile.TiffFile(path) as file:
        if len(file.pages) > MOST_PAGES:
            raise TooLarge(f"It has {len(file.pages)} pages; {MOST_PAGES} are allowed.")
        pages = [page.aspage() for page in file.pages]
        if not pages:
            raise UnreadableInput("It holds no picture.")
        for page in [one for one in pages if not one.is_reduced] or pages:
            yield _page(page)


@contextmanager
def _packages() -> Iterator[None]:
    """tifffile leaves some compressions to another package, and says so in a ValueError."""
    try:
        yield
    except ValueError as error:
        if "requires the 'imagecodecs'" in str(error):
            raise MissingPackage(f"{error}.") from None
        raise


def _page(page: Any) -> Page:
    rows, columns = page.imagelength, page.imagewidth
    check_page(rows, columns, page.samplesperpixel * max(1, page.bitspersample // 8))
    parts, there = math.prod(page.chunked), len(page.dataoffsets)
    if there < parts:  # tifffile would leave them black
        raise UnreadableInput(f"{there} of a page's {parts} parts are there.")
    array = page.asarray(maxworkers=1)
    if page.axes == "SYX":  # a plane for each colour
        array = np.moveaxis(array, 0, -1)
    orientation = int(page.tags.valueof("Orientation", 1))
    samples, photometric = _samples(page, array)
    ratio = array.nbytes / max(1, sum(page.databytecounts))
    return Page(oriented(samples, orientation), photometric, LOSSY.get(int(page.compression), ""), ratio)


def _samples(page: Any, array: NDArray[Any]) -> tuple[NDArray[Any], str]:
    """Grey (rows, columns) or colour (rows, columns, 3), and its PhotometricInterpretation."""
    photometric = int(page.photometric)
    if array.dtype.kind == "b":
        array = array.astype(np.uint8) * 255
    elif 0 < page.bitspersample < 8 and photometric in GREY:
        array = array * (255 // ((1 << page.bitspersample) - 1))
    if photometric == PALETTE and array.ndim == 2:
        return _in_colour(array, np.asarray(page.colormap)), "RGB"
    if array.ndim == 2 and photometric in GREY:
        return array, GREY[photometric]
    if array.ndim == 3 and photometric in GREY and array.shape[2] == 2:
        return flattened(array), GREY[photometric]
    if array.ndim == 3 and photometric in (RGB, YCBCR) and array.shape[2] in (3, 4):
        return flattened(array), "RGB"
    raise UnreadableInput(f"A page has {array.shape} samples of photometric interpretation {photometric}.")


def _in_colour(indices: NDArray[Any], colours: NDArray[Any]) -> NDArray[Any]:
    """The palette's colours, in 8 bits where it has no more."""
    table = colours.T.astype(np.uint16)
    if (table % 257 == 0).all() or (table % 256 == 0).all():
        table = (table >> 8).astype(np.uint8)
    return np.asarray(table[np.minimum(indices, len(table) - 1)])
