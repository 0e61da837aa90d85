# SPDX-License-Identifier: Apache-2.0
"""Slides to whole-slide images: by wsidicomizer, whose they are by us."""

import io
import re
import struct
import subprocess
import sys
from itertools import accumulate
from pathlib import Path

import numpy as np
import pydicom.config
import pytest
from numpy.typing import NDArray
from PIL import Image
from pydicom import dcmread
from pydicom.encaps import generate_frames

from imaging_data.convert.attributes import Attributes
from imaging_data.convert.converted import ConvertedSeries
from imaging_data.convert.errors import MissingPackage, UnreadableInput
from imaging_data.convert.to_dicom.cross_sections import UnsupportedModality
from imaging_data.convert.to_dicom.slides import is_slide, slide_to_dicom
from imaging_data.convert.to_dicom.writer import NewSeries

SVS = "wsi_svs_tiff/CMU-1-Small-Region.svs"
WHOSE = {"PatientID": "P1", "PatientName": "山田^太郎", "StudyDate": "20260102"}


def series(modality: str = "SM") -> NewSeries:
    """A series of a patient."""
    return NewSeries(Attributes.of(WHOSE), modality, "0" * 64, "1.2.3")


def converted(source: Path, folder: Path) -> ConvertedSeries:
    """Skips where the library that wsidicomizer needs is missing."""
    folder.mkdir()
    try:
        return slide_to_dicom(source, series(), folder, "0001")
    except MissingPackage as error:
        if "libturbojpeg" in str(error):
            pytest.skip("libturbojpeg is not installed: apt-get install libturbojpeg0")
        raise


def test_svs_becomes_a_whole_slide_image(samples: Path, tmp_path: Path) -> None:
    """Levels with our patient and UIDs, tiles as they were; the same again from the same file; no label."""
    made = converted(samples / SVS, tmp_path / "a")
    first, thumbnail = (dcmread(tmp_path / "a" / name) for name in made.files)
    assert (first.TotalPixelMatrixColumns, first.TotalPixelMatrixRows, first.NumberOfFrames) == (
        2220,
        2967,
        130,
    )
    assert [first.ImageType[2], thumbnail.ImageType[2]] == ["VOLUME", "THUMBNAIL"]
    for dataset in (first, thumbnail):
        assert (dataset.PatientName, dataset.PatientID, dataset.StudyDate) == ("山田^太郎", "P1", "20260102")
        assert (dataset.StudyInstanceUID, dataset.SeriesInstanceUID) == ("1.2.3", made.series_instance_uid)
    assert first.SOPInstanceUID != thumbnail.SOPInstanceUID
    again = converted(samples / SVS, tmp_path / "b")
    for name in made.files:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert again == made
    assert not any(first.OpticalPathSequence[0].ICCProfile[24:36])  # the second in which it was made
    assert not pydicom.config._use_future  # wsidicomizer sets it for the whole process
    for name in made.files:
        assert errors_of(tmp_path / "a" / name) == []


