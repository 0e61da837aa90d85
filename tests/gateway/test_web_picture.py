# SPDX-License-Identifier: Apache-2.0
"""The picture of a result, and the other things the pages read from stored files."""

import hashlib
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from builders import ct_series, write
from PIL import Image
from pydicom import Dataset
from pydicom.pixels import compress
from pydicom.uid import ExplicitVRLittleEndian, RLELossless, generate_uid
from seeded import SECONDARY_CAPTURE, picture, site

from informatics_gateway.model import JobStatus, Result
from informatics_gateway.receive import read_instance
from informatics_gateway.web import stored


def result(dataset: Dataset, folder: Path) -> Result:
    """`dataset` as an accepted result."""
    path = folder / "picture.dcm"
    syntax = getattr(dataset, "file_meta", {}).get("TransferSyntaxUID", ExplicitVRLittleEndian)
    write(dataset, path, syntax)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return Result(path, "secondary-capture", SECONDARY_CAPTURE, dataset.SOPInstanceUID, "1.2", digest)


def shown(dataset: Dataset, folder: Path) -> np.ndarray:
    """The pixels that a browser gets."""
    png = Image.open(io.BytesIO(stored.picture(result(dataset, folder))))
    assert png.format == "PNG"
    return np.asarray(png)


def grey(pixels: np.ndarray, **attributes: object) -> Dataset:
    """A grey picture with these stored values."""
    about = {
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "Rows": pixels.shape[-2],
        "Columns": pixels.shape[-1],
        "BitsAllocated": 8 * pixels.itemsize,
        "BitsStored": 8 * pixels.itemsize,
        "HighBit": 8 * pixels.itemsize - 1,
        "PixelData": pixels.tobytes(),
    }
    dataset = picture(generate_uid(), **about | attributes)
    del dataset.PlanarConfiguration
    return dataset


def test_true_colour_is_shown_as_it_is(tmp_path):
    pixels = shown(picture(generate_uid()), tmp_path)
    assert pixels.shape == (40, 60, 3)
    assert (pixels[:, :30] == [255, 0, 0]).all()
    assert (pixels[:, 30:] == 0).all()


def test_a_compressed_picture_is_decoded(tmp_path):
    dataset = picture(generate_uid())
    write(dataset, tmp_path / "plain.dcm")
    compress(dataset, RLELossless, generate_instance_uid=False)
    assert (shown(dataset, tmp_path)[0, 0] == [255, 0, 0]).all()


def test_of_several_frames_the_middle_one_is_shown(tmp_path):
    frames = np.stack([np.full((40, 60, 3), 50 * number, np.uint8) for number in range(3)])
    dataset = picture(generate_uid(), NumberOfFrames=3, PixelData=frames.tobytes())
    assert (shown(dataset, tmp_path) == 50).all()


@pytest.mark.parametrize(("kind", "first", "last"), [("MONOCHROME2", 0, 255), ("MONOCHROME1", 255, 0)])
def test_grey_values_fill_the_range(tmp_path, kind, first, last):
    ramp = np.linspace(1000, 3000, 64, dtype=np.uint16).reshape(8, 8)
    pixels = shown(grey(ramp, PhotometricInterpretation=kind), tmp_path)
    assert (pixels[0, 0], pixels[-1, -1]) == (first, last)


def test_a_uniform_picture_is_no_division_by_zero(tmp_path):
    assert (shown(grey(np.full((8, 8), 7, np.uint16)), tmp_path) == 0).all()


def test_a_large_picture_is_made_smaller(tmp_path):
    pixels = np.zeros((200, 3200, 3), np.uint8)
    dataset = picture(generate_uid(), Rows=200, Columns=3200, PixelData=pixels.tobytes())
    assert shown(dataset, tmp_path).shape == (100, 1600, 3)


def test_a_picture_too_large_to_decode_is_refused_before_it_is_decoded(tmp_path, monkeypatch):
    with pytest.raises(stored.NoPicture, match="cannot be decoded"):
        stored.picture(result(picture(generate_uid(), Rows=65535, Columns=65535), tmp_path))
    monkeypatch.setattr(stored, "MOST_SAMPLES", 40 * 60 * 3 - 1)
    with pytest.raises(stored.NoPicture, match="cannot be decoded"):
        stored.picture(result(picture(generate_uid()), tmp_path))


@pytest.mark.parametrize(
    "change",
    [
        {"PixelData": b"\0\0"},
        {"PhotometricInterpretation": "PALETTE COLOR", "SamplesPerPixel": 1, "PixelData": bytes(2400)},
        {"BitsAllocated": 7},
    ],
)
def test_a_broken_picture_is_no_picture(tmp_path, change):
    with pytest.raises(stored.NoPicture):
        stored.picture(result(picture(generate_uid(), **change), tmp_path))


def test_only_the_bytes_that_were_accepted_are_shown(tmp_path):
    accepted = result(picture(generate_uid()), tmp_path)
    with pytest.raises(stored.NoPicture, match="not the result that was accepted"):
        stored.picture(replace(accepted, sha256="0" * 64))


def test_a_picture_that_is_gone_is_an_answer_and_no_fault(tmp_path):
    with site(tmp_path) as served:
        job = served.seeded.job(JobStatus.DELIVERED)
        served.seeded.store.results(job.id)[0].path.unlink()
        answer = served.client.get(f"/jobs/{job.id}/picture.png")
    assert answer.status_code == 404
    assert "cannot be decoded" in answer.text


def description(folder: Path, **attributes: object) -> str:
    [path] = ct_series(folder, slices=1, PatientName="Doe^Jane", **attributes)
    return stored.series_description(read_instance(path))


def test_a_description_is_read_in_its_character_set(tmp_path):
    assert description(tmp_path / "utf", SeriesDescription="胸部 Größe") == "胸部 Größe"
    latin = {"SpecificCharacterSet": "ISO_IR 100", "SeriesDescription": "Größe"}
    assert description(tmp_path / "latin", **latin) == "Größe"


def test_control_characters_and_the_patient_are_taken_out_of_it(tmp_path):
    assert description(tmp_path, SeriesDescription="A\x01\x07B JANE doe") == "AB [patient] [patient]"


def test_no_description_is_no_text(tmp_path):
    assert description(tmp_path / "none", SeriesDescription=None) == ""
    assert description(tmp_path / "empty", SeriesDescription="") == ""
