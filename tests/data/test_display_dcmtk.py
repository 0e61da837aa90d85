# SPDX-License-Identifier: Apache-2.0
"""Our grey levels beside those of DCMTK's dcmj2pnm: never more than one apart."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from convert_inputs import to_dicom
from numpy.typing import NDArray
from PIL import Image
from radiograph_files import dx, lookup_table

from imaging_data.display import Options, Rule, picture

RAMP = np.arange(4096, dtype=np.uint16).reshape(64, 64)
SQUARE = np.rint(np.linspace(0, 1, 4096) ** 2 * 4095)
WINDOW = {"WindowCenter": [2000, 1000.5], "WindowWidth": [3000, 301]}
CASES: dict[str, tuple[dict[str, Any], list[str], Options]] = {
    "window": (WINDOW, ["+Wi", "1"], Options()),
    "second window": (WINDOW, ["+Wi", "2"], Options(2)),
    "sigmoid": (WINDOW | {"VOILUTFunction": "SIGMOID"}, ["+Wi", "1"], Options()),
    "monochrome 1": (WINDOW | {"PhotometricInterpretation": "MONOCHROME1"}, ["+Wi", "1"], Options()),
    "inverse": (WINDOW | {"PresentationLUTShape": "INVERSE"}, ["+Wi", "1"], Options()),
    "rescale": (WINDOW | {"RescaleSlope": 0.731, "RescaleIntercept": -12.5}, ["+Wi", "1"], Options()),
    "modality LUT": (
        WINDOW | {"ModalityLUTSequence": [lookup_table(SQUARE, 0, 12)]},
        ["+Wi", "1"],
        Options(),
    ),
    "VOI LUT": ({"VOILUTSequence": [lookup_table(SQUARE, 0, 12)]}, ["+Wl", "1"], Options()),
    "shorter VOI LUT": ({"VOILUTSequence": [lookup_table(SQUARE[:2000], 700, 12)]}, ["+Wl", "1"], Options()),
    "16 bits": (WINDOW, ["+Wi", "1"], Options(bits=16)),
}
SAMPLES = {  # file: frame; DCMTK reads no functional groups, and the build here no JPEG 2000
    "ct_chest_lidc_0001/-100.000000.dcm": 0,
    "seg_ct3slice_liver/01.dcm": 0,
    "cr_chest_mono1_10bit/CR-MONO1-10-chest": 0,
    "mr_brain_t1_7t/N2D_0180.dcm": 0,
    "cxr_nih_labelled/1.3.6.1.4.1.11129.5.5.110503645592756492463169821050252582267888.dcm": 0,
    "deid_burned_in_text/RGB_ORIGINAL.dcm": 0,
    "us_multiframe_palette/US-PAL-8-10x-echo": 1,
}


def by_dcmtk(path: Path, target: Path, *options: str) -> NDArray[np.int32]:
    """What dcmj2pnm writes of a file."""
    if not shutil.which("dcmj2pnm"):
        pytest.skip("DCMTK is not installed")
    subprocess.run(["dcmj2pnm", *options, path, target], check=True, capture_output=True)
    with Image.open(target) as image:
        return np.asarray(image).astype(np.int32)


@pytest.mark.parametrize("subsampling", [0, 1, 2])
def test_a_jpeg_in_colour_is_decoded_as_dcmtk_does(tmp_path: Path, subsampling):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "a.jpg", subsampling=subsampling)
    to_dicom(tmp_path / "a.jpg", tmp_path / "a.dcm", "OT")
    theirs = by_dcmtk(tmp_path / "a.dcm", tmp_path / "a.ppm", "+op")
    array = picture(tmp_path / "a.dcm").array
    assert np.abs(array - theirs).max() <= 1


@pytest.mark.parametrize("name", CASES)
def test_it_is_at_most_one_level_away(tmp_path: Path, name):
    attributes, asked, options = CASES[name]
    path = dx(tmp_path, RAMP, BitsStored=12, **attributes)
    array, used = picture(path, 0, options)
    assert used.rule is (Rule.TABLE if "VOI LUT" in name else Rule.WINDOW)
    written = "--write-png" if options.bits == 8 else "--write-16-bit-png"
    away = array - by_dcmtk(path, tmp_path / "picture.png", *asked, written)
    assert np.abs(away).max() <= 1
    assert np.ptp(array) > 50


@pytest.mark.parametrize("name", SAMPLES)
def test_of_a_sample_it_is_at_most_one_level_below(samples: Path, tmp_path: Path, name):
    array, used = picture(samples / name, SAMPLES[name])
    window = {Rule.WINDOW: ["+Wi", "1"], Rule.RANGE: ["+Wm"]}.get(used.rule, [])
    frame = ["+F", str(SAMPLES[name] + 1)]
    below = array - by_dcmtk(samples / name, tmp_path / "picture.png", *window, *frame, "--write-png")
    assert below.min() >= 0  # it cuts off what is behind the point; we take the nearest level
    assert below.max() <= 1
