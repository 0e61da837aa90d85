# SPDX-License-Identifier: Apache-2.0
"""Scores as results: a coded report and a table."""

from collections.abc import Sequence

from ..results.base import Result
from ..results.classification import Classification, Score
from ..results.text_report import TextReport
from .description import Description
from .tables import ScoreRow


def classification_results(
    description: Description, rows: Sequence[ScoreRow], values: Sequence[float]
) -> list[Result]:
    """The scores of `values`, the network's outputs, that the table names."""
    scores = [Score(row.name, values[row.output], row.threshold) for row in rows]
    model = f"{description.info.name} {description.info.version}"
    lines = [_line(score) for score in scores]
    notice = [description.notice] if description.notice else []
    head = f"{'':<40}{'score':>8}{'operating point':>18}"
    text = "\n".join([head, *lines, "", "A score is no probability.", *notice])
    return [
        TextReport(description.title, text, tuple(notice)),
        Classification(scores, model, limits=description.notice),
    ]


def _line(score: Score) -> str:
    threshold = "" if score.threshold is None else f"{score.threshold:.3f}"
    return f"{score.label:<40.40}{score.value:>8.3f}{threshold:>18}{' above' if score.above else ''}"
