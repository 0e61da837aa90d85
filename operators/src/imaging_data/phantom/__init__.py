# SPDX-License-Identifier: Apache-2.0
"""CT phantoms with known truth: a thorax, a torso, a head, on any axial grid, written as a DICOM series.

`thorax(seed=7).render(thorax_grid(slices=120, rows=512), seed=7)` has an `array` in HU and a `truth`;
`write_series` writes it as CT Image Storage.
"""

from .files import write_series
from .grid import Grid
from .head import head, head_grid
from .scene import Rendered, Scene
from .thorax import thorax, thorax_grid
from .torso import torso, torso_grid
from .truth import LungTruth

__all__ = [
    "Grid",
    "LungTruth",
    "Rendered",
    "Scene",
    "head",
    "head_grid",
    "thorax",
    "thorax_grid",
    "torso",
    "torso_grid",
    "write_series",
]
