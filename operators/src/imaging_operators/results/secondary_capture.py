# SPDX-License-Identifier: Apache-2.0
"""Pictures that any PACS shows: a true-colour Secondary Capture, of one frame or of many (PS3.3 A.8)."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.tag import Tag
from pydicom.uid import MultiFrameTrueColorSecondaryCaptureImageStorage, SecondaryCaptureImageStorage

from ..coding import codes
from ..errors import InvalidResult
from .base import ResultContext
from .evidence import source_items

SMALLEST_SIDE, LARGEST_SIDE = 64, 60000  # Rows and Columns are 16 bits wide, and the line needs room
LONGEST_CAPTION = 1024  # ST, PS3.5 section 6.2
LARGEST_PIXELS = 2**32 - 2**20  # the length of PixelData is 32 bits wide, and the lines come on top


@dataclass(frozen=True, eq=False)
class SecondaryCapture:
    """A picture, uint8 (rows, columns, 3), red green blue; or pages of one, (frames, rows, columns, 3).

    caption: what it shows; it becomes the picture's DerivationDescription.

    The framework burns the research-only line in above each.  Never draw patient attributes into it.
    Raises InvalidResult for another shape or dtype, or a caption that is too long.
    """

    image: NDArray[np.uint8]
    caption: str = ""
    kind: ClassVar[str] = "secondary-capture"

    def __post_init__(self) -> None:
        shape, dtype = self.image.shape, self.image.dtype
        if (
            len(shape) not in (3, 4)
            or shape[-1] != 3
            or not SMALLEST_SIDE <= min(shape[-3:-1]) <= max(shape[-3:-1]) <= LARGEST_SIDE
            or self.image.size not in range(1, LARGEST_PIXELS)
        ):
            raise InvalidResult(
                f"The picture has shape {shape}; (rows, columns, 3) is needed, or several of them, "
                f"from {SMALLEST_SIDE} on and up to {LARGEST_SIDE}, less than 4 GB."
            )
        if dtype != np.uint8:
            raise InvalidResult(f"The picture has dtype {dtype}; uint8 is needed.")
        if len(self.caption) > LONGEST_CAPTION or "\\" in self.caption:
            raise InvalidResult(
                f"The picture's caption has over {LONGEST_CAPTION} characters or a backslash."
            )

    def to_dicom(self, context: ResultContext) -> Dataset:
        """The picture with the research-only line in its pixels."""
        from .banner import with_banner

        dataset = Dataset()
        dataset.SOPClassUID = SecondaryCaptureImageStorage
        dataset.Modality = "OT"
        dataset.ConversionType = "WSD"
        dataset.ImageType = ["DERIVED", "SECONDARY"]
        if self.caption:
            dataset.DerivationDescription = self.caption
        dataset.Laterality = None  # type 2C: paired or not is not known (PS3.3 C.7.3.1)
        dataset.PatientOrientation = None
        dataset.BurnedInAnnotation = "NO"  # nothing in the pixels identifies the patient (PS3.3 C.7.6.1)
        dataset.LossyImageCompression = "00"
        dataset.SourceImageSequence = source_items(
            context.source.references, codes.DCM.SourceImageForImageProcessingOperation
        )
        if self.image.ndim == 4:
            _add_pages(dataset, len(self.image))
        _add_pixels(dataset, with_banner(self.image))
        return dataset


def _add_pages(dataset: Dataset, pages: int) -> None:
    """Multi-frame and SC Multi-frame Vector modules (PS3.3 C.7.6.6, C.8.6.4)."""
    dataset.SOPClassUID = MultiFrameTrueColorSecondaryCaptureImageStorage
    dataset.NumberOfFrames = pages
    if pages > 1:
        dataset.FrameIncrementPointer = Tag("PageNumberVector")
        dataset.PageNumberVector = list(range(1, pages + 1))


def _add_pixels(dataset: Dataset, pixels: NDArray[np.uint8]) -> None:
    dataset.SamplesPerPixel = 3
    dataset.PhotometricInterpretation = "RGB"
    dataset.PlanarConfiguration = 0
    dataset.Rows, dataset.Columns = pixels.shape[-3:-1]
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit = 7
    dataset.PixelRepresentation = 0
    content = np.ascontiguousarray(pixels).tobytes()
    dataset.PixelData = content + bytes(len(content) % 2)
    dataset["PixelData"].VR = "OB"
