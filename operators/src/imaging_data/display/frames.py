# SPDX-License-Identifier: Apache-2.0
"""One frame of an instance: its attributes and its pixel data, as if it were an instance of its own."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from math import prod
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate, generate_frames, get_frame
from pydicom.uid import UID, ExplicitVRLittleEndian, JPEGExtended12Bit

from ..elements import PIXEL_DATA, PixelSpan
from ..errors import UnreadableInstance, UnsupportedPixels
from ..files import read_file
from ..parts import Parts, split
from ..pixels import GREY, PixelFormat, stored_values
from ..values import PER_FRAME, SHARED, group_values, items_of, numbers_of, text_of
from .video import is_video, video_frames

# Pixel Value Transformation (PS3.3 section C.7.6.16.2.9) and Frame VOI LUT (section C.7.6.16.2.10)
IN_GROUPS = (
    "RescaleSlope",
    "RescaleIntercept",
    "WindowCenter",
    "WindowWidth",
    "WindowCenterWidthExplanation",
    "VOILUTFunction",
)
DECODED = {  # what each frame of video becomes
    "PhotometricInterpretation": "RGB",
    "PlanarConfiguration": 0,
    "BitsAllocated": 8,
    "BitsStored": 8,
    "HighBit": 7,
}
SAME_DECODER = {  # retired transfer syntaxes (PS3.6 Table A-1), whose JPEG the decoder of this one reads, too
    "1.2.840.10008.1.2.4.53": JPEGExtended12Bit,  # spectral selection
    "1.2.840.10008.1.2.4.55": JPEGExtended12Bit,  # full progression
}
SIZES = ("Rows", "Columns", "SamplesPerPixel", "BitsAllocated")


def parts_of(source: Path | Dataset | Parts) -> Parts:
    """A file, or a data set that pydicom read with its pixel data, in its parts.

    Raises NotDicom, UnreadableInstance; UnsupportedPixels for a data set without PixelData.
    """
    if isinstance(source, Dataset):
        parts = _of_dataset(source)
    else:
        parts = source if isinstance(source, Parts) else split(read_file(source)[0])
    alike = SAME_DECODER.get(parts.transfer_syntax)
    return replace(parts, transfer_syntax=alike) if alike else parts


def _of_dataset(dataset: Dataset) -> Parts:
    keyword = next((name for name in PIXEL_DATA.values() if name in dataset), "PixelData")
    value = dataset.get(keyword)
    if not isinstance(value, bytes):
        raise UnsupportedPixels("It has no PixelData.")
    header = _copy(dataset)
    header.pop(keyword)
    syntax = UID(text_of(header.file_meta, "TransferSyntaxUID") or ExplicitVRLittleEndian)
    span = PixelSpan(keyword, dataset[keyword].VR, 0, len(value), syntax.is_encapsulated)
    return Parts(header, syntax, value, span)


def _copy(dataset: Dataset) -> Dataset:
    """The same elements in a data set of its own.

    A value must not be set in it where there is one: it would be set in the other's element, too.
    """
    copy = Dataset(dict(dataset.items()))
    copy.file_meta = getattr(dataset, "file_meta", FileMetaDataset())
    implicit, little = dataset.original_encoding[:2]
    copy.set_original_encoding(implicit, little, dataset.original_character_set)
    return copy


def decoded(parts: Parts) -> Parts:
    """The same instance with its grey pixel data decoded, for whoever needs them more than once.

    What is not compressed, or not grey, is as it was.  Raises as `pixels.stored_values`.
    """
    parts = parts_of(parts)
    grey = text_of(parts.dataset, "PhotometricInterpretation") in GREY
    if not grey or parts.pixels is None or not parts.pixels.encapsulated:
        return parts
    form = PixelFormat.of(parts.dataset)
    stored, _ = stored_values(parts, form)
    header = _copy(parts.dataset)
    header.pop("HighBit", None)  # a codestream knows none; from here on it would count
    header.HighBit = form.bits_stored - 1
    content = stored.astype(stored.dtype.newbyteorder("<"), copy=False).tobytes()
    span = PixelSpan("PixelData", "OW", 0, len(content), False)
    return Parts(header, UID(ExplicitVRLittleEndian), content, span)


def frame_count(dataset: Dataset) -> int:
    """NumberOfFrames; 1 where it is not stated."""
    return max(1, _whole(dataset, "NumberOfFrames"))


def _whole(dataset: Dataset, keyword: str) -> int:
    numbers = numbers_of(dataset, keyword, 1)
    return int(numbers[0]) if numbers else 1


def one_frame(parts: Parts, frame: int) -> Parts:
    """Frame `frame`, from 0, alone: what the functional groups say of it stands at the top level.

    Raises UnsupportedPixels for a frame that there is not, UnreadableInstance for damaged fragments.
    """
    frames = frame_count(parts.dataset)
    if not 0 <= frame < frames:
        raise UnsupportedPixels(f"Frame {frame} is asked for, counted from 0; it has {frames}.")
    if is_video(parts.transfer_syntax):
        return next(islice(every_frame(parts), frame, None))
    if parts.pixels is None or not parts.pixels.encapsulated or frames == 1:
        return _alone(parts, frame, None)
    with _damaged_fragments():
        codestream = get_frame(bytes(parts.pixel_bytes), frame, number_of_frames=frames)
    return _alone(parts, frame, codestream)


def every_frame(parts: Parts) -> Iterator[Parts]:
    """Each frame alone, as `one_frame` gives it; compressed pixel data are gone through once."""
    frames = frame_count(parts.dataset)
    if is_video(parts.transfer_syntax):
        yield from (_of_video(parts, frame, image) for frame, image in enumerate(video_frames(parts)))
        return
    if parts.pixels is None or not parts.pixels.encapsulated or frames == 1:
        yield from (one_frame(parts, frame) for frame in range(frames))
        return
    with _damaged_fragments():
        codestreams = list(generate_frames(bytes(parts.pixel_bytes), number_of_frames=frames))
    if len(codestreams) != frames:
        raise UnreadableInstance(f"It has {len(codestreams)} compressed frames; it declares {frames}.")
    yield from (_alone(parts, frame, codestream) for frame, codestream in enumerate(codestreams))


@contextmanager
def _damaged_fragments() -> Iterator[None]:
    try:
        yield
    except (ValueError, IndexError) as error:
        raise UnreadableInstance(f"Its compressed frames cannot be told apart ({error}).") from error


def _alone(parts: Parts, frame: int, codestream: bytes | None) -> Parts:
    header = _header(parts.dataset, frame)
    if parts.pixels is None or frame_count(parts.dataset) == 1:
        return replace(parts, dataset=header)
    content = _bytes(parts, frame) if codestream is None else encapsulate([codestream], has_bot=False)
    return replace(
        parts, dataset=header, content=content, pixels=replace(parts.pixels, start=0, stop=len(content))
    )


def _of_video(parts: Parts, frame: int, image: NDArray[np.uint8]) -> Parts:
    header = _copy(_header(parts.dataset, frame))
    for keyword, value in DECODED.items():
        header.pop(keyword, None)
        setattr(header, keyword, value)
    span = PixelSpan("PixelData", "OB", 0, image.nbytes, False)
    return Parts(header, ExplicitVRLittleEndian, image.tobytes(), span)


def _header(dataset: Dataset, frame: int) -> Dataset:
    if PER_FRAME not in dataset and SHARED not in dataset and frame_count(dataset) == 1:
        return dataset
    header = _copy(dataset)
    for keyword in (SHARED, PER_FRAME, "NumberOfFrames"):
        header.pop(keyword, None)
    groups = [*items_of(dataset, PER_FRAME)[frame : frame + 1], *items_of(dataset, SHARED)]
    for keyword in IN_GROUPS:
        own = next((values for group in groups if (values := group_values(group, keyword))), None)
        if own and keyword not in header:
            setattr(header, keyword, own)
    tables = _tables(groups)
    if tables and "VOILUTSequence" not in header:
        header.VOILUTSequence = tables
    return header


def _tables(groups: list[Dataset]) -> list[Dataset]:
    macros = (macro for group in groups for macro in items_of(group, "FrameVOILUTSequence"))
    return next((tables for macro in macros if (tables := items_of(macro, "VOILUTSequence"))), [])


def _bytes(parts: Parts, frame: int) -> bytes:
    """The bytes of one native frame, which need not begin with a byte: frames of single bits follow each other."""
    bits = prod(_whole(parts.dataset, name) for name in SIZES)
    if text_of(parts.dataset, "PhotometricInterpretation") == "YBR_FULL_422":
        bits = bits * 2 // 3  # two pixels share their chrominance (PS3.3 section C.7.6.3.1.2)
    first, stop = frame * bits // 8, -(-(frame + 1) * bits // 8)
    whole = parts.pixel_bytes[first:stop]
    if bits % 8 == 0:
        return bytes(whole)
    skipped = frame * bits - first * 8
    unpacked = np.unpackbits(np.frombuffer(whole, np.uint8), bitorder="little")
    return np.packbits(unpacked[skipped : skipped + bits], bitorder="little").tobytes()
