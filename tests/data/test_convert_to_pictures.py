# SPDX-License-Identifier: Apache-2.0
"""Pictures become Secondary Capture: the same pixels, and a JPEG's own bytes."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import SimpleITK
import tifffile
from convert_inputs import instances, left, to_dicom
from dicom_tools import dciodvfy_errors
from PIL import Image, ImageOps
from pydicom import Dataset
from pydicom.encaps import generate_fragments

from imaging_data import TooLarge, find_instances, read_radiograph, read_volume
from imaging_data.convert.errors import UnreadableInput
from imaging_data.convert.to_dicom.jpeg import parse_jpeg
from imaging_data.convert.to_dicom.reading import UnequalSlices

RANDOM = np.random.default_rng(3)
GREY8 = RANDOM.integers(0, 256, (20, 31), np.uint8)
GREY16 = RANDOM.integers(0, 65536, (20, 31)).astype(np.uint16)
COLOUR = RANDOM.integers(0, 256, (21, 31, 3), np.uint8)
COLOUR16 = RANDOM.integers(0, 65536, (4, 5, 3)).astype(np.uint16)
PAGES = RANDOM.integers(0, 65536, (3, 20, 31)).astype(np.uint16)


def one(folder: Path, name: str) -> Dataset:
    """The one instance that the file NAME becomes."""
    [dataset] = instances(to_dicom(folder / name, folder / "out", "OT"))
    return dataset


def palette() -> Image.Image:
    picture = Image.new("P", (31, 20))
    picture.putdata((GREY8 % 4).ravel().tolist())
    picture.putpalette([9, 8, 7, 255, 0, 0, 0, 255, 0, 1, 2, 3])
    return picture


WRITERS = {
    "grey.png": (lambda path: Image.fromarray(GREY8).save(path), GREY8),
    "colour.png": (lambda path: Image.fromarray(COLOUR).save(path), COLOUR),
    "deep.png": (lambda path: Image.fromarray(GREY16).save(path), GREY16),
    "deep-colour.png": (
        lambda path: SimpleITK.WriteImage(SimpleITK.GetImageFromArray(COLOUR16, isVector=True), str(path)),
        COLOUR16,
    ),
    "bits.png": (lambda path: Image.fromarray(GREY8 > 99).save(path), (GREY8 > 99) * np.uint8(255)),
    "palette.png": (
        lambda path: palette().save(path),
        np.array([[9, 8, 7], [255, 0, 0], [0, 255, 0], [1, 2, 3]])[GREY8 % 4],
    ),
    "colour.bmp": (lambda path: Image.fromarray(COLOUR).save(path), COLOUR),
    "grey.bmp": (lambda path: Image.fromarray(GREY8).save(path), GREY8),
    "deep.tif": (lambda path: tifffile.imwrite(path, GREY16, compression="zlib"), GREY16),
    "white.tiff": (lambda path: tifffile.imwrite(path, GREY8, photometric="miniswhite"), GREY8),
    "planes.tif": (
        lambda path: tifffile.imwrite(
            path, COLOUR.transpose(2, 0, 1).copy(), photometric="rgb", planarconfig="separate"
        ),
        COLOUR,
    ),
    "deep-colour.tif": (lambda path: tifffile.imwrite(path, COLOUR16, photometric="rgb"), COLOUR16),
    "big-endian.tif": (lambda path: tifffile.imwrite(path, GREY16, byteorder=">"), GREY16),
    "pages.tif": (lambda path: tifffile.imwrite(path, PAGES, photometric="minisblack"), PAGES),
    "colour-pages.tif": (
        lambda path: tifffile.imwrite(path, np.stack([COLOUR, COLOUR[::-1]]), photometric="rgb"),
        np.stack([COLOUR, COLOUR[::-1]]),
    ),
    "byte-pages.tif": (
        lambda path: tifffile.imwrite(path, np.stack([GREY8, GREY8[::-1]]), photometric="minisblack"),
        np.stack([GREY8, GREY8[::-1]]),
    ),
}


@pytest.mark.parametrize("name", WRITERS)
def test_every_pixel_is_the_same(tmp_path, name):
    write, wanted = WRITERS[name]
    write(tmp_path / name)
    dataset = one(tmp_path, name)
    assert np.array_equal(dataset.pixel_array, wanted)
    assert dataset.Modality == "OT"
    assert dataset.LossyImageCompression == "00"
    assert (dataset.PhotometricInterpretation == "MONOCHROME1") == name.startswith("white")


@pytest.mark.parametrize(
    "name", ["grey.png", "colour.bmp", "deep-colour.png", "pages.tif", "colour-pages.tif", "byte-pages.tif"]
)
def test_what_is_made_is_valid(tmp_path, name):
    WRITERS[name][0](tmp_path / name)
    made = to_dicom(tmp_path / name, tmp_path / "out", "OT")
    assert dciodvfy_errors(made.files[0]) == []


def test_transparent_pixels_are_laid_on_white(tmp_path):
    colour = np.dstack([COLOUR, np.full(COLOUR.shape[:2], 255, np.uint8)])
    colour[0, 0] = 10, 20, 30, 0
    colour[0, 1] = 0, 100, 200, 51
    Image.fromarray(colour).save(tmp_path / "a.png")
    pixels = one(tmp_path, "a.png").pixel_array
    assert np.array_equal(pixels[1:], COLOUR[1:])
    assert pixels[0, 0].tolist() == [255, 255, 255]
    assert pixels[0, 1].tolist() == [204, 224, 244]


@pytest.mark.parametrize(
    ("mode", "photometric"), [("L", "MONOCHROME2"), ("RGB", "YBR_FULL_422"), ("444", "YBR_FULL_422")]
)
def test_a_jpeg_keeps_its_bytes(tmp_path, mode, photometric):
    array = GREY8 if mode == "L" else COLOUR
    Image.fromarray(array).save(tmp_path / "a.jpg", subsampling=0 if mode == "444" else 2)
    dataset = one(tmp_path, "a.jpg")
    [_, fragment] = generate_fragments(dataset.PixelData)
    assert fragment.rstrip(b"\0") == (tmp_path / "a.jpg").read_bytes().rstrip(b"\0")
    assert dataset.PhotometricInterpretation == photometric
    assert (dataset.LossyImageCompression, dataset.LossyImageCompressionMethod) == ("01", "ISO_10918_1")
    decoded = np.asarray(Image.open(tmp_path / "a.jpg")).astype(int)
    assert np.abs(dataset.pixel_array.astype(int) - decoded).max() <= 3  # decoders round otherwise
    assert dciodvfy_errors(tmp_path / "out" / "0001-0001.dcm") == []


def test_what_a_jpeg_says_about_people_and_places_stays_behind(tmp_path):
    exif = Image.Exif()
    exif[0x010E] = "Yamada Taro, 1950"
    Image.fromarray(COLOUR).save(tmp_path / "a.jpg", exif=exif, comment="MRN 4711")
    with (tmp_path / "a.jpg").open("ab") as file:
        file.write(b"behind the image: MRN 4711")
    plain = io.BytesIO()
    Image.fromarray(COLOUR).save(plain, "JPEG")
    dataset = one(tmp_path, "a.jpg")
    assert b"Yamada" not in dataset.PixelData
    assert b"4711" not in dataset.PixelData
    assert np.array_equal(dataset.pixel_array, pixel_array_of(plain.getvalue(), tmp_path))


def pixel_array_of(content: bytes, folder: Path) -> np.ndarray:
    (folder / "plain").mkdir()
    (folder / "plain" / "a.jpg").write_bytes(content)
    return one(folder / "plain", "a.jpg").pixel_array


@pytest.mark.parametrize("orientation", range(2, 9))
def test_a_photograph_is_stored_as_it_is_shown(tmp_path, orientation):
    smooth = np.add.outer(np.arange(24) * 8, np.arange(32) * 2).astype(np.uint8)
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(smooth).save(tmp_path / "a.jpg", exif=exif, quality=95)
    dataset = one(tmp_path, "a.jpg")
    with Image.open(tmp_path / "a.jpg") as picture:
        wanted = np.asarray(ImageOps.exif_transpose(picture))
    assert np.array_equal(dataset.pixel_array, wanted)
    assert dataset.LossyImageCompression == "01"


def test_a_progressive_jpeg_is_decoded(tmp_path):
    Image.fromarray(COLOUR).save(tmp_path / "a.jpg", progressive=True)
    dataset = one(tmp_path, "a.jpg")
    assert dataset.PhotometricInterpretation == "RGB"
    assert np.array_equal(dataset.pixel_array, np.asarray(Image.open(tmp_path / "a.jpg")))


def test_a_tiff_of_jpeg_says_what_it_lost(tmp_path):
    smooth = np.add.outer(np.arange(64) * 2, np.arange(64)).astype(np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", smooth, compression="jpeg")
    dataset = one(tmp_path, "a.tif")
    assert np.abs(dataset.pixel_array.astype(int) - smooth).max() <= 3
    assert (dataset.LossyImageCompression, dataset.LossyImageCompressionMethod) == ("01", "ISO_10918_1")
    assert dataset.LossyImageCompressionRatio > 2
    assert dciodvfy_errors(tmp_path / "out" / "0001-0001.dcm") == []


def test_real_values_get_a_rescale(tmp_path):
    values = RANDOM.normal(0, 5, (20, 31)).astype(np.float32)
    tifffile.imwrite(tmp_path / "a.tif", values)
    dataset = one(tmp_path, "a.tif")
    real = dataset.pixel_array * float(dataset.RescaleSlope) + float(dataset.RescaleIntercept)
    assert np.abs(real - values).max() <= 0.5001 * float(dataset.RescaleSlope)


def test_pages_that_differ_are_instances_of_one_series(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for page in (GREY8, GREY8, GREY16, COLOUR):
            file.write(page)
    made = instances(to_dicom(tmp_path / "a.tif", tmp_path / "out", "OT"))
    assert [one.pixel_array.shape for one in made] == [(2, 20, 31), (20, 31), (21, 31, 3)]
    assert len({one.SeriesInstanceUID for one in made}) == 1
    assert [one.InstanceNumber for one in made] == [1, 2, 3]


def test_a_chest_radiograph_is_read_by_apps(samples, tmp_path):
    [dataset] = instances(to_dicom(samples / "cxr_nih_labelled" / "00000001_000.png", tmp_path / "o", "DX"))
    [series] = find_instances(tmp_path / "o").series
    assert read_radiograph(series).array.shape == dataset.pixel_array.shape


def test_the_pictures_of_a_folder_are_slices(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    for number, page in zip((1, 2, 10), PAGES, strict=True):
        Image.fromarray(page).save(folder / f"slice{number}.png")
    made = instances(to_dicom(folder, tmp_path / "series", "OT", slices=True))
    assert [np.array_equal(one.pixel_array, page) for one, page in zip(made, PAGES, strict=True)] == [
        True
    ] * 3
    affine = np.array([[0, 0, 0.5, 0], [0, 0.75, 0, 0], [2, 0, 0, 0], [0, 0, 0, 1.0]])
    to_dicom(folder, tmp_path / "volume", "CT", slices=True, affine=affine)
    volume = read_volume(find_instances(tmp_path / "volume").series[0])
    assert np.array_equal(volume.array, PAGES)
    assert volume.spacing_mm == (2, 0.75, 0.5)
    Image.fromarray(COLOUR).save(folder / "slice11.png")
    with pytest.raises(UnequalSlices, match="slice11"):
        to_dicom(folder, tmp_path / "x", "CT", slices=True, affine=affine)


def png_that_claims(columns: int, rows: int, depth: int = 8, colour: int = 0) -> bytes:
    """A PNG of a few bytes with any size in its header."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        check = zlib.crc32(kind + content).to_bytes(4, "big")
        return len(content).to_bytes(4, "big") + kind + content + check

    head = columns.to_bytes(4, "big") + rows.to_bytes(4, "big") + bytes((depth, colour, 0, 0, 0))
    data = chunk(b"IDAT", zlib.compress(bytes(99)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + data + chunk(b"IEND", b"")


def tiff_that_claims(rows: int, columns: int) -> bytes:
    """A TIFF whose tags declare more than is there."""
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, GREY8)
    content = bytearray(buffer.getvalue())
    with tifffile.TiffFile(io.BytesIO(content)) as file:
        for name, value in (("ImageLength", rows), ("ImageWidth", columns)):
            offset = file.pages.first.tags[name].valueoffset
            content[offset : offset + 4] = value.to_bytes(4, "little")
    return bytes(content)


def tiff_without_its_end() -> bytes:
    """A TIFF in four compressed strips that names the first of them alone."""
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, GREY8, compression="zlib", rowsperstrip=5)
    content = bytearray(buffer.getvalue())
    with tifffile.TiffFile(io.BytesIO(content)) as file:
        for name in ("StripOffsets", "StripByteCounts"):
            tag = file.pages.first.tags[name]
            content[tag.offset + 4 : tag.offset + 12] = struct.pack("<2L", 1, tag.value[0])
    return bytes(content)


