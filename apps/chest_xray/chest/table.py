# SPDX-License-Identifier: Apache-2.0
"""The table for the radiologist."""

import textwrap
from collections.abc import Sequence

from .classifier import OPERATING_POINT, Classifier, Scored
from .findings import CODES, words_of

WIDTH = 30  # of the column of names
LINE = 76  # characters: a viewer cuts a longer line off


def text_of(classifier: Classifier, scores: Sequence[Scored], remarks: Sequence[str]) -> str:
    """Remarks, the scores from the highest down, and what the model is."""
    lines = [*_folded([remark.upper() for remark in remarks]), *([""] if remarks else [])]
    lines += [f"{'':<{WIDTH}}{'score':>7}{'':4}operating point {OPERATING_POINT}"]
    lines += [_row(one) for one in sorted(scores, key=lambda one: -one.value)]
    missing = unjudged(scores)
    lines += _folded([f"Not judged by this model: {', '.join(missing)}."] if missing else [])
    return "\n".join([*lines, "", *_folded(notes(classifier))])


def _folded(sentences: Sequence[str]) -> list[str]:
    return [line for sentence in sentences for line in textwrap.wrap(sentence, LINE, subsequent_indent="  ")]


def notes(classifier: Classifier) -> list[str]:
    """What must be said of the model."""
    return [
        f"Model: {classifier.model}.",
        f"Trained on: {classifier.training}.",
        f"Limits: {classifier.limits}",
    ]


def unjudged(scores: Sequence[Scored]) -> list[str]:
    """The findings for which the model was not trained."""
    judged = {one.name for one in scores}
    return [words_of(name) for name in CODES if name not in judged]


def _row(one: Scored) -> str:
    return f"{words_of(one.name):<{WIDTH}}{one.value:>7.2f}{'    above' if one.above else ''}"
