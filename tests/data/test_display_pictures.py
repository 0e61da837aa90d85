# SPDX-License-Identifier: Apache-2.0
"""Pictures in colour, of many frames, of single bits, as PNG; and which rule shows each real sample."""

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders import ct_series, enhanced_ct
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image
from pydicom import Dataset, dcmread
from pydicom.dataset import FileMetaDataset
from pydicom.pixels.processing import convert_color_space
from pydicom.uid import ExplicitVRLittleEndian, RLELossless
from radiograph_files import lookup_table

from imaging_data import NotDicom, UnreadableInstance, UnsupportedPixels
from imaging_data.display import (
    Options,
    Rule,
    decoded,
    encode_png,
    grey_levels,
    picture,
    pictures,
    png,
    write_png,
)
from imaging_data.display.frames import parts_of
from imaging_data.errors import TargetExists

RANDOM = np.random.default_rng(5)
RGB = RANDOM.integers(0, 256, (6, 8, 3), np.uint8)


def colour(samples: np.ndarray, photometric: str, **attributes: Any) -> Dataset:
    """One colour image; `samples` (rows, columns, samples) or (rows, columns) as they are stored."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.PhotometricInterpretation = photometric
    dataset.SamplesPerPixel = samples.shape[2] if samples.ndim == 3 else 1
    dataset.Rows, dataset.Columns = samples.shape[:2]
    dataset.BitsAllocated = dataset.BitsStored = 8 * samples.itemsize
    dataset.HighBit, dataset.PixelRepresentation = dataset.BitsStored - 1, 0
    if samples.ndim == 3:
        dataset.PlanarConfiguration = 0
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    dataset.add_new("PixelData", "OW", samples.tobytes())
    return dataset


def palette(entries: np.ndarray, first: int, bits: int, segmented: bool = False) -> dict[str, Any]:
    """The attributes of a palette; `entries` (number, 3)."""
    kind = "Segmented" if segmented else ""
    found: dict[str, Any] = {}
    for name, data in zip(("Red", "Green", "Blue"), entries.T, strict=True):
        found[f"{name}PaletteColorLookupTableDescriptor"] = [len(entries), first, bits]
        whole = np.ascontiguousarray(data, "<u2" if bits == 16 else np.uint8)
        if segmented:  # one discrete segment (PS3.3 section C.7.9.2)
            whole = np.array([0, len(whole), *whole], "<u2")
        found[f"{kind}{name}PaletteColorLookupTableData"] = whole.tobytes()
    return found


def test_red_green_and_blue_come_as_stored():
    array, rendering = picture(colour(RGB, "RGB"))
    assert np.array_equal(array, RGB)
    assert (rendering.rule, rendering.photometric_interpretation, rendering.bits) == (Rule.COLOUR, "RGB", 8)
    planes = np.ascontiguousarray(RGB.transpose(2, 0, 1)).reshape(RGB.shape)
    assert np.array_equal(picture(colour(planes, "RGB", PlanarConfiguration=1)).array, RGB)


def test_of_16_bits_of_colour_the_highest_8_are_shown():
    deep = RGB.astype(np.uint16) << 4
    assert np.array_equal(picture(colour(deep, "RGB", BitsStored=12, HighBit=11)).array, RGB)


def test_ybr_becomes_rgb():
    expected = convert_color_space(RGB, "YBR_FULL", "RGB")
    assert np.array_equal(picture(colour(RGB, "YBR_FULL")).array, expected)
    as_ohif = picture(colour(RGB, "YBR_FULL"), 0, Options(like="ohif")).array
    assert np.abs(as_ohif.astype(int) - expected).max() <= 1


def test_ybr_with_halved_chrominance_becomes_rgb():
    ybr = RGB.copy()
    ybr[:, 1::2, 1:] = ybr[:, ::2, 1:]  # two pixels share theirs
    halved = np.concatenate([ybr[:, ::2, :1], ybr[:, 1::2, :1], ybr[:, ::2, 1:]], axis=2)
    dataset = colour(halved, "YBR_FULL_422", SamplesPerPixel=3, Columns=8)
    expected = convert_color_space(ybr, "YBR_FULL", "RGB")
    assert np.array_equal(picture(dataset).array, expected)
    dataset.NumberOfFrames, dataset.PixelData = 2, bytes(halved.size) + dataset.PixelData
    assert np.array_equal(picture(dataset, 1).array, expected)


@pytest.mark.parametrize(("bits", "segmented"), [(8, False), (16, False), (16, True)])
def test_a_palette_is_looked_up_and_goes_on_at_its_ends(bits, segmented):
    entries = RANDOM.integers(0, 1 << bits, (40, 3))
    stored = np.arange(64, dtype=np.uint8).reshape(8, 8)
    dataset = colour(stored, "PALETTE COLOR", **palette(entries, 10, bits, segmented))
    array, rendering = picture(dataset)
    assert np.array_equal(array, entries[np.clip(stored.astype(int) - 10, 0, 39)] >> (bits - 8))
    assert rendering.photometric_interpretation == "PALETTE COLOR"
    assert dataset.PhotometricInterpretation == "PALETTE COLOR"  # the source is as it was


def test_a_palette_of_8_bits_may_lie_in_words_and_be_longer_than_them():
    entries = RANDOM.integers(0, 256, (1000, 3))
    stored = np.arange(1024, dtype=np.int16).reshape(32, 32) - 12
    about = palette(entries, 65536 - 12, 8)  # US where SS is meant
    in_words = about | {
        f"{name}PaletteColorLookupTableData": column.astype("<u2").tobytes()
        for name, column in zip(("Red", "Green", "Blue"), entries.T, strict=True)
    }
    for attributes in (about, in_words):
        array, _ = picture(colour(stored, "PALETTE COLOR", PixelRepresentation=1, **attributes))
        assert np.array_equal(array, entries[np.clip(stored + 12, 0, 999)])


def test_segments_of_a_palette_are_expanded():
    """PS3.3 section C.7.9.2: four entries, a line to 65535, both copied, and once more the line from where it is."""
    fields = np.array([0, 4, 9, 300, 40000, 7, 1, 10, 65535, 2, 2, 0, 0, 2, 1, 12, 0], "<u2")
    stored = np.arange(48, dtype=np.uint8).reshape(6, 8)
    about = palette(np.zeros((38, 3), int), 0, 16, segmented=True)
    names = [f"Segmented{name}PaletteColorLookupTableData" for name in ("Red", "Green", "Blue")]
    array, _ = picture(colour(stored, "PALETTE COLOR", **(about | dict.fromkeys(names, fields.tobytes()))))
    once = [9, 300, 40000, 7, *np.rint(np.linspace(7, 65535, 11)[1:]).astype(int)]
    assert array[..., 0].ravel().tolist() == [entry >> 8 for entry in [*once, *once, *[65535] * 20]]
    with pytest.raises(UnsupportedPixels, match="palette"):
        picture(colour(stored, "PALETTE COLOR", **(about | {names[0]: fields[:10].tobytes()})))


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_floating_point_numbers_are_shown(tmp_path: Path, kind):
    """A parametric map: no number and padding are black, and what is between is spread as ever."""
    values = np.linspace(-3, 5, 2 * 30).astype(kind).reshape(2, 5, 6)
    values[1, 0, :4] = np.nan, np.inf, -np.inf, 99
    prefix = "Double" if kind is np.float64 else ""
    dataset = colour(values[0], "MONOCHROME2", NumberOfFrames=2, **{f"{prefix}FloatPixelPaddingValue": 99.0})
    del dataset.PixelData, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation
    dataset.add_new(f"{prefix}FloatPixelData", "OD" if prefix else "OF", values.tobytes())
    dataset.SOPInstanceUID = dataset.SOPClassUID = "1.2.3"
    dataset.save_as(tmp_path / "map.dcm", enforce_file_format=True)
    for source in (dataset, tmp_path / "map.dcm"):
        array, used = picture(source, 1, Options(bits=16))
        inside = values[1].ravel()[4:]
        expected = (inside - inside[0]) / (inside[-1] - inside[0]) * 65535
        assert np.abs(array.ravel()[4:] - expected).max() <= 0.6
        assert (array[0, :4].tolist(), used.padding_pixels, used.rule) == ([0] * 4, 4, Rule.RANGE)
    dataset.WindowCenter, dataset.WindowWidth, dataset.VOILUTFunction = "1", "0.5", "LINEAR_EXACT"
    expected = np.clip((values[0] - 1) / 0.5 + 0.5, 0, 1) * 255
    assert np.abs(picture(dataset).array - expected).max() <= 0.6


def test_colour_that_is_damaged_or_unknown_is_refused_by_name():
    with pytest.raises(UnsupportedPixels, match="palette"):
        picture(colour(RGB[..., 0], "PALETTE COLOR"))
    with pytest.raises(UnsupportedPixels, match="CMYK"):
        picture(colour(np.zeros((4, 4, 4), np.uint8), "CMYK"))
    for photometric in ("RGB", "YBR_RCT"):
        with pytest.raises(UnsupportedPixels, match=f"{photometric} with SamplesPerPixel 1"):
            picture(colour(RGB[..., 0], photometric))
    with pytest.raises(UnsupportedPixels, match="YBR_ICT with SamplesPerPixel 3"):
        picture(colour(RGB, "YBR_ICT"))  # which stands for what only JPEG 2000 undoes
    short = colour(RGB, "RGB")
    short.PixelData = short.PixelData[:20]
    with pytest.raises(UnreadableInstance, match="cannot be decoded"):
        picture(short)


@pytest.mark.parametrize("compressed", [False, True])
def test_each_frame_has_its_own_window_and_rescale(tmp_path: Path, compressed):
    stored = np.arange(3 * 4 * 4, dtype=np.uint16).reshape(3, 4, 4) * 20

    def of_frame(index: int, groups: Dataset) -> None:
        window, rescale = Dataset(), Dataset()
        if index < 2:
            window.WindowCenter, window.WindowWidth = [100 + index, 7], [300, 10 + index]
        else:
            window.VOILUTSequence = [lookup_table(np.arange(2000)[::-1], 0, 11)]
        rescale.RescaleSlope, rescale.RescaleIntercept, rescale.RescaleType = 1 + index, -index, "HU"
        groups.FrameVOILUTSequence, groups.PixelValueTransformationSequence = [window], [rescale]

    path = enhanced_ct(tmp_path, 3, 4, 4, pixels=stored, frame=of_frame)
    dataset = dcmread(path)
    del dataset.SharedFunctionalGroupsSequence[0].PixelValueTransformationSequence
    if compressed:
        dataset.compress(RLELossless)
    dataset.save_as(path)
    found = [picture(path, frame) for frame in range(3)]
    used = [
        (one.frame, one.window_center, one.window_width, one.rescale_slope, one.rescale_intercept)
        for one in (each.rendering for each in found)
    ]
    assert used == [(0, 100, 300, 1, 0), (1, 101, 300, 2, -1), (2, None, None, 3, -2)]
    assert found[2].rendering.rule is Rule.TABLE
    assert all(np.array_equal(one.array, grey_levels(path, n)) for n, one in enumerate(pictures(path)))
    assert [one.rendering.view for one in pictures(path, Options("all"))] == [1, 2, 1, 2, 1]
    once = decoded(parts_of(path))
    assert not once.pixels.encapsulated
    assert all(np.array_equal(one.array, grey_levels(path, n)) for n, one in enumerate(pictures(once)))
    assert dcmread(path).NumberOfFrames == 3


def test_single_bits_are_black_and_white_in_every_frame():
    bits = RANDOM.integers(0, 2, (3, 5, 5), np.uint8)  # 25 bits a frame: the second begins within a byte
    dataset = colour(bits[0], "MONOCHROME2", BitsAllocated=1, BitsStored=1, HighBit=0, NumberOfFrames=3)
    dataset.PixelData = np.packbits(bits, bitorder="little").tobytes()
    assert np.array_equal(np.stack([one.array for one in pictures(dataset)]), bits * 255)
    dataset.PixelData = dataset.PixelData[:5]
    with pytest.raises(UnreadableInstance, match="bits"):
        picture(dataset, 2)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_a_png_holds_every_sample(data):
    rows, columns = data.draw(st.integers(1, 9)), data.draw(st.integers(1, 9))
    shape, dtype = data.draw(
        st.sampled_from(
            [((rows, columns), np.uint8), ((rows, columns), np.uint16), ((rows, columns, 3), np.uint8)]
        )
    )
    array = data.draw(arrays(dtype, shape))
    with Image.open(BytesIO(encode_png(array))) as image:
        image.load()
        assert np.array_equal(np.asarray(image), array)


def test_a_png_needs_no_libdeflate(monkeypatch):
    monkeypatch.setattr(png, "_has_libdeflate", lambda: False)
    with Image.open(BytesIO(encode_png(RGB))) as image:
        assert np.array_equal(np.asarray(image), RGB)


@pytest.mark.parametrize("array", [np.zeros((2, 2)), np.zeros((2, 2, 4), np.uint8), np.zeros(4, np.uint8)])
def test_what_no_png_can_hold_is_refused(array):
    with pytest.raises(ValueError, match="No PNG can hold"):
        encode_png(array)


def test_a_picture_is_written_whole_and_in_no_ones_place(tmp_path: Path):
    target = tmp_path / "one.png"
    write_png(RGB, target)
    with pytest.raises(TargetExists):
        write_png(RGB[::-1], target)
    with Image.open(target) as image:
        assert np.array_equal(np.asarray(image), RGB)
    with pytest.raises(ValueError, match="No PNG"):
        write_png(np.zeros(3), tmp_path / "two.png")
    assert [path.name for path in tmp_path.iterdir()] == ["one.png"]


def test_the_lines_of_the_page_write_a_picture(tmp_path: Path, monkeypatch):
    page = (Path(__file__).parents[2] / "docs" / "research.md").read_text()
    code = page.partition("### Windows and grey levels")[2].partition("```python\n")[2].partition("```")[0]
    ct_series(tmp_path, slices=1)[0].rename(tmp_path / "slice.dcm")
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(code, names)
    with Image.open("slice.png") as image:
        assert np.array_equal(np.asarray(image), names["array"])
    used = names["rendering"]
    assert (used.rule, used.window_center, used.window_width, used.bits) == (Rule.ASKED, -600, 1600, 16)


# One file of each sample: what decided, the photometric interpretation, centre and width, frames.
TABLE = {
    "ct_chest_lidc_0001/-100.000000.dcm": (Rule.WINDOW, "MONOCHROME2", -600, 1600),
    "ct_abdomen_completed/0267.dcm": (Rule.WINDOW, "MONOCHROME2", 40, 300),
    "mr_brain_t1_7t/N2D_0180.dcm": (Rule.RANGE, "MONOCHROME2", 52.5, 105),
    "cxr_nih_labelled/*.dcm": (Rule.RANGE, "MONOCHROME2", 126.5, 253),
    "cr_chest_mono1_10bit/CR-MONO1-10-chest": (Rule.WINDOW, "MONOCHROME1", 550, 1024),
    "deid_burned_in_text/2_ORIGINAL.dcm": (Rule.WINDOW, "MONOCHROME2", 130, 170),
    "deid_burned_in_text/RGB_ORIGINAL.dcm": (Rule.COLOUR, "RGB", None, None),
    "seg_ct3slice_liver/01.dcm": (Rule.WINDOW, "MONOCHROME2", 40, 400),
    "seg_ct3slice_liver/liver.dcm": (Rule.RANGE, "MONOCHROME2", 1, 2),
    "multiframe_enhanced/5.dcm": (Rule.WINDOW, "MONOCHROME2", 49, 102),
    "multiframe_enhanced/IM-0001-0170-0001.dcm": (Rule.WINDOW, "MONOCHROME2", 326, 567),
    "us_multiframe_palette/US-PAL-8-10x-echo": (Rule.COLOUR, "PALETTE COLOR", None, None),
    "wsi_svs_tiff/boxes_0.dcm": (Rule.COLOUR, "RGB", None, None),
    "transfer_syntaxes_ct_chest/CTImage.dcm": (Rule.WINDOW, "MONOCHROME2", 40, 400),
}


@pytest.mark.parametrize("name", TABLE)
def test_a_sample_is_shown_by_this_rule(samples: Path, name):
    [path] = samples.glob(name)
    array, used = picture(path)
    assert (used.rule, used.photometric_interpretation, used.window_center, used.window_width) == TABLE[name]
    assert array.min() < array.max()


def test_no_image_of_the_samples_is_left_out(samples: Path):
    shown = 0
    for folder in (place for place in samples.iterdir() if place.is_dir()):
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        for path in files[:: 1 if len(files) < 19 else 9]:
            try:
                shown += sum(1 for _ in pictures(path))
            except NotDicom:
                continue
    assert shown > 60


def test_jpeg_of_retired_processes_is_shown_as_that_of_the_others(samples: Path):
    [extended, *retired] = [
        picture(next(samples.glob(f"transfer_syntaxes_ct_chest/*4.{number}.dcm"))).array
        for number in (51, 53, 55)
    ]
    assert all(np.array_equal(array, extended) for array in retired)
