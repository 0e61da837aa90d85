# SPDX-License-Identifier: Apache-2.0
"""Each app in a cold process of its own, on a phantom: from its start to its results on disk."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from contenders import Case, Contender

from imaging_data.phantom import thorax, thorax_grid, torso, torso_grid, write_series
from imaging_data.phantom.radiograph import chest_radiograph
from imaging_data.phantom.radiograph_file import write_radiograph

ROOT = Path(__file__).parents[2]
TRAINED_HERE = ("totalsegmentator", "chest_xray")  # their small networks of scripts/make-test-models
SLICES, ROWS, SIDE = 120, 512, 2500
QUICK_SLICES, QUICK_ROWS, QUICK_SIDE = 40, 64, 400


def cases(folder: Path, quick: bool) -> Iterator[Case]:
    """A CT for those that take one, a radiograph for chest_xray."""
    slices, rows, side = (QUICK_SLICES, QUICK_ROWS, QUICK_SIDE) if quick else (SLICES, ROWS, SIDE)
    subprocess.run([ROOT / "scripts" / "make-test-models", *TRAINED_HERE], check=True, stdout=sys.stderr)
    write_series(thorax(1).render(thorax_grid(slices, rows), seed=1, factor=1), folder / "thorax")
    write_series(torso(5).render(torso_grid(slices, rows), seed=5, factor=1), folder / "torso")
    write_radiograph(chest_radiograph(1, ["Effusion"], side), folder / "radiograph" / "image.dcm")
    yield Case(
        f"A cold process of each app: {slices} slices of {rows} x {rows}, a radiograph of {side} x {side}",
        [
            _process("lung_densitometry", folder / "thorax"),
            _process("totalsegmentator", folder / "torso"),
            _process("organ_segmentation", folder / "torso"),
            _process("chest_xray", folder / "radiograph"),
        ],
        compared=False,
    )


def _process(app: str, source: Path) -> Contender:
    """The app as a runner starts it, its results in a folder of its own."""
    folder = ROOT / "apps" / app
    models = ROOT / "build" / "test-models" / app if app in TRAINED_HERE else folder / "models"
    output = source.with_name(f"{app}-results")
    output.mkdir()
    folders = {"INPUT": source, "OUTPUT": output, "MODEL": models}
    environment = {f"HOLOSCAN_{name}_PATH": str(place) for name, place in folders.items()}
    environment |= {"OMP_NUM_THREADS": "2", "OMP_WAIT_POLICY": "PASSIVE"}
    code = (
        [folder / "app.py"] if (folder / "app.py").is_file() else ["-m", "imaging_operators.bundle", folder]
    )
    return Contender(app, [sys.executable, *code], environment)
