# SPDX-License-Identifier: Apache-2.0
"""Data sets from an archive by DICOMweb, and from what the gateway received, with the real command."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from builders import ct_series
from typer.testing import CliRunner

from imaging_data import ExplainedError
from informatics_gateway.cli import app
from informatics_gateway.cli.dataset import NoSuchArchive
from informatics_gateway.errors import DestinationUnavailable

pytestmark = pytest.mark.orthanc


def _build(source, target, config, environment, *options):
    """What the command says, as JSON.  Raises what it ends with."""
    words = ["dataset", "build", source, str(target), "--config", str(config), "--json", *options]
    done = CliRunner().invoke(app, words, env=environment)
    if isinstance(done.exception, ExplainedError):
        raise done.exception
    return json.loads(done.stdout) if done.exit_code == 0 else done.exit_code


@pytest.fixture(scope="module")
def series(tmp_path_factory) -> list[list[Path]]:
    """Series of three patients."""
    folder = tmp_path_factory.mktemp("series")
    values = np.random.default_rng(0).integers(0, 2000, (3, 4, 16, 16), dtype=np.int16)
    return [ct_series(folder / f"{n}", 4, patient_id=f"SOURCE-{n}", pixels=values[n]) for n in range(3)]


def test_an_archive_becomes_a_data_set_and_what_is_new_there_is_added(orthanc, series, tmp_path):
    orthanc.clear()
    config, both = tmp_path / "gantry.toml", ("--format", "png,nifti")
    config.write_text(orthanc.destination())
    for path in (*series[0], *series[1]):
        orthanc.upload(path)
    for _ in range(2):
        built = _build("dicomweb:archive", tmp_path / "set", config, orthanc.environment, *both)
        assert (built["counts"]["patients"], built["counts"]["pictures"], built["volumes"]) == (2, 8, 2)
    assert not (tmp_path / "set" / "spool").exists()
    for path in series[2]:
        orthanc.upload(path)
    built = _build("dicomweb:archive", tmp_path / "set", config, orthanc.environment, *both)
    assert (built["counts"]["patients"], built["volumes"], built["skipped"]) == (3, 3, {})
    folder = tmp_path / "from folder"
    _build(str(series[0][0].parent.parent), folder, config, {})
    pictures = [
        {path.name: path.read_bytes() for path in root.glob("pictures/*/*.png")}
        for root in (folder, tmp_path / "set")
    ]
    assert pictures[0] == pictures[1]
    orthanc.clear()


def test_an_archive_that_is_not_there_or_not_known_is_an_error(tmp_path):
    config = tmp_path / "gantry.toml"
    url = "http://127.0.0.1:9/dicom-web"
    config.write_text(f'[[destination]]\nname = "away"\nkind = "dicomweb"\nurl = "{url}"\nclinical = false\n')
    with pytest.raises(DestinationUnavailable, match="away"):
        _build("dicomweb:away", tmp_path / "set", config, {})
    with pytest.raises(NoSuchArchive, match="nobody"):
        _build("dicomweb:nobody", tmp_path / "set", config, {})


def test_what_the_gateway_received_becomes_a_data_set(series, tmp_path):
    config = tmp_path / "gantry.toml"
    config.write_text('[storage]\npath = "storage"\n')
    stored = tmp_path / "storage" / "instances" / "1.2" / "1.2.3"
    stored.mkdir(parents=True)
    for path in series[0]:
        shutil.copy(path, stored)
    built = _build("store:", tmp_path / "set", config, {}, "--split", "100,0,0", "--bits", "16")
    assert built["splits"]["train"]["images"] == 4


@pytest.mark.parametrize("options", [("--bits", "12"), ("--format", "jpeg"), ("--split", "70,30")])
def test_wrong_usage(tmp_path, options):
    assert _build(str(tmp_path), tmp_path / "set", tmp_path / "none.toml", {}, *options) == 2
