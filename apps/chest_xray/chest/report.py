# SPDX-License-Identifier: Apache-2.0
"""What the scores become: a coded report, a table, a picture, a page."""

from imaging_data import Radiograph
from imaging_operators import Classification, EncapsulatedPDF, Score, SecondaryCapture, TextReport

from .classifier import OPERATING_POINT, Classifier
from .findings import code_of
from .page import page
from .picture import draw
from .preparation import centre_square, model_input
from .table import notes, text_of
from .view import remarks, upright

Results = list[Classification | TextReport | SecondaryCapture | EncapsulatedPDF]
TITLE = "Chest radiograph: scores of findings"


def report(radiograph: Radiograph, classifier: Classifier) -> Results:
    """All results for `radiograph`."""
    square = centre_square(upright(radiograph))
    scores = classifier(model_input(square))
    open_questions = remarks(radiograph)
    coded = [Score(code_of(one.name), one.value, OPERATING_POINT) for one in scores]
    picture = draw(square, scores, classifier.model, open_questions)
    document = page(TITLE, scores, open_questions, notes(classifier), picture)
    limits = " ".join([classifier.limits, *(f"{one.capitalize()}." for one in open_questions)])
    return [
        Classification(coded, classifier.model, classifier.training, limits),
        TextReport(TITLE, text_of(classifier, scores, open_questions), tuple(open_questions)),
        SecondaryCapture(picture, TITLE),
        EncapsulatedPDF(document, TITLE),
    ]
