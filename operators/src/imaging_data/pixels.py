# SPDX-License-Identifier: Apache-2.0
"""Pixel data of one instance: from encoded bytes to stored values to real-world values."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.encaps import generate_frames
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from . import jpeg2000
from .decoders import get_decoder
from .errors import UnreadableInstance, UnsupportedPixels, UnsupportedTransferSyntax, naming
from .instances import SeriesInstance
from .parts import Parts
from .values import numbers_of, values_of

NATIVE = (ImplicitVRLittleEndian, ExplicitVRLittleEndian, DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian)
GREY = ("MONOCHROME1", "MONOCHROME2")
EXACT_IN_FLOAT32 = 24  # bits
JPEG = "1.2.840.10008.1.2.4."  # what UIDs of transfer syntaxes with codestreams begin with
END, END_WITHIN = b"\xff\xd9", 64  # the marker, and of how many last bytes: some pad what is behind it


@dataclass(frozen=True)
class PixelFormat:
    """How stored values are encoded (PS3.3 section C.7.6.3, PS3.5 section 8)."""

    frames: int
    rows: int
    columns: int
    bits_allocated: int
    bits_stored: int
    high_bit: int
    signed: bool

    @classmethod
    def of(cls, dataset: Dataset) -> "PixelFormat":
        """The format of an instance.  Raises UnsupportedPixels unless it is grey, of 8, 16 or 32 bits."""
        photometric = values_of(dataset, "PhotometricInterpretation")
        if _whole(dataset, "SamplesPerPixel", 1) != 1 or not set(photometric) <= set(GREY):
            raise UnsupportedPixels(f"It is a colour image ({' '.join(map(str, photometric))}).")
        allocated = _whole(dataset, "BitsAllocated", 0)
        stored = _whole(dataset, "BitsStored", allocated)
        high = _whole(dataset, "HighBit", stored - 1)
        if allocated not in (8, 16, 32) or not 1 <= stored <= high + 1 <= allocated:
            raise UnsupportedPixels(f"BitsAllocated {allocated}, BitsStored {stored}, HighBit {high}.")
        rows, columns = _whole(dataset, "Rows", 0), _whole(dataset, "Columns", 0)
        if rows < 1 or columns < 1:
            raise UnsupportedPixels(f"It has {rows} Rows and {columns} Columns.")
        frames = max(1, _whole(dataset, "NumberOfFrames", 1))
        return cls(
            frames, rows, columns, allocated, stored, high, _whole(dataset, "PixelRepresentation", 0) == 1
        )

    @property
    def shape(self) -> tuple[int, int, int]:
        """(frames, rows, columns)."""
        return self.frames, self.rows, self.columns

    def dtype(self, order: str = "<") -> np.dtype[Any]:
        """The container of one value, in byte order `order`."""
        return np.dtype(f"{order}{'i' if self.signed else 'u'}{self.bits_allocated // 8}")


def _whole(dataset: Dataset, keyword: str, otherwise: int) -> int:
    numbers = numbers_of(dataset, keyword, 1)
    return int(numbers[0]) if numbers else otherwise


def check_transfer_syntax(uid: str) -> None:
    """Raise UnsupportedTransferSyntax when pixel data in transfer syntax `uid` cannot be decoded here.

    An empty `uid` is that of a file without file meta information, which is not compressed.
    """
    if not uid or uid in NATIVE:
        return
    try:
        decodable = get_decoder(uid).is_available
    except NotImplementedError:
        decodable = False
    if not decodable:
        raise UnsupportedTransferSyntax(f"{UID(uid).name} ({uid}).")


def read_stored(instance: SeriesInstance, form: PixelFormat) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
    """Stored values (frames, rows, columns), and where they are padding, None where nothing is.

    They are taken from the bytes that `instance.sha256` is the hash of.  Raises ChangedInstance when the file is
    not the one that was found; UnreadableInstance for pixel data that are too short or damaged,
    UnsupportedPixels, UnsupportedTransferSyntax.
    """
    with naming(instance.path.name):
        return stored_values(instance.read(), form)


def stored_values(parts: Parts, form: PixelFormat) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
    """Stored values (frames, rows, columns) of an instance that was read, and where they are padding, else None.

    Raises UnreadableInstance, UnsupportedPixels and UnsupportedTransferSyntax, as `read_stored`.
    """
    check_transfer_syntax(parts.transfer_syntax)
    if parts.pixels is None or parts.pixels.keyword != "PixelData":
        raise UnsupportedPixels(f"It has {parts.pixels.keyword if parts.pixels else 'no pixel data'}.")
    if parts.transfer_syntax in NATIVE:
        container = _native(parts, form)
        stored = _without_unused_bits(container, form)
    else:
        container = stored = _decoded(parts, form)
    return stored, _padding(parts.dataset, form, container, stored)


def _native(parts: Parts, form: PixelFormat) -> NDArray[Any]:
    """The values as they lie in the bytes: a view, nothing is copied (PS3.5 section 8.1.1)."""
    big = parts.transfer_syntax == ExplicitVRBigEndian
    data = parts.pixel_bytes
    if big and form.bits_allocated == 8 and parts.pixels and parts.pixels.vr == "OW":
        data = memoryview(np.frombuffer(data, ">u2").astype("<u2").tobytes())  # bytes in swapped pairs
    count = form.frames * form.rows * form.columns
    needed = count * form.bits_allocated // 8
    if len(data) < needed:
        raise UnreadableInstance(f"Its pixel data have {len(data)} bytes where {needed} are needed.")
    return np.frombuffer(data, form.dtype(">" if big else "<"), count).reshape(form.shape)


def _without_unused_bits(container: NDArray[Any], form: PixelFormat) -> NDArray[Any]:
    """Bits outside HighBit and BitsStored may hold anything: shift them out, and the sign in."""
    if form.bits_stored == form.bits_allocated:
        return container
    raised: NDArray[Any] = container << (form.bits_allocated - 1 - form.high_bit)
    return raised >> (form.bits_allocated - form.bits_stored)


def check_codestreams(data: bytes, frames: int, transfer_syntax: str) -> None:
    """Raise UnreadableInstance when a frame of JPEG, JPEG-LS or JPEG 2000 lacks the marker at its end.

    It is cut off then, and decoders make up what is missing, in silence.
    """
    if not transfer_syntax.startswith(JPEG):
        return
    try:
        whole = [END in frame[-END_WITHIN:] for frame in generate_frames(data, number_of_frames=frames)]
    except (ValueError, IndexError) as error:
        raise UnreadableInstance(f"Its compressed frames cannot be told apart ({error}).") from error
    if not all(whole):
        raise UnreadableInstance(f"The codestream of frame {whole.index(False) + 1} is cut off.")


def _decoded(parts: Parts, form: PixelFormat) -> NDArray[Any]:
    """Compressed frames, decoded (PS3.5 section A.4)."""
    data = bytes(parts.pixel_bytes)
    check_codestreams(data, form.frames, parts.transfer_syntax)
    if parts.transfer_syntax in jpeg2000.TRANSFER_SYNTAXES:
        frames = jpeg2000.decode(data, form.shape, form.bits_stored, form.dtype())
        if frames is not None:
            return frames
    options: dict[str, Any] = {
        "rows": form.rows,
        "columns": form.columns,
        "number_of_frames": form.frames,
        "bits_allocated": form.bits_allocated,
        "bits_stored": form.bits_stored,
        "pixel_representation": int(form.signed),
        "samples_per_pixel": 1,
        "photometric_interpretation": "MONOCHROME2",
        "pixel_keyword": "PixelData",
    }
    try:
        array, _ = get_decoder(parts.transfer_syntax).as_array(data, raw=True, **options)
    except (RuntimeError, ValueError, AttributeError, IndexError) as error:
        raise UnreadableInstance(f"Its compressed pixel data cannot be decoded ({error}).") from error
    return array.reshape(form.shape)


def _padding(
    dataset: Dataset, form: PixelFormat, container: NDArray[Any], stored: NDArray[Any]
) -> NDArray[np.bool_] | None:
    """Where stored values are PixelPaddingValue, or from it to PixelPaddingRangeLimit, None where nowhere.

    PS3.3 section C.7.5.1.1.2.  A value that does not fit into BitsStored is looked for in the container.
    """
    value = numbers_of(dataset, "PixelPaddingValue", 1)
    if value is None:
        return None
    limit = numbers_of(dataset, "PixelPaddingRangeLimit", 1) or value
    low, high = sorted(_as_container(int(end), form) for end in (*value, *limit))
    ends = np.array([low, high], form.dtype())
    fits = np.array_equal(_without_unused_bits(ends, form), ends)
    looked_at = stored if fits else container
    mask = looked_at == low if low == high else (looked_at >= low) & (looked_at <= high)
    return mask if mask.any() else None


def _as_container(value: int, form: PixelFormat) -> int:
    """A value as the container holds it, whichever of VR US and SS it was written in."""
    unsigned = value & ((1 << form.bits_allocated) - 1)
    negative = form.signed and unsigned >> (form.bits_allocated - 1)
    return unsigned - (1 << form.bits_allocated) if negative else unsigned


def rescale(stored: NDArray[Any], slope: float, intercept: float, out: NDArray[np.float32]) -> None:
    """Write slope * stored + intercept (PS3.3 section C.11.1.1.2) into `out`.

    In float32 where that holds every stored value exactly, else in float64 first.
    """
    if stored.dtype.itemsize * 8 > EXACT_IN_FLOAT32:
        out[...] = stored * slope + intercept
    else:
        out[...] = stored  # then in place, while it is in the processor's cache
        if slope != 1:
            out *= np.float32(slope)
        out += np.float32(intercept)