def animated_png() -> bytes:
    """A PNG of two pictures."""
    buffer = io.BytesIO()
    first, second = (Image.fromarray(page) for page in (GREY8, GREY8[::-1]))
    first.save(buffer, "PNG", save_all=True, append_images=[second])
    return buffer.getvalue()


HARMFUL = {
    "animated.png": (animated_png(), UnreadableInput),
    "part.tif": (tiff_without_its_end(), UnreadableInput),
    "empty.png": (b"", UnreadableInput),
    "text.jpg": (b"not a picture", UnreadableInput),
    "bomb.png": (png_that_claims(60_000, 60_000), TooLarge),
    "deep-bomb.png": (png_that_claims(60_000, 60_000, 16, 2), TooLarge),
    "wide.png": (png_that_claims(70_000, 2), TooLarge),
    "short.png": (png_that_claims(500, 500), UnreadableInput),
    "short-deep.png": (png_that_claims(500, 500, 16, 2), UnreadableInput),
    "huge.tif": (tiff_that_claims(2**31 - 1, 2**31 - 1), TooLarge),
    "short.tif": (tiff_that_claims(4000, 4000), UnreadableInput),
    "header.tif": (b"II*\0\xff\xff\xff\x7f", UnreadableInput),
    "loop.tif": (b"II*\0\x08\0\0\0" + b"\0\0" + b"\x08\0\0\0", UnreadableInput),
}


