# SPDX-License-Identifier: Apache-2.0
"""Text for the radiologist: a Basic Text SR (PS3.3 A.35.1) with one monospaced table."""

from dataclasses import dataclass
from typing import ClassVar

from pydicom import Dataset
from pydicom.uid import BasicTextSRStorage

from ..coding import codes
from ..errors import InvalidResult
from .base import RESEARCH_ONLY, ResultContext
from .evidence import code_item
from .structured_report import sr_document

DOCUMENT_TITLE = codes.cid7000.DiagnosticImagingReport


@dataclass(frozen=True)
class TextReport:
    """A heading and text of several lines; columns line up, because viewers show it monospaced.

    findings: plain sentences for results.json.
    The framework adds the research-only line and names the app; never put patient attributes into it.
    """

    title: str
    text: str
    findings: tuple[str, ...] = ()
    kind: ClassVar[str] = "text-report"

    def __post_init__(self) -> None:
        if not self.text.strip():
            raise InvalidResult("A TextReport without text.")

    def to_dicom(self, context: ResultContext) -> Dataset:
        """The report, with the source and the run's segmentations as evidence."""
        dataset = sr_document(BasicTextSRStorage, context)
        dataset.ValueType = "CONTAINER"
        dataset.ConceptNameCodeSequence = [code_item(DOCUMENT_TITLE)]
        dataset.ContinuityOfContent = "SEPARATE"
        dataset.ContentSequence = [_text_item(self._lines(context))]
        return dataset

    def _lines(self, context: ResultContext) -> str:
        info, replaced = context.info, context.replaced
        revision = [] if replaced is None else [context.run.revision_text(replaced)]
        cheaper = [context.run.cheaper_text] if context.run.cheaper_text else []
        heading = [self.title, "", self.text.strip("\n"), "", *cheaper, *revision]
        return "\n".join([*heading, f"{info.name} {info.version}, {info.creator}", RESEARCH_ONLY])


def _text_item(text: str) -> Dataset:
    item = Dataset()
    item.RelationshipType = "CONTAINS"
    item.ValueType = "TEXT"
    item.ConceptNameCodeSequence = [code_item(codes.DCM.Finding)]
    item.TextValue = text
    return item
