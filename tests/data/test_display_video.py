# SPDX-License-Identifier: Apache-2.0
"""Video in DICOM as pictures: every frame of every coding that PyAV can make here."""

from io import BytesIO
from pathlib import Path

import av
import numpy as np
import pytest
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate, get_frame
from pydicom.uid import HEVCMP51, MPEG2MPML, MPEG4HP41, UID, SecondaryCaptureImageStorage, generate_uid

from imaging_data import UnreadableInstance, UnsupportedTransferSyntax
from imaging_data.dataset import Database
from imaging_data.dataset.build import build
from imaging_data.display import Rule, picture, pictures

FRAMES, ROWS, COLUMNS = 6, 48, 64


def video(container: str, codec: str, syntax: UID) -> Dataset:
    """Six frames, each with another grey above and the same red below."""
    stream = BytesIO()
    with av.open(stream, "w", format=container) as output:
        coded = output.add_stream(codec, rate=25)
        coded.height, coded.width, coded.pix_fmt = ROWS, COLUMNS, "yuv420p"
        for number in range(FRAMES):
            image = np.full((ROWS, COLUMNS, 3), 40 * number, np.uint8)
            image[ROWS // 2 :] = 220, 30, 30
            output.mux(coded.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        output.mux(coded.encode())
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.SOPClassUID, dataset.SOPInstanceUID = SecondaryCaptureImageStorage, generate_uid()
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = generate_uid(), generate_uid()
    dataset.PatientID, dataset.Modality = "P1", "XC"
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 3, "YBR_PARTIAL_420"
    dataset.Rows, dataset.Columns, dataset.NumberOfFrames = ROWS, COLUMNS, FRAMES
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 8, 8, 7, 0
    dataset.add_new("PixelData", "OB", encapsulate([stream.getvalue()], has_bot=False))
    dataset["PixelData"].is_undefined_length = True
    return dataset


@pytest.mark.parametrize(
    ("container", "codec", "syntax"),
    [
        ("mp4", "libx264", MPEG4HP41),
        ("h264", "libx264", MPEG4HP41),
        ("mpegts", "mpeg2video", MPEG2MPML),
        ("mpeg2video", "mpeg2video", MPEG2MPML),
        ("hevc", "libx265", HEVCMP51),
    ],
)
def test_every_frame_is_shown(container, codec, syntax):
    dataset = video(container, codec, syntax)
    shown = list(pictures(dataset))
    assert [one.rendering.frame for one in shown] == [*range(FRAMES)]
    for number, (array, used) in enumerate(shown):
        assert used.rule is Rule.COLOUR
        assert np.abs(array[: ROWS // 3].astype(int) - 40 * number).max() <= 12
        assert np.abs(array[-ROWS // 3 :].astype(int) - (220, 30, 30)).max() <= 12
    assert np.array_equal(picture(dataset, 4).array, shown[4].array)


def test_a_data_set_has_the_frames_and_says_why_where_it_has_not(tmp_path: Path, monkeypatch):
    """Two videos, one of which declares a frame more than it has: none of its pictures stays."""
    for name, frames in (("whole", FRAMES), ("short", FRAMES + 1)):
        dataset = video("mp4", "libx264", MPEG4HP41)
        dataset.NumberOfFrames = frames
        (tmp_path / "source").mkdir(exist_ok=True)
        dataset.save_as(tmp_path / "source" / f"{name}.dcm", enforce_file_format=True)
    summary = build(tmp_path / "source", tmp_path / "set")
    assert summary.counts.pictures == len(list((tmp_path / "set").rglob("*.png"))) == FRAMES
    assert list(summary.no_picture.values()) == [1]
    with Database(tmp_path / "set") as database:
        assert "7 frames" in database.image(str(dataset.SOPInstanceUID)).no_picture
    monkeypatch.setitem(__import__("sys").modules, "av", None)
    with pytest.raises(UnsupportedTransferSyntax, match="without PyAV"):
        picture(dataset)


def test_a_playlist_is_not_followed(tmp_path: Path, monkeypatch):
    dataset = video("mp4", "libx264", MPEG4HP41)
    (tmp_path / "another.mp4").write_bytes(get_frame(dataset.PixelData, 0, number_of_frames=1))
    dataset.PixelData = encapsulate([b"ffconcat version 1.0\nfile another.mp4\n"], has_bot=False)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UnreadableInstance, match="cannot be decoded"):
        picture(dataset)
