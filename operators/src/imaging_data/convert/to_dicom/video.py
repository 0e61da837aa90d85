# SPDX-License-Identifier: Apache-2.0
"""Video as Multi-frame True Color Secondary Capture (PS3.3 section A.8.5), without its sound, by PyAV.

H.264 that DICOM has a transfer syntax for keeps its coded frames (PS3.5 section 8.2.7): MP4 without metadata as one
fragment.  Every other video is decoded, and its frames are stored without compression and without further loss.
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.tag import Tag
from pydicom.uid import (
    MPEG4HP41,
    MPEG4HP422D,
    UID,
    ExplicitVRLittleEndian,
    MultiFrameTrueColorSecondaryCaptureImageStorage,
)

from ...errors import TooLarge
from ..errors import UnreadableInput
from ..packages import package

ENDINGS = (".mp4", ".mov", ".avi", ".mkv")
LARGEST = 1 << 31  # bytes of pixel data
MOST_FRAMES = 100_000
PROFILES = ("Constrained Baseline", "Main", "High")  # what a decoder of High Profile decodes
LOSSLESS = {"rawvideo", "ffv1", "huffyuv", "ffvhuff", "png", "qtrle", "utvideo", "v210", "bmp"}
METHODS = {  # PS3.3 section C.7.6.1.1.5.1
    "mjpeg": "ISO_10918_1",
    "jpeg2000": "ISO_15444_1",
    "mpeg2video": "ISO_13818_2",
    "h264": "ISO_14496_10",
    "hevc": "ISO_23008_2",
}
EVEN = 0.05  # of the time between two frames
CONTAINERS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi"  # of FFmpeg's; no playlists, which name other files


@dataclass(frozen=True)
class Coded:
    """Pixel data of a video, and how they are encoded.  times_ms: when each frame is shown."""

    content: bytes
    transfer_syntax: UID
    photometric: str
    rows: int
    columns: int
    times_ms: list[float]


def video_to_dicom(source: Path) -> Iterator[Dataset]:
    """The one dataset of the video `source`, for `writer.write_series`.

    Raises MissingPackage without PyAV, UnreadableInput for what is no video, damaged or without a frame, and
    TooLarge for more than 100,000 frames, or 2 GiB of them.
    """
    with _opened(source) as (container, stream):
        syntax = _kept_as(container, stream)
        coded = _remuxed(container, stream, syntax) if syntax else _decoded(container, stream)
        dataset = _dataset(coded)
        _add_loss(dataset, stream, source, len(coded.content))
        ratio = stream.sample_aspect_ratio
        if ratio and ratio != 1:
            dataset.PixelAspectRatio = [ratio.denominator, ratio.numerator]  # vertical, horizontal
    yield dataset


@contextmanager
def _opened(source: Path) -> Iterator[tuple[Any, Any]]:
    av = package("av")
    try:
        with av.open(str(source), options={"format_whitelist": CONTAINERS}) as container:
            if not container.streams.video:
                raise UnreadableInput("It holds no video.")
            yield container, container.streams.video[0]
    except av.FFmpegError as error:
        raise UnreadableInput(f"It is no video that can be read ({error.strerror}).") from error


def _kept_as(container: Any, stream: Any) -> UID | None:
    """The transfer syntax that takes the coded stream as it is; None where it must be decoded.

    8 bits, 4:2:0, progressive, not turned by its container.
    """
    coded = stream.codec_context
    syntaxes = dict.fromkeys(range(10, 42), MPEG4HP41) | {42: MPEG4HP422D}
    alike = (
        coded.name == "h264"
        and coded.profile in PROFILES
        and coded.pix_fmt in ("yuv420p", "yuvj420p")
        and coded.level in syntaxes
    )
    if not alike:
        return None
    first = next(container.decode(stream), None)
    container.seek(0)
    plain = first is not None and not first.rotation and not first.interlaced_frame
    return syntaxes[coded.level] if plain else None


def _remuxed(container: Any, stream: Any, syntax: UID) -> Coded:
    """The coded frames in an MP4 of their own: no sound, no metadata, no date."""
    target, packets, size = io.BytesIO(), [], 0
    for packet in container.demux(stream):
        if packet.size:
            packets.append(packet)
            size += packet.size
            _check(len(packets), size)
    shown = _give_order(packets)
    with package("av").open(target, "w", format="mp4", options={"fflags": "+bitexact"}) as output:
        copied = output.add_stream_from_template(stream)
        for packet in packets:
            packet.stream = copied
            output.mux(packet)
    frame, tick_ms = stream.codec_context, float(1000 * stream.time_base)
    times_ms = [tick_ms * at for at in shown]
    return Coded(target.getvalue(), syntax, "YBR_PARTIAL_420", frame.height, frame.width, times_ms)


def _give_order(packets: list[Any]) -> list[int]:
    """When the frames are shown, rising; a packet without a time of decoding, as in Matroska, gets one."""
    if any(packet.pts is None for packet in packets):
        raise UnreadableInput("Its frames do not say when they are shown.")
    shown = sorted(packet.pts for packet in packets)
    if any(packet.dts is None for packet in packets):
        ahead = max(at - packet.pts for at, packet in zip(shown, packets, strict=True))
        for at, packet in zip(shown, packets, strict=True):
            packet.dts = at - ahead
    return shown


def _decoded(container: Any, stream: Any) -> Coded:
    """All frames in RGB, upright."""
    frames: list[NDArray[np.uint8]] = []
    times: list[float] = []
    for frame in container.decode(stream):
        image = np.rot90(frame.to_ndarray(format="rgb24"), frame.rotation // 90)
        if frames and image.shape != frames[0].shape:
            raise UnreadableInput("Its frames have several sizes.")
        frames.append(np.ascontiguousarray(image))
        times.append(1000 * (frame.time if frame.time is not None else 0.0))
        _check(len(frames), len(frames) * image.nbytes)
    if not frames:
        raise UnreadableInput("It has no frame.")
    content = b"".join(image.tobytes() for image in frames)
    rows, columns = frames[0].shape[:2]
    return Coded(content + bytes(len(content) % 2), ExplicitVRLittleEndian, "RGB", rows, columns, times)


def _check(frames: int, size: int) -> None:
    if frames > MOST_FRAMES:
        raise TooLarge(f"It has more than {MOST_FRAMES} frames.", "Cut it into parts.")
    if size > LARGEST:
        raise TooLarge(
            f"Its frames need more than {LARGEST >> 30} GiB.",
            "Cut it, or convert it to H.264 first (High Profile, level 4.1, 4:2:0): that is kept as it is.",
        )


def _dataset(coded: Coded) -> Dataset:
    """Image Pixel, Multi-frame and Cine modules (PS3.3 sections C.7.6.3, C.7.6.5, C.7.6.6)."""
    dataset = Dataset()
    dataset.SOPClassUID = MultiFrameTrueColorSecondaryCaptureImageStorage
    dataset.ConversionType, dataset.ImageType = "DV", ["DERIVED", "SECONDARY"]
    dataset.PatientOrientation = None
    dataset.BurnedInAnnotation = "YES"  # nobody looked, and it has to say something
    dataset.NumberOfFrames = len(coded.times_ms)
    dataset.SamplesPerPixel, dataset.PlanarConfiguration = 3, 0
    dataset.PhotometricInterpretation = coded.photometric
    dataset.Rows, dataset.Columns = coded.rows, coded.columns
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 8, 8, 7, 0
    _add_times(dataset, coded.times_ms)
    kept = coded.transfer_syntax != ExplicitVRLittleEndian
    dataset.PixelData = encapsulate([coded.content], has_bot=False) if kept else coded.content
    dataset["PixelData"].VR = "OB"
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = coded.transfer_syntax
    return dataset


def _add_times(dataset: Dataset, times_ms: list[float]) -> None:
    """FrameTime where frames follow each other evenly, else FrameTimeVector."""
    steps = [after - before for before, after in pairwise(times_ms)]
    mean = sum(steps) / len(steps) if steps else 0.0
    even = all(abs(step - mean) <= max(1.0, EVEN * mean) for step in steps)
    keyword = "FrameTime" if even else "FrameTimeVector"
    dataset.FrameIncrementPointer = Tag(keyword)
    if even:
        dataset.FrameTime = f"{mean:.6g}"
    else:
        dataset.FrameTimeVector = [f"{step:.6g}" for step in (0.0, *steps)]
    if mean >= 1:
        dataset.CineRate = dataset.RecommendedDisplayFrameRate = max(1, round(1000 / mean))


def _add_loss(dataset: Dataset, stream: Any, source: Path, size: int) -> None:
    """What the video lost before it came here (PS3.3 section C.7.6.1.1.5)."""
    codec = stream.codec_context.name
    dataset.LossyImageCompression = "00" if codec in LOSSLESS else "01"
    if codec not in LOSSLESS:
        whole = dataset.Rows * dataset.Columns * 3 * dataset.NumberOfFrames
        dataset.LossyImageCompressionRatio = (
            f"{max(1.0, whole / max(1, min(size, source.stat().st_size))):.4g}"
        )
        if codec in METHODS:
            dataset.LossyImageCompressionMethod = METHODS[codec]
