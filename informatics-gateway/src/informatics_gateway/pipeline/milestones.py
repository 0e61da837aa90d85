# SPDX-License-Identifier: Apache-2.0
"""Which of the steps that an app tells of become lines in its job's history."""

import time
from collections.abc import Callable

APART_S = 2.0  # lines of one step,
APART = 0.1  # and by how much more of it is done
MOST = 100  # lines of one attempt


class Milestones:
    """Tells `note` of a new step, and of one step now and then: each line costs the journal a write to disk."""

    def __init__(self, note: Callable[[str], None]) -> None:
        self._note = note
        self._step, self._fraction, self._at = "", 0.0, 0.0
        self._left = MOST

    def __call__(self, step: str, fraction: float) -> None:
        """The app is at `step`, of which `fraction` is done."""
        if self._left and (step != self._step or self._is_further(fraction)):
            self._step, self._fraction, self._at = step, fraction, time.monotonic()
            self._left -= 1
            self._note(f"progress: {step}, {fraction:.0%}" if fraction else f"progress: {step}")

    def _is_further(self, fraction: float) -> bool:
        return abs(fraction - self._fraction) >= APART and time.monotonic() - self._at >= APART_S
