# SPDX-License-Identifier: Apache-2.0
"""One picture in every encoding comes out as that picture; real radiographs as pydicom's functions show them."""

import numpy as np
import pytest
from builders import write
from pydicom import Dataset, dcmread
from pydicom.pixels import apply_modality_lut, apply_voi_lut
from pydicom.uid import (
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)
from radiograph_files import COLUMNS, ROWS, dx, lookup_table, picture, read

GREY = picture()
TWELVE = np.rint(GREY * 4095).astype(np.uint16)
NARROW = np.rint(1500 + GREY * 500).astype(np.uint16)
NARROW[0, 0], NARROW[-1, -1] = 0, 3000  # beyond the window, or the full range would show the same
SIGNED = np.rint(GREY * 4095 - 2048).astype(np.int16)
BITS12 = {"BitsStored": 12}
RAMP = np.arange(4096)
STEEP = np.rint(65535 * (RAMP / 4095) ** 2)  # a VOI LUT that is no straight line
ROOT = np.rint(np.sqrt(GREY) * 4095).astype(np.uint16)  # what STEEP makes GREY of

ENCODINGS = {
    "12 bits": (TWELVE, BITS12),
    "8 bits": (np.rint(GREY * 255).astype(np.uint8), {}),
    "16 bits stored, 12 used": (TWELVE, {}),
    "16 bits stored, 12 used, window": (TWELVE, {"WindowCenter": 2048, "WindowWidth": 4096}),
    "32 bits": ((GREY * 4e9).astype(np.uint32), {}),
    "narrow window": (NARROW, BITS12 | {"WindowCenter": 1750.5, "WindowWidth": 501}),
    "narrow window, the first of two": (
        NARROW,
        BITS12 | {"WindowCenter": [1750.5, 100], "WindowWidth": [501, 20]},
    ),
    "exact window": (
        NARROW,
        BITS12 | {"WindowCenter": 1750, "WindowWidth": 500, "VOILUTFunction": "LINEAR_EXACT"},
    ),
    "window of no width": (TWELVE, BITS12 | {"WindowCenter": 7, "WindowWidth": 0}),
    "monochrome 1": (4095 - TWELVE, BITS12 | {"PhotometricInterpretation": "MONOCHROME1"}),
    "monochrome 1 and inverse are one inversion": (
        4095 - TWELVE,
        BITS12 | {"PhotometricInterpretation": "MONOCHROME1", "PresentationLUTShape": "INVERSE"},
    ),
    "inverse": (4095 - TWELVE, BITS12 | {"PresentationLUTShape": "INVERSE"}),
    "identity": (TWELVE, BITS12 | {"PresentationLUTShape": "IDENTITY"}),
    "monochrome 1 and window": (
        3500 - NARROW,
        BITS12 | {"WindowCenter": 1750.5, "WindowWidth": 501, "PhotometricInterpretation": "MONOCHROME1"},
    ),
    "signed": (SIGNED, BITS12),
    "signed, sign in unused bits": (SIGNED & 0x0FFF, BITS12 | {"PixelRepresentation": 1}),
    "signed and window": (SIGNED, BITS12 | {"WindowCenter": 0, "WindowWidth": 4096}),
    "slope -1": (4095 - TWELVE, BITS12 | {"RescaleSlope": -1, "RescaleIntercept": 4095}),
    "slope -1 and window": (
        (4095 - NARROW),
        BITS12 | {"RescaleSlope": -1, "RescaleIntercept": 4095, "WindowCenter": 1750.5, "WindowWidth": 501},
    ),
    "slope -1 and monochrome 1": (
        TWELVE,
        BITS12 | {"RescaleSlope": -1, "RescaleIntercept": 0, "PhotometricInterpretation": "MONOCHROME1"},
    ),
    "junk in unused bits": (TWELVE + 4096, BITS12),
    "values in the high bits": (TWELVE << 4, BITS12 | {"HighBit": 15}),
    "modality table": (
        TWELVE,
        BITS12 | {"ModalityLUTSequence": [lookup_table(RAMP * 3 + 5, 0, 16)]},
    ),
    "modality table that falls, and window": (
        4095 - NARROW,
        BITS12
        | {
            "ModalityLUTSequence": [lookup_table(4095 - RAMP, 0, 16)],
            "WindowCenter": 1750.5,
            "WindowWidth": 501,
        },
    ),
    "table of presentation": (ROOT, BITS12 | {"VOILUTSequence": [lookup_table(STEEP, 0, 16)]}),
    "table of presentation, 65536 entries": (
        ROOT,
        {"VOILUTSequence": [lookup_table(np.pad(STEEP, (0, 61440), "edge"), 0, 16)]},
    ),
    "table of presentation before window": (
        ROOT,
        BITS12 | {"VOILUTSequence": [lookup_table(STEEP, 0, 16)], "WindowCenter": 10, "WindowWidth": 20},
    ),
    "table of presentation of signed values": (
        (ROOT.astype(np.int16) - 2048),
        BITS12 | {"VOILUTSequence": [lookup_table(STEEP, -2048, 16)]},
    ),
    "table of presentation from a first value on": (
        ROOT + 1000,
        {"VOILUTSequence": [lookup_table(STEEP, 1000, 16)]},
    ),
    "table after modality table": (
        4095 - ROOT,
        BITS12
        | {
            "ModalityLUTSequence": [lookup_table(4095 - RAMP, 0, 16)],
            "VOILUTSequence": [lookup_table(STEEP, 0, 16)],
        },
    ),
    "table of presentation, inverted": (
        np.rint(np.sqrt(1 - GREY) * 4095).astype(np.uint16),
        BITS12 | {"VOILUTSequence": [lookup_table(STEEP, 0, 16)], "PhotometricInterpretation": "MONOCHROME1"},
    ),
}
TOLERANCE = {"8 bits": 0.002}


