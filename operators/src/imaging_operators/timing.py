# SPDX-License-Identifier: Apache-2.0
"""How long the steps of a run took."""

from time import perf_counter
from typing import Self


class Stopwatch:
    """`with Stopwatch() as watch: ...`, then `watch.seconds`."""

    seconds = 0.0

    def __enter__(self) -> Self:
        self._start = perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds = perf_counter() - self._start
