# SPDX-License-Identifier: Apache-2.0
"""Lungs on CT: found (`finding`), measured (`densitometry`), told (`report`)."""

from .finding import Lungs, find_lungs
from .report import Results, report

__all__ = ["Lungs", "Results", "find_lungs", "report"]
