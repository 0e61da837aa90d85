# SPDX-License-Identifier: Apache-2.0
"""docs/research.md, from DICOM: its commands, as they stand there and in their order."""

import json
import re
import shlex
from pathlib import Path

import nibabel
import numpy as np
import pytest
from builders import ct_series
from label_files import HOLE, OUTER, seg, structure_set
from pydicom import dcmread
from typer.testing import CliRunner

from informatics_gateway.cli import app

PAGE = (Path(__file__).parents[2] / "docs" / "research.md").read_text()
COMMANDS = PAGE.partition("### From DICOM\n")[2].partition("\n### ")[0].partition("\n## ")[0]


@pytest.fixture
def path(tmp_path, monkeypatch) -> Path:
    """What the page calls path/to: a series, a segmentation and a structure set of it; the folder is tmp_path's."""
    monkeypatch.chdir(tmp_path)
    ct_series(tmp_path / "path/to/ct")
    liver = np.zeros((8, 16, 16), np.uint8)
    liver[2:5, 3:9, 4:12], liver[6, 1, 2] = 1, 2
    seg(tmp_path / "path/to/ct", tmp_path / "path/to/liver.dcm", liver, "BINARY")
    structure_set(tmp_path / "path/to/ct", tmp_path / "path/to/contours.dcm", [(2, OUTER), (2, HOLE)])
    return tmp_path / "path/to"


def test_the_commands_of_the_page_from_dicom(path):
    lines = re.search(r"^```sh\n(.*?)^```", COMMANDS, re.MULTILINE | re.DOTALL)[1].splitlines()
    for line in lines:
        done = CliRunner().invoke(app, [*shlex.split(line)[1:], "--json"])
        assert done.exit_code == 0, done.output
        assert all(Path(name).is_file() for name in json.loads(done.output)["files"])
    assert len(lines) == 5
    assert nibabel.load(path / "ct.nii.gz").shape == (16, 16, 8)
    assert len(list((path / "pictures").glob("ct-*.png"))) == 8
    assert np.asarray(nibabel.load(path / "liver.nii.gz").dataobj).T[6, 1, 2] == 2
    first, second = (dcmread(path / name) for name in ("liver.dcm", "again.dcm"))
    assert first.PixelData == second.PixelData
    labels = [[one.SegmentLabel for one in each.SegmentSequence] for each in (first, second)]
    assert labels[0] == labels[1] == ["Spleen", "Liver"]
    assert not [one for one in path.rglob("*") if one.name.startswith(".")]
