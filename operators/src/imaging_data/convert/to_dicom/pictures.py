# SPDX-License-Identifier: Apache-2.0
"""Pictures as Secondary Capture, of one frame or of many (PS3.3 sections A.8.1, A.8.3 to A.8.5).

A baseline JPEG keeps its coded image byte for byte (PS3.5 section A.4.1); what describes it (Exif, comments) is left
out.  Other pictures are stored without compression and without loss.
"""

import warnings
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from PIL import ExifTags, Image
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.tag import Tag
from pydicom.uid import (
    UID,
    JPEGBaseline8Bit,
    MultiFrameGrayscaleByteSecondaryCaptureImageStorage,
    MultiFrameGrayscaleWordSecondaryCaptureImageStorage,
    MultiFrameTrueColorSecondaryCaptureImageStorage,
    SecondaryCaptureImageStorage,
)

from ...errors import TooLarge
from ..errors import UnreadableInput
from ..packages import package
from .damage import foreign
from .jpeg import BASELINE, Jpeg, parse_jpeg
from .pages import JPEG, Page, check_page, flattened, oriented
from .rescaling import decimal, rescale_of
from .tiff import read_tiff

ENDINGS = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff")
FORMATS = ("BMP", "JPEG", "PNG")
LARGEST_PIXELS = 1 << 31  # bytes of all pages together
PNG_COLOUR = {2: 3, 6: 4}  # samples of its colour types


def read_pages(path: Path) -> Iterator[Page]:
    """The pages of a picture file, told by its content, one at a time.

    Raises UnreadableInput for what is no picture, cut off or damaged; TooLarge; MissingPackage.
    """
    with path.open("rb") as file:
        begin = file.read(32)
    if begin[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        yield from read_tiff(path)
    elif begin[:8] == b"\x89PNG\r\n\x1a\n" and begin[24:25] == b"\x10" and begin[25:26] != b"\0":
        yield _deep_png(path, begin)
    else:
        yield _plain(path)


def secondary_captures(pages: Iterable[Page]) -> Iterator[Dataset]:
    """Datasets of the pages: neighbours of one kind become the frames of one, where there is an IOD for them.

    Raises TooLarge when they hold more than 2 GiB.
    """
    size = 0
    for _, alike in groupby(pages, key=lambda page: page.kind):
        frames = []
        for page in alike:
            size += page.samples.nbytes
            if size > LARGEST_PIXELS:
                raise TooLarge(f"Its pages hold more than {LARGEST_PIXELS >> 30} GiB.")
            frames.append(page)
        if len(frames) == 1 or _multi_frame(frames[0]) is None:
            yield from (_dataset([page], SecondaryCaptureImageStorage) for page in frames)
        else:
            yield _dataset(frames, _multi_frame(frames[0]) or SecondaryCaptureImageStorage)


def _plain(path: Path) -> Page:
    """What Pillow decodes without loss of depth."""
    try:
        with foreign(), warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=FORMATS) as image:
                check_page(image.height, image.width, 4)
                image.load()
                return _page(image, path)
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        raise TooLarge(f"It has more than {Image.MAX_IMAGE_PIXELS} pixels.") from None


def _page(image: Image.Image, path: Path) -> Page:
    if image.format == "PNG":
        if getattr(image, "is_animated", False):
            raise UnreadableInput("It is animated.", "Save it as a video, or each frame as a picture.")
        return Page(*_samples(image))
    orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
    if image.format == "BMP":
        return Page(*_samples(image))
    content = path.read_bytes()
    jpeg = parse_jpeg(content)
    samples, photometric = _samples(image)
    ratio = samples.nbytes / len(content)
    if jpeg is not None and image.format == "JPEG" and orientation == 1 and _can_be_kept(jpeg):
        return Page(samples, _coded(jpeg), JPEG, ratio, jpeg.content)
    return Page(oriented(samples, orientation), photometric, JPEG, ratio)


def _can_be_kept(jpeg: Jpeg) -> bool:
    return jpeg.process == BASELINE and jpeg.precision == 8 and jpeg.components in (1, 3)


def _coded(jpeg: Jpeg) -> str:
    """PhotometricInterpretation of the coded image (PS3.3 section C.7.6.3.1.2)."""
    if jpeg.components == 1:
        return "MONOCHROME2"
    return "RGB" if jpeg.rgb else "YBR_FULL_422"  # whatever its sampling (PS3.5 section 8.2.1)


def _samples(image: Image.Image) -> tuple[Any, str]:
    """Grey or colour samples; a palette's colours, opacity laid on white."""
    if image.mode == "1":
        image = image.convert("L")
    if image.mode.startswith("I;16"):
        return np.asarray(image).astype(np.uint16), "MONOCHROME2"
    if image.mode == "P" or "transparency" in image.info:
        image = image.convert("RGBA" if "transparency" in image.info else "RGB")
    elif image.mode not in ("L", "LA", "RGB", "RGBA"):
        image = image.convert("RGB")
    array = np.asarray(image)
    if array.ndim == 3:
        array = flattened(array)
    return array, "RGB" if array.ndim == 3 else "MONOCHROME2"


