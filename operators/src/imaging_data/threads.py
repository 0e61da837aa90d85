# SPDX-License-Identifier: Apache-2.0
"""Work on many files at once: reading and hashing, and what numpy and some decoders do, need no interpreter."""

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

MOST = 8  # threads: each holds one instance in memory

T = TypeVar("T")
R = TypeVar("R")


def in_threads(work: Callable[[T], R], items: Iterable[T]) -> list[R]:
    """`work` of each item, in their order, as many at once as this process has cores.

    Raises what the first item that failed raised; of those after it, not all are worked on.
    """
    with ThreadPoolExecutor(min(MOST, len(os.sched_getaffinity(0)))) as pool:
        futures = [pool.submit(work, item) for item in items]
        try:
            return [future.result() for future in futures]
        finally:
            pool.shutdown(cancel_futures=True)
