# SPDX-License-Identifier: Apache-2.0
"""The pixels of one instance as stored: pictures of them to look for text, black rectangles into them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.pixels.decoders.base import get_decoder
from pydicom.pixels.processing import apply_color_lut
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian

from ..elements import PixelSpan
from ..errors import UnreadableInstance, UnsupportedPixels
from ..parts import Parts
from ..pixels import NATIVE, check_transfer_syntax
from ..values import numbers_of

AS_STORED: dict[str, Any] = {"correct_unused_bits": False}
GREATEST = 4 << 30  # bytes of decoded frames
LUMINANCE = np.array([0.299, 0.587, 0.114], np.float32)
OVERLAYS = range(0x6000, 0x6020, 2)  # groups
STALE = {  # of pixels that are others now
    "SmallestImagePixelValue",
    "LargestImagePixelValue",
    "PixelDataProviderURL",
    "ExtendedOffsetTable",
    "ExtendedOffsetTableLengths",
}
Mask = NDArray[np.bool_]
Picture = NDArray[np.uint8]


@dataclass(eq=False)
class Frames:
    """stored: (frames, rows, columns, samples), as in the file; the samples of a colour are R, G, B or Y, CB, CR.

    photometric: PhotometricInterpretation of `stored`.
    """

    parts: Parts
    stored: NDArray[Any]
    photometric: str
    _ends: dict[int, list[tuple[float, float]]] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, parts: Parts) -> "Frames":
        """Decode PixelData.  Raises UnsupportedTransferSyntax, UnsupportedPixels, UnreadableInstance."""
        check_transfer_syntax(parts.transfer_syntax)
        _check_size(parts.dataset)
        native = not parts.transfer_syntax or parts.transfer_syntax in NATIVE
        decoder = get_decoder(parts.transfer_syntax or ExplicitVRLittleEndian)
        try:
            array, form = decoder.as_array(_with_pixels(parts), raw=native, **AS_STORED)
        except (RuntimeError, ValueError, AttributeError, LookupError, TypeError, OSError) as error:
            why = f"Its pixel data cannot be decoded ({type(error).__name__})."
            raise UnreadableInstance(why) from error
        shape = (-1, int(form["rows"]), int(form["columns"]), int(form["samples_per_pixel"]))
        return cls(parts, array.reshape(shape), str(form["photometric_interpretation"]))

    @property
    def dataset(self) -> Dataset:
        """The attributes of the instance."""
        return self.parts.dataset

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns)."""
        return self.stored.shape[1], self.stored.shape[2]

    def pictures(self, number: int) -> list[Picture]:
        """Frame `number` as pictures (rows, columns), 0 to 255, in which its text is seen.

        Of colours the luminance and the brightest sample; of grey values beyond 8 bits the whole range and what
        lies between the 1st and the 99th of a hundred.
        """
        frame = self.stored[number]
        if self.photometric == "PALETTE COLOR":
            frame = _eight_bits(apply_color_lut(frame[..., 0], self.dataset))
        if frame.shape[-1] == 1:
            return [_spread(frame[..., 0], *ends) for ends in self._ends_of(number, frame)]
        bright = frame[..., 0] if self.photometric.startswith("YBR") else frame.max(axis=-1)
        grey = frame[..., 0] if self.photometric.startswith("YBR") else frame @ LUMINANCE
        shown = [_eight_bits(bright), np.asarray(grey).astype(np.uint8)]
        return shown[:1] if np.array_equal(shown[0], shown[1]) else shown

    def _ends_of(self, number: int, frame: NDArray[Any]) -> list[tuple[float, float]]:
        """What is shown black and white: as it was at first, because noise that text is taken out of has none."""
        if number not in self._ends:
            ends: list[tuple[float, float]] = [(frame.min(), frame.max())]
            if frame.dtype.itemsize > 1:
                low, high = np.percentile(frame[::2, ::2], (1, 99))
                ends += [(low, high)] if high > low else []
            self._ends[number] = ends
        return self._ends[number]

    def overlays(self) -> list[Picture]:
        """The overlay planes that lie in the dataset (PS3.3 section C.9.2), white on black."""
        return [plane for group in OVERLAYS if (plane := _overlay(self.dataset, group)) is not None]

    def blacken(self, mask: Mask) -> None:
        """Make `mask` (rows, columns) black in all frames: the value among those stored that shows darkest."""
        if not self.stored.flags.writeable:
            self.stored = self.stored.copy()
        self.stored[:, mask] = self._black()

    def _black(self) -> NDArray[Any]:
        if self.photometric == "PALETTE COLOR":
            used = np.unique(self.stored)
            colours = apply_color_lut(used, self.dataset).reshape(len(used), -1)
            return np.asarray(used[colours.astype(np.int64).sum(axis=1).argmin()])
        if self.photometric.startswith("YBR"):
            middle = 1 << (int(self.dataset.BitsStored) - 1)
            return np.array([0, middle, middle], self.stored.dtype)
        if self.photometric == "MONOCHROME1":
            return np.asarray(self.stored.max())
        return np.asarray(self.stored.min() if self.photometric == "MONOCHROME2" else 0, self.stored.dtype)

    def clear_overlay_bits(self) -> bool:
        """Take overlays out of bits of the pixels that hold no grey value (retired, PS3.3 C.9.2).  Whether any."""
        bits = sum({1 << bit for bit in _overlay_bits(self.dataset)})
        if not bits:
            return False
        whole = np.array((1 << int(self.dataset.BitsAllocated)) - 1 - bits)
        self.stored = self.stored & whole.astype(f"u{self.stored.dtype.itemsize}").view(self.stored.dtype)
        return True

    def parts_again(self) -> Parts:
        """The instance with these frames, uncompressed; its attributes are changed in place.

        What was not compressed keeps its transfer syntax, else it is Explicit VR Little Endian.
        LossyImageCompression stays as it was: what was lost is lost.
        """
        dataset, syntax = self.dataset, self.parts.transfer_syntax
        syntax = syntax if not syntax or syntax in NATIVE else ExplicitVRLittleEndian
        kept = self.stored.dtype.newbyteorder(">" if syntax == ExplicitVRBigEndian else "<")
        data = self.stored.astype(kept, copy=False).tobytes()
        data += b"\0" * (len(data) % 2)
        dataset.PhotometricInterpretation = self.photometric
        if self.stored.shape[-1] > 1:
            dataset.PlanarConfiguration = 0
        for keyword in STALE & set(dataset.dir()):
            delattr(dataset, keyword)
        vr = "OB" if self.stored.dtype.itemsize == 1 else "OW"
        return Parts(dataset, syntax, data, PixelSpan("PixelData", vr, 0, len(data), False))


