# SPDX-License-Identifier: Apache-2.0
"""Content items of a structured report as bytes (PS3.3 C.17.3), for reports of many groups that are alike.

As objects of highdicom and pydicom the scores of a radiograph cost more than the model that gave them.
"""

import struct
from collections.abc import Sequence

from pydicom.valuerep import format_number_as_ds

from ..coding import Code, codes
from .encoding import code, element, sequence, text
from .evidence import Reference

CONTAINS, MODIFIES, CONTEXT = "CONTAINS", "HAS CONCEPT MOD", "HAS OBS CONTEXT"


def text_item(relationship: str, name: Code, value: str) -> bytes:
    """A TEXT."""
    return _item(relationship, "TEXT", name, text("TextValue", value))


def uid_item(relationship: str, name: Code, value: str) -> bytes:
    """A UIDREF."""
    return _item(relationship, "UIDREF", name, text("UID", value))


def code_item(relationship: str, name: Code, value: Code) -> bytes:
    """A CODE."""
    return _item(relationship, "CODE", name, code("ConceptCodeSequence", value))


def number_item(name: Code, value: float, unit: Code) -> bytes:
    """A NUM, contained; exactly, and as the text that 16 characters have room for."""
    measured = (
        code("MeasurementUnitsCodeSequence", unit)
        + element("FloatingPointValue", struct.pack("<d", value))
        + text("NumericValue", format_number_as_ds(value))
    )
    return _item(CONTAINS, "NUM", name, sequence("MeasuredValueSequence", measured))


def image_item(name: Code, image: Reference) -> bytes:
    """An IMAGE, contained."""
    referenced = text("ReferencedSOPClassUID", image.sop_class_uid)
    referenced += text("ReferencedSOPInstanceUID", image.sop_instance_uid)
    return sequence("ReferencedSOPSequence", referenced) + _item(CONTAINS, "IMAGE", name, b"")


def measurement_group(*contents: bytes) -> bytes:
    """A group of TID 1501."""
    template = text("MappingResource", "DCMR") + text("TemplateIdentifier", "1501")
    return container_item(codes.DCM.MeasurementGroup, contents, sequence("ContentTemplateSequence", template))


def container_item(name: Code, contents: Sequence[bytes], template: bytes = b"") -> bytes:
    """A CONTAINER, contained, which viewers show with its concept names."""
    value = text("ContinuityOfContent", "SEPARATE") + template + sequence("ContentSequence", *contents)
    return _item(CONTAINS, "CONTAINER", name, value)


def _item(relationship: str, value_type: str, name: Code, value: bytes) -> bytes:
    """One item; `value` holds the elements that come after its name in the order of tags."""
    return (
        text("RelationshipType", relationship)
        + text("ValueType", value_type)
        + code("ConceptNameCodeSequence", name)
        + value
    )
