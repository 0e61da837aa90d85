# SPDX-License-Identifier: Apache-2.0
"""What the framework makes of an author's reports, documents and marks passes the gateway's own checks."""

import sys
from pathlib import Path

import numpy as np
from builders import ct_series, enhanced_ct
from made_results import made

sys.path += [str(Path(__file__).parents[1] / name) for name in ("operators", "data")]

from documents import KINDS, documents
from radiograph_files import dx, picture, read
from result_files import volume_in, write

from informatics_gateway.execute import as_manifest
from informatics_gateway.runners.results import read_results
from informatics_gateway.validate import validate


def accepted(folder: Path, image) -> list[str]:
    """The kinds of the results that the gateway accepts, of a job whose app read `image`."""
    paths = sorted((folder / "source").iterdir())
    job = made(folder / "job", paths).job
    written = write(folder / "out", image, documents(len(image.sources) - 1))
    manifest = as_manifest(read_results(written.folder), written.folder)
    return [result.kind for result in validate(job, manifest, "shadow")]


def test_of_a_series(tmp_path):
    ct_series(tmp_path / "source", rows=16, columns=20, spacing=(2.5, 0.7, 0.9))
    assert sorted(accepted(tmp_path, volume_in(tmp_path / "source"))) == sorted(KINDS)


def test_of_frames(tmp_path):
    enhanced_ct(tmp_path / "source")
    assert sorted(accepted(tmp_path, volume_in(tmp_path / "source"))) == sorted(KINDS)


def test_of_a_radiograph(tmp_path):
    dx(tmp_path / "source", np.rint(picture() * 4095).astype(np.uint16), BitsStored=12, InstanceNumber=1)
    assert sorted(accepted(tmp_path, read(tmp_path / "source"))) == sorted(KINDS)
