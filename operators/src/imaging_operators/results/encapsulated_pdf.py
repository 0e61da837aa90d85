# SPDX-License-Identifier: Apache-2.0
"""A document for people: an Encapsulated PDF (PS3.3 A.45.1) with the research-only line on each page."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from pydicom import Dataset
from pydicom.uid import EncapsulatedPDFStorage

from ..coding import Code, codes
from ..errors import InvalidResult
from .base import ResultContext
from .evidence import code_item, source_items

LONGEST_TITLE = 1024  # ST, PS3.5 section 6.2


@dataclass(frozen=True, eq=False)
class EncapsulatedPDF:
    """A PDF, as the bytes of the file, or of several that become one document.

    title: what a list of documents shows.
    document: what kind of document it is, of PS3.16 CID 7020.
    findings: plain sentences for results.json.
    Never write patient attributes into pages and title: the object carries them.

    The framework writes the research-only line above each page, takes out the dates and identifiers that
    programs leave in a PDF, so that the same input gives the same bytes, and refuses what is no PDF, is
    encrypted or carries scripts.  Raises InvalidResult, then and without a title.
    """

    content: bytes | Sequence[bytes]
    title: str
    document: Code = codes.LN.RadiologyReport
    findings: tuple[str, ...] = ()
    kind: ClassVar[str] = "pdf"

    def __post_init__(self) -> None:
        if not 0 < len(self.title.strip()) <= LONGEST_TITLE or "\\" in self.title:
            raise InvalidResult(f"The PDF's title must have 1 to {LONGEST_TITLE} characters, no backslash.")

    def to_dicom(self, context: ResultContext) -> Dataset:
        """The document, with every source instance named."""
        from .pdf import stamped  # pypdf, a tenth of a second, for those who return a PDF

        content = stamped([self.content] if isinstance(self.content, bytes) else list(self.content))
        dataset = Dataset()
        dataset.SOPClassUID = EncapsulatedPDFStorage
        dataset.Modality = "DOC"
        dataset.ConversionType = "WSD"
        dataset.AcquisitionDateTime = None
        dataset.BurnedInAnnotation = "NO"  # no page says whose it is (PS3.3 C.24.2)
        dataset.SourceInstanceSequence = source_items(
            context.source.references, codes.DCM.SourceImageForImageProcessingOperation
        )
        dataset.DocumentTitle = self.title
        dataset.ConceptNameCodeSequence = [code_item(self.document)]
        dataset.MIMETypeOfEncapsulatedDocument = "application/pdf"
        dataset.EncapsulatedDocument = content + bytes(len(content) % 2)
        dataset.EncapsulatedDocumentLength = len(content)
        return dataset
