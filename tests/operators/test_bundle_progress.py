# SPDX-License-Identifier: Apache-2.0
"""What a bundle says of how far it is: a line for its windows, from the first to the last."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from bundles import write_bundle
from result_files import ct

from imaging_operators import (
    graph,  # noqa: F401 - makes holoscan, which `import monai` imports, ready
    progress,
)
from imaging_operators.bundle.app import BundleApp
from imaging_operators.bundle.windows import counted
from imaging_operators.progress import FILE, reported_to

SLIDING = {"_target_": "SlidingWindowInferer", "roi_size": [8, 8, 4], "overlap": 0.5}


@pytest.fixture(autouse=True)
def every_line(monkeypatch):
    """However fast the windows follow each other."""
    monkeypatch.setattr(progress, "BETWEEN_S", 0)


def said(folder: Path) -> list[tuple[str, float]]:
    lines = map(json.loads, (folder / FILE).read_text().splitlines())
    return [(line["step"], line["fraction"]) for line in lines]


def ran(folder: Path, inferer) -> list[tuple[str, float]]:
    """What a bundle with this inferer says of 8 slices of 16 x 16."""
    app = BundleApp(write_bundle(folder / "bundle", inference={"inferer": inferer}))
    app.setup(app.folder / "models")
    volume = ct(folder / "ct", slices=8, pixels=np.full((8, 16, 16), 2000, np.uint16))
    (folder / "out").mkdir()
    with reported_to(folder / "out"):
        assert app.inference.labelmap([volume]).all()
    return said(folder / "out")


@pytest.mark.parametrize(("at_once", "calls"), [(1, 27), (4, 7), (100, 1)])
def test_windows_are_counted(tmp_path, at_once, calls):
    lines = ran(tmp_path, SLIDING | {"sw_batch_size": at_once})
    assert {step for step, _ in lines} == {"segment"}
    expected = [min(call * at_once, 27) / 27 for call in range(calls + 1)]
    assert [fraction for _, fraction in lines] == pytest.approx(expected, abs=0.01)
    assert lines[-1] == ("segment", 1.0)


def test_a_network_that_runs_once_says_nothing(tmp_path):
    assert ran(tmp_path, {"_target_": "SimpleInferer"}) == []


@pytest.mark.parametrize(
    ("size", "options"),
    [
        ((40, 33, 21), {"roi_size": (16, 16, 8)}),
        ((40, 33, 21), {"roi_size": (16, -1, 64), "overlap": (0.1, 0.5, 0.9)}),
        ((7, 9, 5), {"roi_size": 32, "overlap": 0.25}),
        ((23, 31, 6), {"roi_size": (1, 10, 6), "overlap": 0.9}),
        ((40, 33, 21), {"roi_size": (16, 16, 8), "sw_batch_size": 3, "buffer_steps": 2}),
        ((12, 20, 6), {"roi_size": (8, 8), "overlap": 0.3, "spatial_dim": 2, "sw_batch_size": 5}),
    ],
)
def test_as_many_windows_as_monai_makes(tmp_path, size, options):
    from monai.inferers.inferer import SliceInferer, SlidingWindowInferer

    inferer = (SliceInferer if "spatial_dim" in options else SlidingWindowInferer)(**options)
    network = counted(lambda windows: windows, inferer, size)
    with reported_to(tmp_path):
        inferer(torch.zeros(1, 1, *size), network)
    assert network.done == network.windows > 0
    assert said(tmp_path)[0] == ("segment", 0.0)
    assert said(tmp_path)[-1] == ("segment", 1.0)