@pytest.mark.parametrize("name", ENCODINGS)
def test_each_encoding_shows_the_same_picture(tmp_path, name):
    stored, attributes = ENCODINGS[name]
    dx(tmp_path, stored, **attributes)
    radiograph = read(tmp_path)
    assert radiograph.array.dtype == np.float32
    assert radiograph.shape == (ROWS, COLUMNS)
    assert np.abs(radiograph.array - GREY).max() <= TOLERANCE.get(name, 0.0011)
    assert radiograph.padding is None


def test_a_sigmoid_window(tmp_path):
    dx(tmp_path, NARROW, **BITS12, WindowCenter=1750, WindowWidth=300, VOILUTFunction="SIGMOID")
    wanted = 1 / (1 + np.exp(-4 * (NARROW.astype(float) - 1750) / 300))
    assert np.allclose(read(tmp_path).array, wanted, atol=1e-6)


def test_a_window_one_wide_is_a_threshold(tmp_path):
    dx(tmp_path, NARROW, **BITS12, WindowCenter=1750, WindowWidth=1)
    assert np.array_equal(read(tmp_path).array, (NARROW > 1749).astype(np.float32))


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian])
def test_tables_in_other_transfer_syntaxes(tmp_path, syntax):
    table = lookup_table(STEEP.astype(">u2").view("<u2") if syntax == ExplicitVRBigEndian else STEEP, 0, 16)
    dataset = Dataset()
    dataset.update(dcmread(dx(tmp_path, ROOT, **BITS12, VOILUTSequence=[table])))
    if syntax == ExplicitVRBigEndian:
        dataset.PixelData = ROOT.astype(">u2").tobytes()
    write(dataset, tmp_path / "image.dcm", syntax)
    assert np.abs(read(tmp_path).array - GREY).max() < 0.001


@pytest.mark.parametrize("syntax", [JPEG2000Lossless, JPEGLSLossless, RLELossless])
def test_compressed_radiographs(tmp_path, syntax):
    dataset = dcmread(dx(tmp_path, 4095 - TWELVE, **BITS12, PhotometricInterpretation="MONOCHROME1"))
    dataset.compress(syntax, generate_instance_uid=False)
    dataset.save_as(tmp_path / "image.dcm")
    assert np.abs(read(tmp_path).array - GREY).max() < 0.001