@pytest.mark.parametrize("name", HARMFUL)
def test_harmful_files_are_refused_by_name_and_leave_nothing(tmp_path, name):
    content, error = HARMFUL[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(error) as refused:
        to_dicom(tmp_path / name, tmp_path / "out", "OT")
    assert name in str(refused.value)
    assert refused.value.hint
    assert left(tmp_path) == [name]


@pytest.mark.parametrize("ending", ["jpg", "png", "bmp", "tif"])
def test_a_picture_that_is_cut_off_is_refused(tmp_path, ending):
    Image.fromarray(COLOUR).save(tmp_path / f"a.{ending}")
    content = (tmp_path / f"a.{ending}").read_bytes()
    (tmp_path / f"a.{ending}").write_bytes(content[: len(content) * 2 // 3])
    with pytest.raises(UnreadableInput):
        to_dicom(tmp_path / f"a.{ending}", tmp_path / "out", "OT")
    assert left(tmp_path) == [f"a.{ending}"]


def test_the_segments_of_a_jpeg_are_followed_without_trust():
    buffer = io.BytesIO()
    Image.fromarray(COLOUR).save(buffer, "JPEG")
    content = buffer.getvalue()
    assert parse_jpeg(content).content == content
    for end in range(0, 620, 7):
        parse_jpeg(content[:end])
    assert parse_jpeg(b"\xff\xd8\xff\xe0\0\0") is None
