# SPDX-License-Identifier: Apache-2.0
"""One slice in every transfer syntax: the same HU, or a refusal that says why."""

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from builders import ct_series
from PIL import Image
from pydicom import dcmread, dcmwrite
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import ExplicitVRBigEndian, JPEG2000Lossless, JPEGBaseline8Bit, JPEGLSLossless, RLELossless

from imaging_data import UnreadableInstance, UnsupportedTransferSyntax, Volume, find_instances, read_volume
from imaging_data.pixels import check_transfer_syntax

FOLDER = "transfer_syntaxes_ct_chest"
REFERENCE = "LittleEndianExplicitTransferSyntax_1.2.840.10008.1.2.1"
LOSSLESS = [
    "LittleEndianImplicitTransferSyntax_1.2.840.10008.1.2",
    "BigEndianExplicitTransferSyntax_1.2.840.10008.1.2.2",
    "DeflatedExplicitVRLittleEndianTransferSyntax_1.2.840.10008.1.2.1.99",
    "RLELosslessTransferSyntax_1.2.840.10008.1.2.5",
    "JPEGProcess14TransferSyntax_1.2.840.10008.1.2.4.57",
    "JPEGProcess14SV1TransferSyntax_1.2.840.10008.1.2.4.70",
    "JPEGLSLosslessTransferSyntax_1.2.840.10008.1.2.4.80",
    "JPEG2000LosslessOnlyTransferSyntax_1.2.840.10008.1.2.4.90",
]
LOSSY = {  # the largest and the mean difference in HU; the last has 8 bits, in steps of 32 HU
    "JPEGLSLossyTransferSyntax_1.2.840.10008.1.2.4.81": (1, 1),
    "JPEG2000TransferSyntax_1.2.840.10008.1.2.4.91": (5, 1),
    "JPEGProcess2_4TransferSyntax_1.2.840.10008.1.2.4.51": (40, 5),
    "JPEGProcess1TransferSyntax_1.2.840.10008.1.2.4.50": (70, 20),
}
UNDECODABLE = {
    "JPEGProcess6_8TransferSyntax_1.2.840.10008.1.2.4.53": "JPEG Spectral Selection, Non-Hierarchical",
    "JPEGProcess10_12TransferSyntax_1.2.840.10008.1.2.4.55": "JPEG Full Progression, Non-Hierarchical",
}


def _read(path: Path) -> Volume:
    (series,) = find_instances(path).series
    return read_volume(series)


def _sample(samples: Path, name: str) -> Path:
    return samples / FOLDER / f"CTImage.dcm_{name}.dcm"


@pytest.mark.parametrize("name", LOSSLESS)
def test_lossless_encodings_have_identical_values(samples, name):
    reference = _read(_sample(samples, REFERENCE))
    volume = _read(_sample(samples, name))
    assert np.array_equal(volume.array, reference.array)
    assert np.array_equal(volume.affine, reference.affine)
    assert reference.array.std() > 400


@pytest.mark.parametrize("name", LOSSY)
def test_lossy_encodings_agree_in_hu(samples, name):
    largest, mean = LOSSY[name]
    reference = _read(_sample(samples, REFERENCE)).array
    array = _read(_sample(samples, name)).array
    difference = np.abs(array - reference)
    assert difference.max() <= largest
    assert difference.mean() <= mean


@pytest.mark.parametrize("name", UNDECODABLE)
def test_an_encoding_without_decoder_is_refused_with_its_name_and_what_to_do(samples, name):
    with pytest.raises(UnsupportedTransferSyntax) as raised:
        _read(_sample(samples, name))
    assert UNDECODABLE[name] in raised.value.detail
    assert name.rpartition("_")[2] in raised.value.detail
    assert _sample(samples, name).name in raised.value.detail
    assert "uncompressed" in raised.value.hint


def test_every_file_of_the_folder_is_covered(samples):
    names = {path.name for path in (samples / FOLDER).glob("*.dcm")} - {"CTImage.dcm"}
    covered = [REFERENCE, *LOSSLESS, *LOSSY, *UNDECODABLE]
    assert names == {f"CTImage.dcm_{name}.dcm" for name in covered}


