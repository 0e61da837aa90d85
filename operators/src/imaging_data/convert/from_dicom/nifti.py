# SPDX-License-Identifier: Apache-2.0
"""NIfTI-1 files (https://nifti.nimh.nih.gov/nifti-1), written in one go: plain, or deflated on several cores.

The rows of an array (slices, rows, columns) lie in memory as NIfTI wants its (column, row, slice), so voxels are
written as they are and only the affine says where they lie.
"""

import os
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import TooLarge
from ...threads import in_threads
from ..grids import Affine, check_rectangular, ras_affine, spacing_of
from ..packages import package
from .stored import Layout

DATA_TYPES = {"u1": 2, "i2": 4, "i4": 8, "f4": 16, "f8": 64, "u2": 512, "u4": 768}
OFFSET = 352  # of the voxels: the header, and four bytes that say that no extension follows
LARGEST_DIMENSION = 32767  # dim is int16
MILLIMETRES_SECONDS = 10
SCANNER = 1  # the code of coordinates that are the scanner's
BLOCK = 1 << 22  # bytes that are deflated at a time
GZIP_HEAD = b"\x1f\x8b\x08\0\0\0\0\0\x04\xff"  # no name, no time: the same voxels, the same file


def header(
    shape: Sequence[int], dtype: np.dtype[Any], affine: Affine, slope: float = 1, intercept: float = 0
) -> bytes:
    """The first 352 bytes of a file of `shape` ([volumes,] slices, rows, columns).

    affine: LPS mm of index (slice, row, column).  Raises TooLarge for a dimension over 32767, ShearedGrid.
    """
    if max(shape) > LARGEST_DIMENSION:
        raise TooLarge(f"NIfTI has room for {LARGEST_DIMENSION} along an axis; it has {max(shape)}.")
    check_rectangular(affine)
    ras = ras_affine(affine)
    sizes = [*reversed(shape)]
    dimensions = [len(sizes), *sizes, *[1] * (7 - len(sizes))]
    quaternion, handedness = _quaternion(ras)
    steps = [handedness, *spacing_of(ras), *[1.0] * 4]
    code, bits = DATA_TYPES[dtype.str[1:]], dtype.itemsize * 8
    return struct.pack(
        "<i36x8h14x2h2x8f3f3xB128x2h3f3f12f16x4s4x",
        *(348, *dimensions, code, bits, *steps, OFFSET, slope, intercept, MILLIMETRES_SECONDS),
        *(SCANNER, SCANNER, *quaternion, *ras[:3, 3], *ras[:3].reshape(-1), b"n+1\0"),
    )


def write_layout(layout: Layout, path: Path) -> None:
    """A series as NIfTI, each frame put at its place in the file as soon as it is decoded.

    path: a new file, `.nii`, or `.nii.gz`, which is deflated.  Raises as `Layout.read` and `header`.
    """
    if path.name.endswith(".gz"):
        write_array(layout.array(), layout.grid.affine, path, layout.slope, layout.intercept)
        return
    about = header(layout.shape, layout.dtype, layout.grid.affine, layout.slope, layout.intercept)
    size = layout.dtype.itemsize * layout.grid.shape[1] * layout.grid.shape[2]
    with path.open("xb") as file:
        descriptor = file.fileno()
        _write_at(descriptor, about, 0)
        layout.read(lambda place, values: _write_at(descriptor, _bytes(values), OFFSET + place * size))


def write_array(
    array: NDArray[Any], affine: Affine, path: Path, slope: float = 1, intercept: float = 0
) -> None:
    """An array ([volumes,] slices, rows, columns) as NIfTI, `.nii` or `.nii.gz`.

    affine: LPS mm of index (slice, row, column).  Raises TooLarge and ShearedGrid as `header`.
    """
    voxels = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
    about = header(array.shape, voxels.dtype, affine, slope, intercept)
    with path.open("xb") as file:
        for piece in _deflated(about, voxels) if path.name.endswith(".gz") else (about, _bytes(voxels)):
            file.write(piece)


def _write_at(descriptor: int, content: bytes | memoryview, offset: int) -> None:
    left = memoryview(content)
    while left:
        written = os.pwrite(descriptor, left, offset)
        left, offset = left[written:], offset + written


def _bytes(values: NDArray[Any]) -> memoryview:
    """The bytes of values that lie in one piece, without a copy."""
    return values.reshape(-1).view(np.uint8).data


def _deflated(about: bytes, voxels: NDArray[Any]) -> list[bytes]:
    """One gzip member (RFC 1952), its blocks deflated each on its own and joined at byte boundaries."""
    data = _bytes(voxels)
    blocks: list[bytes | memoryview] = [about, *(data[at : at + BLOCK] for at in range(0, len(data), BLOCK))]
    check = 0
    for block in blocks:
        check = zlib.crc32(block, check)
    last = struct.pack("<2L", check, (len(about) + len(data)) & 0xFFFFFFFF)
    fast = package("isal.isal_zlib")  # three times as fast as zlib at its fastest, for files 4 % larger

    def deflate(block: bytes | memoryview) -> bytes:
        deflater = fast.compressobj(1, fast.DEFLATED, -15)
        return bytes(deflater.compress(block) + deflater.flush(fast.Z_SYNC_FLUSH))

    return [GZIP_HEAD, *in_threads(deflate, blocks), zlib.compress(b"", wbits=-15), last]


def _quaternion(ras: Affine) -> tuple[tuple[float, float, float], float]:
    """The unit quaternion's b, c and d of a rotation, and -1 where the third axis is mirrored, else 1."""
    axes = ras[:3, :3] / np.linalg.norm(ras[:3, :3], axis=0)
    handedness = 1.0 if np.linalg.det(axes) > 0 else -1.0
    axes[:, 2] *= handedness
    # The greatest eigenvector of this matrix is the quaternion of the nearest rotation (Bar-Itzhack 2000).
    (xx, xy, xz), (yx, yy, yz), (zx, zy, zz) = axes
    matrix = np.array(
        [
            [xx - yy - zz, 0, 0, 0],
            [yx + xy, yy - xx - zz, 0, 0],
            [zx + xz, zy + yz, zz - xx - yy, 0],
            [zy - yz, xz - zx, yx - xy, xx + yy + zz],
        ]
    )
    b, c, d, a = np.linalg.eigh(matrix)[1][:, -1]
    sign = -1.0 if a < 0 else 1.0
    return (float(sign * b), float(sign * c), float(sign * d)), handedness