def _with_pixels(parts: Parts) -> Dataset:
    """What a decoder needs: the attributes of the pixels, and the pixels."""
    light = Dataset()
    for tag in list(parts.dataset.keys()):  # the attributes themselves would all be decoded
        if tag.group in (0x0028, 0x7FE0):
            light[tag] = parts.dataset[tag]
    light.PixelData = bytes(parts.pixel_bytes)
    light["PixelData"].VR = (parts.pixels and parts.pixels.vr) or "OW"
    light.file_meta = FileMetaDataset()
    light.file_meta.TransferSyntaxUID = parts.transfer_syntax or ExplicitVRLittleEndian
    return light


def _check_size(dataset: Dataset) -> None:
    counts = [
        (numbers_of(dataset, keyword, 1) or (otherwise,))[0]
        for keyword, otherwise in (("NumberOfFrames", 1), ("Rows", 0), ("Columns", 0), ("SamplesPerPixel", 1))
    ]
    allocated = (numbers_of(dataset, "BitsAllocated", 1) or (0,))[0]
    size = np.prod(counts) * allocated / 8
    if allocated not in (8, 16, 32) or size <= 0:
        raise UnsupportedPixels("It does not say how its pixels are stored.")
    if size > GREATEST:
        raise UnsupportedPixels(f"Its frames are larger than {GREATEST >> 30} GiB.")


def _eight_bits(values: NDArray[Any]) -> Picture:
    """Colours of 8 or 16 bits as 8."""
    return (values >> 8).astype(np.uint8) if values.dtype.itemsize > 1 else values.astype(np.uint8)


def _spread(stored: NDArray[Any], low: float, high: float) -> Picture:
    scale = np.float32(255 / max(1.0, float(high) - float(low)))
    inside = np.clip(stored, low, high).astype(np.float32) - np.float32(low)
    spread: Picture = (inside * scale).astype(np.uint8)
    return spread


def _overlay(dataset: Dataset, group: int) -> Picture | None:
    if (group, 0x3000) not in dataset or (group, 0x0010) not in dataset or (group, 0x0011) not in dataset:
        return None
    rows, columns = int(dataset[group, 0x0010].value), int(dataset[group, 0x0011].value)
    bits = np.unpackbits(np.frombuffer(bytes(dataset[group, 0x3000].value), np.uint8), bitorder="little")
    frames = bits[: len(bits) // (rows * columns) * rows * columns].reshape(-1, rows, columns)
    return np.asarray(frames.max(axis=0) * np.uint8(255), np.uint8) if len(frames) else None


def _overlay_bits(dataset: Dataset) -> Iterator[int]:
    """The bits of the pixels that hold an overlay, none that belongs to the grey values."""
    allocated, stored, high = (
        int(dataset.get(each, 0)) for each in ("BitsAllocated", "BitsStored", "HighBit")
    )
    for group in OVERLAYS:
        if (group, 0x0102) in dataset and (group, 0x3000) not in dataset:
            bit = int(dataset[group, 0x0102].value)
            if bit < allocated and not high - stored < bit <= high:
                yield bit


def rectangles(shape: tuple[int, int], boxes: Iterable[tuple[int, int, int, int]]) -> Mask:
    """A mask (rows, columns) of boxes: left, top, right and bottom, ends excluded, cut to `shape`."""
    mask = np.zeros(shape, bool)
    for left, top, right, bottom in boxes:
        mask[max(0, top) : max(0, bottom), max(0, left) : max(0, right)] = True
    return mask


def drop_overlays(dataset: Dataset) -> None:
    """Take all overlay groups away."""
    for tag in list(dataset.keys()):
        if tag.group in OVERLAYS:
            del dataset[tag]