def _deep_png(path: Path, begin: bytes) -> Page:
    """A coloured PNG of 16 bits, which Pillow would cut to 8."""
    columns, rows = (int.from_bytes(begin[at : at + 4], "big") for at in (16, 20))
    samples = PNG_COLOUR.get(begin[25], 2)
    check_page(rows, columns, 2 * samples)
    if samples == 2:
        raise UnreadableInput("It is grey with opacity in 16 bits.", "Save it without opacity.")
    itk = package("SimpleITK")
    with foreign():
        array = itk.GetArrayFromImage(itk.ReadImage(str(path), imageIO="PNGImageIO"))
    return Page(flattened(array), "RGB")


def _multi_frame(page: Page) -> UID | None:
    """The SOP class for several such pages; None where there is none: colour of 16 bits, MONOCHROME1."""
    if page.samples.ndim == 3:
        return MultiFrameTrueColorSecondaryCaptureImageStorage if page.samples.dtype == np.uint8 else None
    if page.photometric != "MONOCHROME2" or page.samples.dtype.kind != "u":
        return None
    if page.samples.dtype.itemsize == 1:
        return MultiFrameGrayscaleByteSecondaryCaptureImageStorage
    return MultiFrameGrayscaleWordSecondaryCaptureImageStorage


def _dataset(pages: list[Page], sop_class_uid: UID) -> Dataset:
    dataset = Dataset()
    dataset.SOPClassUID = sop_class_uid
    dataset.ConversionType = "WSD"
    dataset.ImageType = ["DERIVED", "SECONDARY"]
    dataset.PatientOrientation = None
    if len(pages) > 1:
        _add_frames(dataset, pages)
    _add_pixels(dataset, pages)
    _add_loss(dataset, pages)
    return dataset


def _add_frames(dataset: Dataset, pages: list[Page]) -> None:
    """Multi-frame, SC Multi-frame Image and Vector modules (PS3.3 sections C.7.6.6, C.8.6.3, C.8.6.4)."""
    dataset.NumberOfFrames = len(pages)
    dataset.FrameIncrementPointer = Tag("PageNumberVector")
    dataset.PageNumberVector = list(range(1, len(pages) + 1))
    dataset.BurnedInAnnotation = "YES"  # nobody looked, and it has to say something
    if pages[0].samples.ndim == 2:
        dataset.PresentationLUTShape = "IDENTITY"
        dataset.RescaleIntercept, dataset.RescaleSlope, dataset.RescaleType = "0", "1", "US"


def _add_pixels(dataset: Dataset, pages: list[Page]) -> None:
    """Image Pixel (PS3.3 section C.7.6.3); values that are not whole numbers of 8 or 16 bits get a rescale."""
    first = pages[0].samples
    stored = [page.samples for page in pages]
    if first.dtype.kind != "u" or first.dtype.itemsize > 2:
        rescale = rescale_of(first)
        stored = [rescale.stored(first)]
        if (rescale.slope, rescale.intercept) != (1, 0):
            dataset.RescaleIntercept, dataset.RescaleSlope = (
                decimal(rescale.intercept),
                decimal(rescale.slope),
            )
            dataset.RescaleType = "US"
    dtype = stored[0].dtype
    dataset.Rows, dataset.Columns = first.shape[:2]
    dataset.SamplesPerPixel = first.shape[2] if first.ndim == 3 else 1
    dataset.PhotometricInterpretation = pages[0].photometric
    if first.ndim == 3:
        dataset.PlanarConfiguration = 0
    dataset.BitsAllocated = dataset.BitsStored = 8 * dtype.itemsize
    dataset.HighBit = dataset.BitsStored - 1
    dataset.PixelRepresentation = int(dtype.kind == "i")
    if pages[0].encoded:
        dataset.PixelData = encapsulate([page.encoded for page in pages])
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    else:
        little = dtype.newbyteorder("<")
        content = b"".join(np.ascontiguousarray(one, little).tobytes() for one in stored)
        dataset.PixelData = content + bytes(len(content) % 2)
    dataset["PixelData"].VR = "OW" if dtype.itemsize > 1 else "OB"


def _add_loss(dataset: Dataset, pages: list[Page]) -> None:
    """Whether the picture lost something before it came here (PS3.3 section C.7.6.1.1.5)."""
    dataset.LossyImageCompression = "01" if pages[0].loss else "00"
    if pages[0].loss:
        dataset.LossyImageCompressionRatio = f"{pages[0].ratio:.4g}"
        dataset.LossyImageCompressionMethod = pages[0].loss
