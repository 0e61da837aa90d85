# SPDX-License-Identifier: Apache-2.0
"""A frontal chest radiograph in, scores of findings out."""

from .classifier import Classifier
from .report import Results, report
from .view import check_frontal

__all__ = ["Classifier", "Results", "check_frontal", "report"]