def test_tables_with_two_entries_in_a_word(tmp_path):
    item = Dataset()
    item.add_new("LUTDescriptor", "US", [256, 0, 8])
    item.add_new("LUTData", "OW", np.arange(255, -1, -1, dtype=np.uint8).tobytes())
    dx(tmp_path, np.rint(255 - GREY * 255).astype(np.uint8), VOILUTSequence=[item])
    assert np.abs(read(tmp_path).array - GREY).max() < 0.002


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_padding_is_dark_and_does_not_count_as_a_value(tmp_path, photometric):
    stored = TWELVE if photometric == "MONOCHROME2" else 4095 - TWELVE
    padded = stored.astype(np.uint16).copy()
    padded[:, :5] = 65535
    dx(tmp_path, padded, PixelPaddingValue=65535, PhotometricInterpretation=photometric)
    radiograph = read(tmp_path)
    inside = GREY[:, 5:]
    assert radiograph.padding[:, :5].all()
    assert not radiograph.padding[:, 5:].any()
    assert (radiograph.array[:, :5] == 0).all()
    wanted = (inside - inside.min()) / np.ptp(inside)
    assert np.abs(radiograph.array[:, 5:] - wanted).max() < 0.001


def test_padding_in_32_bits(tmp_path):
    padded = (GREY * 4e9).astype(np.uint32)
    padded[0] = 0xFFFFFFFF
    dx(tmp_path, padded, PixelPaddingValue=65535, PixelPaddingRangeLimit=0)
    assert read(tmp_path).array.max() == 1


# real radiographs

NIH = "cxr_nih_labelled"
CR = "cr_chest_mono1_10bit"


def shown_by_pydicom(dataset):
    """Its own functions, one after the other, then 0 to 1."""
    values = apply_voi_lut(apply_modality_lut(dataset.pixel_array, dataset), dataset).astype(float)
    if "WindowCenter" in dataset:
        values = values / (2**dataset.BitsStored - 1)
    else:
        values = (values - values.min()) / np.ptp(values)
    return 1 - values if dataset.PhotometricInterpretation == "MONOCHROME1" else values


def test_the_labelled_radiograph(samples, tmp_path):
    [path] = (samples / NIH).glob("*.dcm")
    radiograph = read(path)
    assert np.abs(radiograph.array - shown_by_pydicom(dcmread(path))).max() < 1e-6
    assert radiograph.shape == (1024, 1024)
    assert (radiograph.view_position, radiograph.patient_orientation, radiograph.spacing_mm) == ("", (), None)


@pytest.mark.parametrize("name", ["cxr.dcm", "CR-MONO1-10-chest"])
def test_the_monochrome_1_radiograph_with_and_without_file_meta(samples, name):
    radiograph = read(samples / CR / name)
    dataset = dcmread(samples / CR / name, force=True)
    if "TransferSyntaxUID" not in dataset.file_meta:
        dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    assert np.abs(radiograph.array - shown_by_pydicom(dataset)).max() < 1e-6
    assert radiograph.view_position == "PA"
    assert radiograph.spacing_mm == ((0.1, 0.1) if name == "cxr.dcm" else None)


def test_the_mediastinum_of_the_real_radiographs_is_brighter_than_the_lungs(samples):
    """Whatever the encoding: bone and heart are bright, lungs dark."""
    [nih] = (samples / NIH).glob("*.dcm")
    for path in (nih, samples / CR / "cxr.dcm", samples / CR / "CR-MONO1-10-chest"):
        array = read(path).array
        rows, columns = array.shape
        band = array[rows * 4 // 10 : rows * 6 // 10]
        spine = band[:, columns * 47 // 100 : columns * 53 // 100].mean()
        lungs = [band[:, columns * a // 100 : columns * (a + 8) // 100].mean() for a in (22, 70)]
        assert spine > max(lungs) + 0.1
