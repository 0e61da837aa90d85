# SPDX-License-Identifier: Apache-2.0
"""Images with text burned in, made for tests."""

import random
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import (
    UID,
    CTImageStorage,
    ExplicitVRLittleEndian,
    MultiFrameGrayscaleByteSecondaryCaptureImageStorage,
    SecondaryCaptureImageStorage,
    generate_uid,
)

from imaging_data.deidentify import Profile
from imaging_data.elements import PixelSpan
from imaging_data.parts import Parts

NAMES = (
    "MUELLER^ANNA",
    "Kaufman, Scott",
    "GARCIA MARIA",
    "ID: 6774825273",
    "DOB 07.22.1943",
    "Nguyen Thi",
    "O'BRIEN T",
)
BASIC = Profile("basic", frozenset({"clean-pixel-data"}))
COLOUR = {1: "MONOCHROME2", 3: "RGB"}


def parts_of(pixels: NDArray[Any], syntax: UID = ExplicitVRLittleEndian, **attributes: Any) -> Parts:
    """An instance of `pixels` (rows, columns), with frames before or three samples after: secondary capture."""
    samples = 3 if pixels.shape[-1] == 3 else 1
    frames, rows, columns = (1, *pixels.shape[:2]) if pixels.ndim - (samples == 3) == 2 else pixels.shape[:3]
    dataset = Dataset()
    dataset.SOPClassUID = (
        SecondaryCaptureImageStorage if frames == 1 else MultiFrameGrayscaleByteSecondaryCaptureImageStorage
    )
    dataset.SOPInstanceUID, dataset.StudyInstanceUID, dataset.SeriesInstanceUID = (
        generate_uid() for _ in range(3)
    )
    dataset.Modality, dataset.PatientID, dataset.PatientName = "OT", "6774825273", "Kaufman^Scott"
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = samples, COLOUR[samples]
    if samples == 3:
        dataset.PlanarConfiguration = 0
    dataset.NumberOfFrames, dataset.Rows, dataset.Columns = frames, rows, columns
    dataset.BitsAllocated = dataset.BitsStored = 8 * pixels.dtype.itemsize
    dataset.HighBit, dataset.PixelRepresentation = dataset.BitsStored - 1, int(pixels.dtype.kind == "i")
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.set_original_encoding(False, True, "iso8859")
    content = pixels.tobytes() + bytes(pixels.nbytes % 2)
    return Parts(dataset, syntax, content, PixelSpan("PixelData", "OW", 0, len(content), False))


def ct_slice(pixels: NDArray[Any]) -> Parts:
    """An original CT slice of `pixels` (rows, columns), 16 bits."""
    return parts_of(
        pixels,
        SOPClassUID=CTImageStorage,
        Modality="CT",
        ImageType=["ORIGINAL", "PRIMARY", "AXIAL"],
        ImagePositionPatient=[0, 0, 0],
    )


def tissue(shape: tuple[int, int], seed: int = 0, level: int = 1000, noise: float = 40) -> NDArray[np.int16]:
    """What a scanner measures: smooth values from `level` on, and noise."""
    rows, columns = np.indices(shape)
    smooth = level + 300 * np.sin(rows / 61) * np.cos(columns / 47)
    return np.round(smooth + np.random.default_rng(seed).normal(0, noise, shape)).astype(np.int16)


@dataclass
class Page:
    """A picture with names: where each stands (left, top, right, bottom), and which pixels are its letters."""

    pixels: NDArray[np.uint8]
    names: list[tuple[str, NDArray[np.bool_]]] = field(default_factory=list)

    def write(self, text: str, place: tuple[int, int], size: int, grey: int) -> None:
        """Write `text` with its upper left corner at column and row `place`, letters `size` pixels high."""
        before = self.pixels.copy()
        image = Image.fromarray(self.pixels)
        ImageDraw.Draw(image).text(place, text, fill=grey, font=ImageFont.load_default(size))
        self.pixels = np.array(image)
        self.names.append((text, np.abs(self.pixels.astype(int) - before) > 30))

    def left(self, masked: NDArray[np.bool_]) -> list[str]:
        """The names of which more than a third of the letters' pixels are not in `masked`."""
        return [text for text, letters in self.names if (letters & ~masked).sum() > letters.sum() / 3]


def page_of_names(background: str, seed: int) -> Page:
    """Twelve names of 10 to 32 pixels, each in a cell of its own, on black, on grey noise or over tissue."""
    chance = random.Random(seed)
    shape = 480, 640
    made = {
        "black": np.zeros(shape),
        "grey": 110 + np.random.default_rng(seed).normal(0, 6, shape),
        "tissue": np.clip(tissue(shape, seed, 900, 25) / 10, 0, 150),
    }
    page = Page(made[background].astype(np.uint8))
    for number in range(12):
        size = (10, 12, 14, 18, 24, 32)[number % 6]
        place = chance.randint(4, 20) + 320 * (number % 2), chance.randint(4, 20) + 80 * (number // 2)
        page.write(chance.choice(NAMES), place, size, chance.choice((255, 230, 200)))
    return page
