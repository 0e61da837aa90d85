# SPDX-License-Identifier: Apache-2.0
"""TotalSegmentator in a warm process: its tasks (`tasks`), run (`segmenting`), told (`report`)."""

from .report import Results, report
from .segmenting import segment, set_up
from .tasks import CHEAPER, PROFILES, SPEED, Job, checkpoints

__all__ = ["CHEAPER", "PROFILES", "SPEED", "Job", "Results", "checkpoints", "report", "segment", "set_up"]
