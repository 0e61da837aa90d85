# SPDX-License-Identifier: Apache-2.0
"""Video to multi-frame images: H.264 as it is, everything else as exact frames."""

import io
import subprocess
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom import Dataset, dcmread
from pydicom.encaps import generate_frames
from pydicom.uid import MPEG4HP41, ExplicitVRLittleEndian

from imaging_data import TooLarge
from imaging_data.convert.attributes import Attributes
from imaging_data.convert.errors import UnreadableInput
from imaging_data.convert.to_dicom import video
from imaging_data.convert.to_dicom.video import video_to_dicom
from imaging_data.convert.to_dicom.writer import NewSeries, write_series

SIZE = (48, 64)
H264 = (
    "libx264",
    "yuv420p",
    {"profile": "high", "level": "4.1", "x264-params": "bframes=2:b-adapt=0:scenecut=0:keyint=50"},
)


def make_video(
    path: Path, codec: str, pixels: str, options: dict[str, str], times: tuple[int, ...] = (0, 1, 2, 3, 4)
) -> Path:
    """A bar that falls, at ten frames a second, with sound's and author's metadata.  times: tenths of a second."""
    with av.open(str(path), "w") as container:
        container.metadata["title"] = "Mueller Anna"
        stream = container.add_stream(codec, rate=10)
        stream.height, stream.width = SIZE
        stream.pix_fmt, stream.options = pixels, options
        for number, time in enumerate(times):
            image = np.full((*SIZE, 3), 40 * number, np.uint8)
            image[4 * number : 4 * number + 9] = (255, 30, 60)
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = time, Fraction(1, 10)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def frames_of(source: str | io.BytesIO) -> NDArray[Any]:
    """All frames (frames, rows, columns, 3)."""
    with av.open(source) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


def times_of(source: str | io.BytesIO) -> list[int]:
    """When each frame is shown, in ms after the first."""
    with av.open(source) as container:
        times = [frame.time for frame in container.decode(video=0)]
    return [round(1000 * (time - times[0])) for time in times]


def written(source: Path, folder: Path) -> tuple[Path, Dataset]:
    """The one file of a converted video."""
    series = NewSeries(Attributes.of({"PatientID": "P1"}), "XC", "0" * 64, "1.2.3")
    made = write_series(video_to_dicom(source), series, folder, "0001")
    return folder / made.files[0], dcmread(folder / made.files[0])


def errors_of(path: Path) -> list[str]:
    """What dciodvfy finds wrong."""
    try:
        done = subprocess.run(["dciodvfy", "-new", path], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("dicom3tools is not installed: apt-get install dicom3tools")
    assert "MultiframeTrueColorSCImage" in done.stderr
    return [line for line in done.stderr.splitlines() if line.startswith("Error")]


@pytest.mark.parametrize("ending", [".mp4", ".mov", ".mkv"])
def test_h264_keeps_its_coded_frames(ending: str, tmp_path: Path) -> None:
    """The stream is the one that came, without the container's metadata; it decodes to the same frames."""
    source = make_video(tmp_path / f"a{ending}", *H264)
    path, dataset = written(source, tmp_path)
    assert dataset.file_meta.TransferSyntaxUID == MPEG4HP41
    assert dataset.PhotometricInterpretation == "YBR_PARTIAL_420"
    assert (dataset.NumberOfFrames, float(dataset.FrameTime), dataset.CineRate) == (5, 100, 10)
    assert (dataset.LossyImageCompression, dataset.LossyImageCompressionMethod) == ("01", "ISO_14496_10")
    [stream] = generate_frames(dataset.PixelData, number_of_frames=1)
    assert np.array_equal(frames_of(io.BytesIO(stream)), frames_of(str(source)))
    assert times_of(io.BytesIO(stream)) == times_of(str(source)) == [0, 100, 200, 300, 400]
    assert b"Mueller" not in path.read_bytes()
    assert errors_of(path) == []


@pytest.mark.parametrize(
    ("name", "codec", "pixels", "lossy"),
    [
        ("a.avi", "mjpeg", "yuvj422p", "01"),
        ("a.mkv", "ffv1", "bgr0", "00"),
        ("a.mp4", "libx264", "yuv444p", "01"),
    ],
)
def test_others_become_exact_frames(name: str, codec: str, pixels: str, lossy: str, tmp_path: Path) -> None:
    """What no transfer syntax takes is stored as decoded, and says whether it lost something before."""
    source = make_video(tmp_path / name, codec, pixels, {})
    path, dataset = written(source, tmp_path)
    assert dataset.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
    assert np.array_equal(dataset.pixel_array, frames_of(str(source)))
    assert dataset.LossyImageCompression == lossy
    assert errors_of(path) == []


def test_uneven_times_are_kept(tmp_path: Path) -> None:
    """Frames at 0, 0.1, 0.5 and 0.6 s."""
    path, dataset = written(make_video(tmp_path / "a.mkv", "ffv1", "bgr0", {}, (0, 1, 5, 6)), tmp_path)
    assert [float(step) for step in dataset.FrameTimeVector] == [0, 100, 400, 100]
    assert dataset["FrameIncrementPointer"].value == 0x00181065
    assert errors_of(path) == []


def test_level_beyond_is_decoded(tmp_path: Path) -> None:
    """H.264 of level 5.1 has no transfer syntax here."""
    source = make_video(tmp_path / "a.mp4", "libx264", "yuv420p", {"level": "5.1"})
    assert written(source, tmp_path)[1].file_meta.TransferSyntaxUID == ExplicitVRLittleEndian


def test_what_is_no_video(tmp_path: Path) -> None:
    """Text, a cut file, sound alone: each is refused, and nothing is written."""
    whole = make_video(tmp_path / "a.mp4", *H264).read_bytes()
    sound = tmp_path / "sound.mkv"
    with av.open(str(sound), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        stream.layout = "mono"
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
    for content in (b"no video", whole[:700], b"", sound.read_bytes()):
        (tmp_path / "b.mp4").write_bytes(content)
        with pytest.raises(UnreadableInput):
            written(tmp_path / "b.mp4", tmp_path)
    assert not list(tmp_path.glob("*.dcm"))


def test_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Too many frames, and too many bytes of them; the hint says what is kept as it is."""
    source = make_video(tmp_path / "a.mkv", "ffv1", "bgr0", {})
    monkeypatch.setattr(video, "LARGEST", 3 * 64 * 48 * 4)
    with pytest.raises(TooLarge) as refused:
        written(source, tmp_path)
    assert "H.264" in refused.value.hint
    monkeypatch.setattr(video, "MOST_FRAMES", 3)
    with pytest.raises(TooLarge, match="more than 3 frames"):
        written(make_video(tmp_path / "b.mp4", *H264), tmp_path)


def test_a_playlist_is_not_followed(tmp_path: Path) -> None:
    """A file that names others is no video, whatever its own name is."""
    make_video(tmp_path / "another.mp4", *H264)
    (tmp_path / "a.mp4").write_text("ffconcat version 1.0\nfile another.mp4\n")
    with pytest.raises(UnreadableInput, match="no video"):
        next(video_to_dicom(tmp_path / "a.mp4"))
