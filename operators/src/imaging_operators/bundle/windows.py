# SPDX-License-Identifier: Apache-2.0
"""How far a bundle's network is, by the windows that a sliding-window inferer has put through it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import ceil, prod
from typing import Any

from monai.inferers.inferer import SlidingWindowInferer
from monai.utils.misc import ensure_tuple_rep, fall_back_tuple

from ..progress import report_progress


def counted(network: Callable[..., Any], inferer: Any, image: Sequence[int]) -> Callable[..., Any]:
    """The network, which reports the step "segment" as `inferer` takes it over an image of this size (voxels).

    The network itself where the inferer has no windows: one call then does everything.
    """
    return Counted(network, inferer, image) if isinstance(inferer, SlidingWindowInferer) else network


@dataclass
class Counted:
    """A network that counts the windows given to it."""

    network: Callable[..., Any]
    inferer: SlidingWindowInferer
    image: Sequence[int]
    done: int = field(default=0, init=False)

    def __call__(self, windows: Any, *more: Any, **named: Any) -> Any:
        """As the network does for `windows` (windows, channel, x, y, z)."""
        report_progress("segment", self.done / self.windows)
        found = self.network(windows, *more, **named)
        self.done += len(windows)
        report_progress("segment", self.done / self.windows)
        return found

    @cached_property
    def windows(self) -> int:
        """How many windows cover the image.  Asked for while the inferer runs, which then knows its roi_size."""
        rois = fall_back_tuple(self.inferer.roi_size, self.image)
        overlaps = ensure_tuple_rep(self.inferer.overlap, len(self.image))
        return prod(map(_along, self.image, rois, overlaps))


def _along(size: int, roi: int, overlap: float) -> int:
    """How many windows lie along one axis: the last one ends with the image."""
    return 1 + ceil(max(size - roi, 0) / max(int(roi * (1 - overlap)), 1))
