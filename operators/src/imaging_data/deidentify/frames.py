# SPDX-License-Identifier: Apache-2.0
"""The pixels of one instance as stored: pictures of them to look for text, black rectangles into them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.pixels.processing import apply_color_lut, convert_color_space
from pydicom.uid import (
    JPEG2000,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLSNearLossless,
)

from ..decoders import get_decoder
from ..elements import PixelSpan
from ..errors import UnreadableInstance, UnsupportedPixels
from ..parts import Parts
from ..pixels import NATIVE, check_transfer_syntax
from ..values import numbers_of, text_of

AS_STORED: dict[str, Any] = {"correct_unused_bits": False}
GREATEST = 4 << 30  # bytes of decoded frames
LUMINANCE = np.array([0.299, 0.587, 0.114], np.float32)
OVERLAYS = range(0x6000, 0x6020, 2)  # groups
LOSSY = {  # LossyImageCompressionMethod by transfer syntax
    JPEGBaseline8Bit: "ISO_10918_1",
    JPEGExtended12Bit: "ISO_10918_1",
    JPEGLSNearLossless: "ISO_14495_1",
    JPEG2000: "ISO_15444_1",
}
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
        frame = self._shown(self.stored[number])
        if self.photometric == "PALETTE COLOR":
            frame = _eight_bits(apply_color_lut(frame[..., 0], self.dataset))
        if frame.shape[-1] == 1:
            return [_spread(frame[..., 0], *ends) for ends in self._ends_of(number, frame)]
        frame = _eight_bits(frame)
        if self.photometric.startswith("YBR"):
            frame = convert_color_space(frame, "YBR_FULL", "RGB")
        shown = [np.asarray(frame.max(axis=-1)), (frame @ LUMINANCE).astype(np.uint8)]
        return shown[:1] if np.array_equal(shown[0], shown[1]) else shown

    def _shown(self, stored: NDArray[Any]) -> NDArray[Any]:
        """`stored` without the bits beside those of the grey value (PS3.5 section 8.1.1)."""
        above, unused = self._unused_bits
        return (stored << above) >> unused if unused else stored

    @property
    def _unused_bits(self) -> tuple[int, int]:
        """How many lie above the grey value, and how many in all; none where what the instance says is nonsense."""
        allocated, stored, high = (
            int(self.dataset[key].value) for key in ("BitsAllocated", "BitsStored", "HighBit")
        )
        sound = 0 < stored <= high + 1 <= allocated
        return (allocated - high - 1, allocated - stored) if sound else (0, 0)

    def hidden(self) -> Picture | None:
        """Where bits beside the grey values are set, white on black; None where they only carry on the sign."""
        above, unused = self._unused_bits
        used = 8 * self.stored.dtype.itemsize - unused
        least, most, half = int(self.stored.min()), int(self.stored.max()), 1 << (used - 1)
        if above == unused and ((least >= 0 and most < 2 * half) or (least >= -half and most < half)):
            return None  # nearly all images, at once
        grey = ((1 << used) - 1) << (unused - above)
        extended = self._shown(self.stored) << (unused - above)
        found = (self.stored != extended) & ((self.stored & _as(~grey, self.stored)) != 0)
        return found.any(axis=(0, -1)) * np.uint8(255) if found.any() else None

    def _ends_of(self, number: int, frame: NDArray[Any]) -> list[tuple[float, float]]:
        """What is shown black and white: as it was at first, because noise that text is taken out of has none."""
        if number not in self._ends:
            ends: list[tuple[float, float]] = [(frame.min(), frame.max())]
            if frame.dtype.itemsize > 1:
                low, high = np.percentile(frame[::2, ::2], (1, 99))
                ends += [(low, high)] if high > low else []
            self._ends[number] = ends
        return self._ends[number]

    def blacken(self, mask: Mask) -> None:
        """Make `mask` (rows, columns) black in all frames: the value among those stored that shows darkest."""
        if not self.stored.flags.writeable:
            self.stored = self.stored.copy()
        self.stored[:, mask] = self._black()

    def _black(self) -> NDArray[Any]:
        if self.photometric == "PALETTE COLOR":
            used = np.unique(self.stored)
            colours = apply_color_lut(self._shown(used), self.dataset).reshape(len(used), -1)
            return np.asarray(used[colours.astype(np.int64).sum(axis=1).argmin()])
        if self.photometric.startswith("YBR"):
            middle = 1 << (int(self.dataset.BitsStored) - 1)
            return np.array([0, middle, middle], self.stored.dtype)
        if not self.photometric.startswith("MONOCHROME"):
            return np.zeros((), self.stored.dtype)
        shown = self._shown(self.stored)
        darkest = shown.argmax() if self.photometric == "MONOCHROME1" else shown.argmin()
        return np.asarray(self.stored.flat[darkest])

    def clear_overlay_bits(self) -> bool:
        """Take overlays out of bits of the pixels that hold no grey value (retired, PS3.3 C.9.2).  Whether any."""
        bits = sum({1 << bit for bit in _overlay_bits(self.dataset)})
        if bits:
            self.stored = self.stored & _as(~bits, self.stored)
        return bool(bits)

    def clear_hidden(self) -> None:
        """Nothing stays beside the grey values."""
        above, unused = self._unused_bits
        self.stored = self._shown(self.stored) << (unused - above)

    def parts_again(self) -> Parts:
        """The instance with these frames, uncompressed; its attributes are changed in place.

        What was not compressed keeps its transfer syntax, else it is Explicit VR Little Endian.
        What was lost is lost, and LossyImageCompression says it still.
        """
        dataset, syntax = self.dataset, self.parts.transfer_syntax
        if syntax in LOSSY and text_of(dataset, "LossyImageCompression") != "01":
            _say_lossy(dataset, LOSSY[syntax], self.stored.nbytes / max(1, len(self.parts.pixel_bytes)))
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
        raise UnsupportedPixels(
            "It does not say how its pixels are stored, or in bits that are not read here."
        )
    if size > GREATEST:
        raise UnsupportedPixels(f"Its frames are larger than {GREATEST >> 30} GiB.")


def _eight_bits(values: NDArray[Any]) -> Picture:
    """Colours of more than 8 bits as 8: files differ in how many of 16 they use."""
    most = max(255, int(values.max(initial=0)))
    return (
        values.astype(np.uint8) if most == 255 else (values.astype(np.uint32) * 255 // most).astype(np.uint8)
    )


def _spread(stored: NDArray[Any], low: float, high: float) -> Picture:
    scale = np.float32(255 / max(1.0, float(high) - float(low)))
    inside = np.clip(stored, low, high).astype(np.float32) - np.float32(low)
    spread: Picture = (inside * scale).astype(np.uint8)
    return spread


def _as(bits: int, like: NDArray[Any]) -> NDArray[Any]:
    """A pattern of bits as one value of the type of `like`."""
    size = like.dtype.itemsize
    return np.array(bits & ((1 << 8 * size) - 1)).astype(f"u{size}").view(like.dtype)


def _say_lossy(dataset: Dataset, method: str, ratio: float) -> None:
    """What only the transfer syntax said, which goes (PS3.3 section C.7.6.1.1.5)."""
    dataset.LossyImageCompression, dataset.LossyImageCompressionMethod = "01", method
    dataset.LossyImageCompressionRatio = f"{ratio:.2f}"


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
