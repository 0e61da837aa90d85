# SPDX-License-Identifier: Apache-2.0
"""Coded concepts of the Standard (PS3.3 table 8.8-1) as plain values."""

from pydicom import Dataset

from ...values import items_of, text_of
from .layers import Code


def code_in(dataset: Dataset, keyword: str) -> Code | None:
    """The first code of a sequence; None where there is none that is whole."""
    for item in items_of(dataset, keyword)[:1]:
        value = text_of(item, "CodeValue") or text_of(item, "LongCodeValue") or text_of(item, "URNCodeValue")
        scheme, meaning = text_of(item, "CodingSchemeDesignator"), text_of(item, "CodeMeaning")
        if value and scheme:
            return Code(value, scheme, meaning)
    return None
