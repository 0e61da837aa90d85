# SPDX-License-Identifier: Apache-2.0
"""Scores of a classifier: a Comprehensive 3D SR after PS3.16 TID 1500, readable as a text tree."""

import hashlib
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from pydicom import Dataset

from ..coding import Code, codes, private_code
from ..errors import InvalidResult
from .base import ResultContext
from .content_items import (
    CONTAINS,
    CONTEXT,
    MODIFIES,
    code_item,
    image_item,
    measurement_group,
    number_item,
    text_item,
    uid_item,
)
from .evidence import Reference
from .structured_report import scores_report

TITLE = private_code("SCORES", "Image classification scores")
SCORE = private_code("SCORE", "Score")  # SNOMED CT has it as an attribute only, and called so
UNIT = Code("{score}", "UCUM", "score")  # viewers write it behind the number, and "0.71 1" misleads
THRESHOLD = codes.DCM.ThresholdValue
COMPARED = private_code("OPERATINGPOINT", "Score compared with its operating point")
ABOVE = private_code("ABOVE", "Above the operating point")
NOT_ABOVE = private_code("NOTABOVE", "Not above the operating point")
MODEL = private_code("MODEL", "Model")
TRAINING = private_code("TRAININGDATA", "Training data")
LIMITS = private_code("LIMITS", "Known limits")
LONGEST_LABEL = 64  # LO, PS3.5 section 6.2
MOST_NAMED_IMAGES = 4  # of a longer series only the evidence lists each instance


@dataclass(frozen=True)
class Score:
    """What a model gave one finding.  It is a score, not a probability.

    name: the finding, coded; a plain label becomes a private code.
    value: as the model gives it, without a unit.
    threshold: the operating point; a score is `above` when it is greater.
    site: where the finding would be.
    Raises InvalidResult for a value or threshold that is not finite, or a name that does not fit.
    """

    name: Code | str
    value: float
    threshold: float | None = None
    site: Code | None = None

    def __post_init__(self) -> None:
        if not 0 < len(self.label) <= LONGEST_LABEL or "\\" in self.label:
            raise InvalidResult(
                f"The score's name {self.label!r} must have 1 to {LONGEST_LABEL} characters and no backslash."
            )
        if not math.isfinite(self.value):
            raise InvalidResult(f"The score of {self.label!r} is {self.value}.", "Look at the model's input.")
        if self.threshold is not None and not math.isfinite(self.threshold):
            raise InvalidResult(
                f"The operating point of {self.label!r} is {self.threshold}.", "Leave it out."
            )

    @property
    def label(self) -> str:
        """The name as text."""
        return self.name if isinstance(self.name, str) else self.name.meaning

    @property
    def code(self) -> Code:
        """The name as a code, of our own scheme for a plain label."""
        if not isinstance(self.name, str):
            return self.name
        letters = "".join(letter for letter in self.name.upper() if letter.isalnum() and letter.isascii())
        value = letters or hashlib.sha256(self.name.encode()).hexdigest().upper()
        return private_code(value[:16], self.name)

    @property
    def above(self) -> bool:
        """Whether the score is above its operating point; never without one."""
        return self.threshold is not None and self.value > self.threshold

    def plain(self) -> dict[str, Any]:
        """The score as results.json lists it."""
        threshold = {} if self.threshold is None else {"threshold": float(self.threshold)}
        site = self.site.meaning if self.site else ""
        return {"name": self.label, "value": float(self.value), "unit": UNIT.value, "site": site} | threshold

    def sentence(self) -> str:
        """The finding for results.json."""
        return f"{self.label}: score {self.value:.3g}, above the operating point {self.threshold:.3g}"


@dataclass(frozen=True, eq=False)
class Classification:
    """Scores of an image or a series.

    model, training, limits: which model, what it was trained on, and what it is known not to do, as text.
    procedure: what was reported on, of PS3.16 CID 100; by default the one of the source's Modality.
    Raises InvalidResult without any score, without a model, or for two scores of one name.
    """

    scores: Sequence[Score]
    model: str
    training: str = ""
    limits: str = ""
    procedure: Code | None = None
    kind: ClassVar[str] = "classification"

    def __post_init__(self) -> None:
        if not self.scores:
            raise InvalidResult("A Classification without any score.", "Return no Classification then.")
        if not self.model.strip():
            raise InvalidResult("A Classification that does not name its model.")
        times = Counter((score.code.value, score.code.scheme_designator) for score in self.scores)
        twice = [value for (value, _), count in times.items() if count > 1]
        if twice:
            raise InvalidResult(f"Two scores have the code {twice[0]!r}.", "Give each its own code.")

    @property
    def findings(self) -> tuple[str, ...]:
        """Sentences for results.json: the scores above their operating point."""
        return tuple(score.sentence() for score in self.scores if score.above)

    def plain(self) -> list[dict[str, Any]]:
        """The scores as results.json lists them."""
        return [score.plain() for score in self.scores]

    def to_dicom(self, context: ResultContext) -> Dataset:
        """The structured report, one group (TID 1501) for each score."""
        texts = [(MODEL, self.model), (TRAINING, self.training), (LIMITS, self.limits)]
        groups = [_group(number, score, context) for number, score in enumerate(self.scores, start=1)]
        remarks = [(name, text) for name, text in texts if text.strip()]
        return scores_report(context, groups, TITLE, self.procedure, remarks)


def _group(number: int, score: Score, context: ResultContext) -> bytes:
    """One score after TID 1501; tracked apart from segments of the same number and name."""
    compared = ABOVE if score.above else NOT_ABOVE
    return measurement_group(
        text_item(CONTEXT, codes.DCM.TrackingIdentifier, score.label),
        uid_item(CONTEXT, codes.DCM.TrackingUniqueIdentifier, context.tracking_uid(number, score.label)),
        code_item(CONTAINS, codes.DCM.Finding, score.code),
        *([code_item(MODIFIES, codes.SCT.FindingSite, score.site)] if score.site else []),
        text_item(MODIFIES, codes.DCM.AlgorithmName, context.info.name),
        text_item(MODIFIES, codes.DCM.AlgorithmVersion, context.info.version),
        number_item(SCORE, score.value, UNIT),
        *(
            []
            if score.threshold is None
            else [
                number_item(THRESHOLD, score.threshold, UNIT),
                code_item(CONTAINS, COMPARED, compared),
            ]
        ),
        *_images(context.source.references),
    )


def _images(references: Sequence[Reference]) -> list[bytes]:
    if len(references) > MOST_NAMED_IMAGES:
        return []
    return [image_item(codes.DCM.SourceOfMeasurement, reference) for reference in references]
