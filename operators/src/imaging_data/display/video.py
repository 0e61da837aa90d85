# SPDX-License-Identifier: Apache-2.0
"""Frames of video in DICOM (PS3.5 section A.4), decoded by PyAV where that is installed."""

from collections.abc import Iterator
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from pydicom.encaps import get_frame
from pydicom.uid import UID

from ..errors import UnreadableInstance, UnsupportedTransferSyntax
from ..parts import Parts
from ..values import numbers_of

TRANSFER_SYNTAXES = "1.2.840.10008.1.2.4.10"  # MPEG-2, H.264 and H.265: all whose UIDs begin so
INSTALL = "Install what research needs: pip install 'gantry[research]'."
FORMATS = "mov,mp4,m4a,3gp,3g2,mj2,h264,hevc,mpegvideo,mpeg,mpegts"  # no playlists, which name other files


def is_video(transfer_syntax: UID) -> bool:
    """Whether frames in this transfer syntax depend on each other, in one stream."""
    return transfer_syntax.startswith(TRANSFER_SYNTAXES)


def video_frames(parts: Parts) -> Iterator[NDArray[np.uint8]]:
    """Every frame as red, green and blue (rows, columns, 3), as it is decoded.

    Raises UnsupportedTransferSyntax without PyAV; UnreadableInstance for a damaged stream, and for one of other frames
    than Rows, Columns and NumberOfFrames say.
    """
    try:
        import av
    except ImportError:
        raise UnsupportedTransferSyntax(
            f"{parts.transfer_syntax.name}, without PyAV.", hint=INSTALL
        ) from None
    rows, columns, frames = (
        int((numbers_of(parts.dataset, name, 1) or (1,))[0]) for name in ("Rows", "Columns", "NumberOfFrames")
    )
    count = 0
    try:
        stream = BytesIO(get_frame(bytes(parts.pixel_bytes), 0, number_of_frames=1))
        with av.open(stream, "r", options={"format_whitelist": FORMATS}) as container:
            for count, frame in enumerate(container.decode(video=0), start=1):
                if count > frames or (frame.height, frame.width) != (rows, columns):
                    count = 0
                    break
                yield frame.to_ndarray(format="rgb24").astype(np.uint8, copy=False)
    except (av.FFmpegError, ValueError, IndexError) as error:
        raise UnreadableInstance(f"Its video cannot be decoded ({error}).") from error
    if count != frames:
        raise UnreadableInstance(f"Its video is not {frames} frames of {rows} Rows and {columns} Columns.")