def test_an_encoding_without_decoder_is_refused_before_anything_is_decoded(tmp_path):
    *_, last = ct_series(tmp_path, 3)
    last.write_bytes(last.read_bytes().replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.9.9.9\0"))
    (series,) = find_instances(tmp_path).series
    for instance in series.instances:
        instance.path.unlink()
    with pytest.raises(UnsupportedTransferSyntax, match=last.name):
        read_volume(series)


@pytest.mark.parametrize("uid", ["1.2.840.10008.1.2.4.100", "1.2.840.113619.5.2", "9.9.9"])
def test_other_transfer_syntaxes_are_refused(uid):
    with pytest.raises(UnsupportedTransferSyntax, match=uid):
        check_transfer_syntax(uid)


@pytest.mark.parametrize("syntax", [RLELossless, JPEGLSLossless, JPEG2000Lossless])
@pytest.mark.parametrize("dtype", ["u1", "i2", "u2"])
def test_a_series_is_compressed_and_read_again(tmp_path, syntax, dtype):
    if (syntax, dtype) == (JPEGLSLossless, "i2"):
        stored = (
            np.arange(2 * 32 * 32).reshape(2, 32, 32).astype(dtype)
        )  # its encoder takes no negative values
    else:
        stored = (np.arange(2 * 32 * 32).reshape(2, 32, 32) - (700 if dtype == "i2" else 0)).astype(dtype)
    for path in ct_series(tmp_path, 2, 32, 32, pixels=stored):
        dataset = dcmread(path)
        plugin = {RLELossless: "pydicom", JPEGLSLossless: "pyjpegls", JPEG2000Lossless: "pylibjpeg"}[syntax]
        dataset.compress(syntax, encoding_plugin=plugin)
        dataset.save_as(path)
    assert np.array_equal(_read(tmp_path).array, stored - 1024.0)


@pytest.mark.parametrize(("dtype", "vr"), [("u1", "OB"), ("u1", "OW"), ("i2", "OW"), ("i4", "OW")])
def test_big_endian_values_of_every_width_are_read(tmp_path, dtype, vr):
    """In VR OW bytes lie in swapped pairs, in OB they do not (PS3.5 section A.3)."""
    stored = (np.arange(2 * 4 * 4).reshape(2, 4, 4) * 7).astype(dtype)
    for index, path in enumerate(ct_series(tmp_path, 2, 4, 4, pixels=stored)):
        dataset = dcmread(path)
        swapped = stored[index].astype(f">{dtype}").tobytes()
        if (dtype, vr) == ("u1", "OW"):
            swapped = np.frombuffer(swapped, "<u2").astype(">u2").tobytes()
        dataset.add_new("PixelData", vr, swapped)
        dataset.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
        dcmwrite(path, dataset, implicit_vr=False, little_endian=False, force_encoding=True)
    assert np.array_equal(_read(tmp_path).array, stored - 1024.0)


def test_damaged_compressed_pixel_data_are_refused_by_name(tmp_path):
    path = ct_series(tmp_path, 1, 32, 32)[0]
    dataset = dcmread(path)
    dataset.compress(JPEG2000Lossless, encoding_plugin="pylibjpeg")
    dataset.PixelData = (
        dataset.PixelData[:60] + b"\0" * (len(dataset.PixelData) - 64) + dataset.PixelData[-4:]
    )
    dataset["PixelData"].is_undefined_length = True
    dataset.save_as(path)
    with pytest.raises(UnreadableInstance, match=f"{path.name}: Its compressed pixel data cannot be decoded"):
        _read(path)


@pytest.mark.parametrize("syntax", [JPEGLSLossless, JPEG2000Lossless])
def test_a_codestream_that_is_cut_off_is_refused(tmp_path, syntax):
    """Decoders make up the rest of it: here most of an image of noise."""
    stored = np.random.default_rng(1).integers(0, 4096, (1, 32, 32)).astype(np.uint16)
    path = ct_series(tmp_path, 1, 32, 32, pixels=stored)[0]
    dataset = dcmread(path)
    dataset.compress(syntax)
    [codestream] = generate_frames(dataset.PixelData, number_of_frames=1)
    dataset.PixelData = encapsulate([codestream[: len(codestream) // 2]])
    dataset["PixelData"].is_undefined_length = True
    dataset.save_as(path)
    with pytest.raises(UnreadableInstance, match=f"{path.name}: The codestream of frame 1 is cut off"):
        _read(path)


def test_a_colour_picture_where_grey_values_should_be_is_refused(tmp_path):
    """Whatever decoders are installed here: gdcm, which is no dependency of ours, makes something of it."""
    path = ct_series(tmp_path, 1, 32, 32, BitsAllocated=8, BitsStored=8, HighBit=7)[0]
    picture = BytesIO()
    Image.linear_gradient("L").resize((32, 32)).convert("RGB").save(picture, "JPEG")
    dataset = dcmread(path)
    dataset.PixelData = encapsulate([picture.getvalue()])
    dataset["PixelData"].is_undefined_length = True
    dataset.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    dataset.save_as(path)
    with pytest.raises(UnreadableInstance, match="cannot be decoded"):
        _read(path)
