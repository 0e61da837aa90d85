# SPDX-License-Identifier: Apache-2.0
"""Slides to whole-slide images: by wsidicomizer, whose they are by us."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pydicom.config
import pytest
from pydicom import dcmread

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


def converted(source: Path, folder: Path, **options: bool) -> ConvertedSeries:
    """Skips where the library that wsidicomizer needs is missing."""
    folder.mkdir()
    try:
        return slide_to_dicom(source, series(), folder, "0001", **options)
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
    with_label = converted(samples / SVS, tmp_path / "c", with_label=True)
    kinds = {
        dcmread(tmp_path / "c" / name, stop_before_pixels=True).ImageType[2] for name in with_label.files
    }
    assert kinds == {"VOLUME", "THUMBNAIL", "LABEL", "OVERVIEW"}
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