def errors_of(path: Path) -> list[str]:
    """What dciodvfy finds wrong."""
    try:
        done = subprocess.run(["dciodvfy", "-new", path], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("dicom3tools is not installed: apt-get install dicom3tools")
    assert "VLWholeSlideMicroscopyImage" in done.stderr
    return [line for line in done.stderr.splitlines() if line.startswith("Error")]


def write_ndpi(path: Path, pictures: list[tuple[NDArray[np.uint8], float]]) -> list[bytes]:
    """A slide as Hamamatsu writes it, and the JPEG file of each of its (pixels, magnification).

    A TIFF whose offsets are of 64 bits: the low halves in the tags, the high ones behind them.  Each picture is one
    JPEG, and a tag says where each of its restart intervals begins.  OpenSlide 4.0.1 takes what this writes.
    """
    file, link, coded = bytearray(b"II*\0" + bytes(8)), 4, []
    for pixels, magnification in pictures:
        stream = io.BytesIO()
        Image.fromarray(pixels).save(
            stream, "JPEG", quality=90, subsampling="4:4:4", restart_marker_blocks=32
        )
        coded.append(stream.getvalue())
        scan = coded[-1].index(b"\xff\xda") + 2
        scan += int.from_bytes(coded[-1][scan : scan + 2], "big")
        found = re.finditer(b"\xff[\xd0-\xd7]", coded[-1][scan:])
        restarts = [scan, *(scan + marker.end() for marker in found)]
        parts = [
            coded[-1],
            b"Hamamatsu\0",
            b"Doe^Jane\0\0",
            struct.pack("<2L", int(1e3 * abs(magnification)), 1),
        ]
        parts.append(struct.pack(f"<{len(restarts)}L", *restarts))
        jpeg, make, label, per_cm, mcu_starts = accumulate(map(len, parts[:-1]), initial=len(file))
        file += b"".join(parts)
        length, (rows, columns) = len(coded[-1]), pixels.shape[:2]
        as_float = int.from_bytes(struct.pack("<f", magnification), "little")
        tags = [  # tag, type, count, value or where it is
            (256, 4, 1, columns), (257, 4, 1, rows), (258, 3, 1, 8), (259, 3, 1, 7), (262, 3, 1, 6),
            (271, 2, 10, make), (272, 2, 10, make), (273, 4, 1, jpeg), (277, 3, 1, 3), (278, 4, 1, rows),
            (279, 4, 1, length), (282, 5, 1, per_cm), (283, 5, 1, per_cm), (296, 3, 1, 3), (305, 2, 10, make),
            (65420, 4, 1, 1), (65421, 11, 1, as_float), (65424, 9, 1, 0), (65427, 2, 9, label),
        ]  # fmt: skip
        if magnification > 0:
            tags.insert(-1, (65426, 4, len(restarts), mcu_starts))
        struct.pack_into("<Q", file, link, len(file))
        file += struct.pack("<H", len(tags)) + b"".join(struct.pack("<2H2L", *tag) for tag in tags)
        link = len(file)
        file += bytes(8 + 4 * len(tags))
    path.write_bytes(file)
    return coded


def test_ndpi_keeps_its_coded_tiles(tmp_path: Path) -> None:
    """Two levels with their spacing; neither the photograph of the slide nor the text of its label."""
    rows, columns = np.indices((512, 1024))
    base = np.stack([columns // 4, rows // 2, (columns ^ rows) & 0xF0], axis=-1).astype(np.uint8)
    macro = np.full((64, 256, 3), 200, np.uint8)
    coded = write_ndpi(tmp_path / "a.ndpi", [(base, 40.0), (base[::2, ::2].copy(), 20.0), (macro, -1.0)])
    made = converted(tmp_path / "a.ndpi", tmp_path / "a")
    assert len(made.files) == 2
    for name, jpeg, spacing in zip(made.files, coded, (0.00025, 0.0005), strict=False):
        content = (tmp_path / "a" / name).read_bytes()
        assert b"Doe" not in content
        level = dcmread(io.BytesIO(content))
        [measures] = level.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence
        assert [float(size) for size in measures.PixelSpacing] == [spacing, spacing]
        wanted = np.asarray(Image.open(io.BytesIO(jpeg)))
        tiles = [np.asarray(Image.open(io.BytesIO(one))) for one in generate_frames(level.PixelData)]
        across = -(-level.TotalPixelMatrixColumns // level.Columns)
        whole = np.vstack([np.hstack(tiles[at : at + across]) for at in range(0, len(tiles), across)])
        assert np.array_equal(whole[: len(wanted), : wanted.shape[1]], wanted)
        assert errors_of(tmp_path / "a" / name) == []


def test_tiled_tiff_is_a_slide_where_it_is_said_to_be(tmp_path: Path) -> None:
    """A pyramid of two levels, without any loss."""
    import tifffile

    pixels = np.random.default_rng(1).integers(0, 255, (512, 512, 3), np.uint8)
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        form = {
            "tile": (256, 256),
            "photometric": "rgb",
            "compression": "zlib",
            "resolutionunit": "CENTIMETER",
        }
        file.write(pixels, resolution=(20_000, 20_000), **form)
        file.write(pixels[::2, ::2], resolution=(10_000, 10_000), subfiletype=1, **form)
    made = converted(tmp_path / "a.tif", tmp_path / "a")
    dataset = dcmread(tmp_path / "a" / made.files[0])
    assert dataset.TotalPixelMatrixRows == 512
    assert (is_slide(".tif", "SM"), is_slide(".tif", "XC"), is_slide(".svs", "XC")) == (True, False, True)


def test_what_is_no_slide(samples: Path, tmp_path: Path) -> None:
    """Text, a cut file; another modality than SM."""
    (tmp_path / "text.svs").write_text("no slide")
    (tmp_path / "cut.svs").write_bytes((samples / SVS).read_bytes()[:5000])
    for number, path in enumerate((tmp_path / "text.svs", tmp_path / "cut.svs")):
        with pytest.raises(UnreadableInput):
            converted(path, tmp_path / str(number))
    with pytest.raises(UnsupportedModality, match="SM"):
        slide_to_dicom(samples / SVS, series("CT"), tmp_path, "0001")


def test_without_wsidicomizer_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bare installation says what to install."""
    monkeypatch.setitem(sys.modules, "wsidicomizer", None)
    (tmp_path / "a.svs").write_bytes(b"")
    with pytest.raises(MissingPackage) as missing:
        slide_to_dicom(tmp_path / "a.svs", series(), tmp_path, "0001")
    assert "pip install 'gantry[slides]'" in missing.value.hint
