# SPDX-License-Identifier: Apache-2.0
"""What scripts/bench map runs: an app's folder, its image, and small CT series."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

from packaged import Packager

from imaging_data.phantom import Rendered, thorax, thorax_grid, write_series

GRID = (40, 128)  # slices, rows: a small series


@dataclass(frozen=True)
class Packed:
    """An app's folder, the image that the MONAI Deploy packager made of it, by digest, and the engine that has it."""

    app: Path
    image: str
    engine: Packager


def packed(app: Path) -> Packed:
    """The app packaged on the tests' base image, in the tests' engine, as `scripts/package-app` does it."""
    engine = Packager()
    engine.set_up()
    with tempfile.TemporaryDirectory(prefix="gantry-bench-") as folder:
        name = engine.package(app.resolve(), Path(folder))
    return Packed(
        app.resolve(), engine("image", "inspect", name, "--format", "{{index .RepoDigests 0}}"), engine
    )


def phantom() -> Rendered:
    """A small thorax."""
    return thorax(1).render(thorax_grid(*GRID), seed=1)


def series(rendered: Rendered, folder: Path, number: int) -> list[Path]:
    """The phantom as one patient's series."""
    return write_series(rendered, folder, patient_id=f"BENCH-{number}")
