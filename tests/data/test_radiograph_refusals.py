# SPDX-License-Identifier: Apache-2.0
"""What is no single radiograph is refused by name; what it says of its view is read."""

import numpy as np
import pytest
from builders import ct_series
from overwriting import overwrite
from pydicom import dcmread
from radiograph_files import dx, lookup_table, picture, read

from imaging_data import (
    ChangedInstance,
    NotARadiograph,
    SeveralImages,
    UnreadableInstance,
    UnsupportedPixels,
    UnsupportedTransferSyntax,
    UnusableSeries,
    find_instances,
    read_radiograph,
)

STORED = np.rint(picture() * 4095).astype(np.uint16)


@pytest.mark.parametrize(
    ("attributes", "error", "message"),
    [
        ({"Modality": "CT"}, NotARadiograph, "Modality is CT"),
        ({"Modality": "MG"}, NotARadiograph, "Modality is MG; it must be CR, DX, RF"),
        ({"Modality": None}, NotARadiograph, "Modality is missing"),
        ({"PresentationIntentType": "FOR PROCESSING"}, NotARadiograph, "raw detector image"),
        ({"Rows": None, "PixelData": None}, NotARadiograph, "no image"),
        ({"PhotometricInterpretation": "RGB", "SamplesPerPixel": 3}, UnsupportedPixels, "colour image .RGB."),
        ({"PhotometricInterpretation": "PALETTE COLOR"}, UnsupportedPixels, "colour image"),
        ({"BitsStored": 17}, UnsupportedPixels, "BitsStored 17"),
        ({"VOILUTSequence": [lookup_table(np.arange(9), 0, 99)]}, UnsupportedPixels, "damaged"),
    ],
)
def test_what_is_no_radiograph_is_refused(tmp_path, attributes, error, message):
    dx(tmp_path, STORED, **attributes)
    if attributes.get("Rows", 1) is None:
        dataset = dcmread(tmp_path / "image.dcm")
        del dataset.PixelData
        dataset.save_as(tmp_path / "image.dcm")
    with pytest.raises(error, match=message) as refused:
        read(tmp_path)
    assert "image.dcm" in str(refused.value)
    assert refused.value.hint
    assert isinstance(refused.value, UnusableSeries)


def test_several_frames_are_refused(tmp_path):
    dx(tmp_path, np.stack([STORED, STORED]), NumberOfFrames=2)
    with pytest.raises(NotARadiograph, match="2 frames"):
        read(tmp_path)


def test_several_views_in_a_series_are_refused_and_none_is_guessed(tmp_path):
    dx(tmp_path / "a", STORED, ViewPosition="PA")
    dx(tmp_path / "b", STORED, ViewPosition="LL", SOPInstanceUID="1.2.3.5")
    with pytest.raises(SeveralImages, match="2 instances") as refused:
        read(tmp_path)
    assert "each view" in refused.value.hint


def test_a_ct_is_refused(tmp_path):
    ct_series(tmp_path, slices=1)
    with pytest.raises(NotARadiograph, match="Modality is CT"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("stored", "attributes"),
    [
        (np.full((8, 8), 77, np.uint16), {}),
        (np.full((8, 8), 77, np.uint16), {"PixelPaddingValue": 77}),
        (STORED, {"RescaleSlope": 0, "RescaleIntercept": 5}),
        (STORED, {"WindowCenter": 50_000, "WindowWidth": 100}),
        (STORED, {"ModalityLUTSequence": [lookup_table(np.full(4096, 3), 0, 16)]}),
    ],
)
def test_an_image_without_any_contrast_is_refused(tmp_path, stored, attributes):
    dx(tmp_path, stored, **attributes)
    with pytest.raises(UnsupportedPixels, match="alike"):
        read(tmp_path)


def test_a_table_that_is_cut_off_is_refused(tmp_path):
    table = lookup_table(np.arange(100), 0, 12)
    table.LUTDescriptor = [4096, 0, 12]
    dx(tmp_path, STORED, VOILUTSequence=[table])
    with pytest.raises(UnsupportedPixels, match="has 100 entries; it declares 4096"):
        read(tmp_path)


def test_what_cannot_be_decoded_is_refused(tmp_path):
    path = dx(tmp_path, STORED)
    path.write_bytes(path.read_bytes().replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.99"))
    with pytest.raises((UnsupportedTransferSyntax, UnreadableInstance)):
        read(tmp_path)


def test_a_file_that_changed_in_between_is_refused(tmp_path):
    path = dx(tmp_path, STORED)
    [series] = find_instances(tmp_path).series
    overwrite(path, path.read_bytes()[:-2] + b"\1\1")
    with pytest.raises(ChangedInstance):
        read_radiograph(series)


def test_what_it_says_of_its_view(tmp_path):
    dx(tmp_path, STORED, ViewPosition="pa ", PatientOrientation=["L", "F"], ImagerPixelSpacing=[0.2, 0.15])
    radiograph = read(tmp_path)
    assert radiograph.view_position == "PA"
    assert radiograph.patient_orientation == ("L", "F")
    assert radiograph.spacing_mm == (0.2, 0.15)
    assert radiograph.sources == ((radiograph.instance, 1),)
