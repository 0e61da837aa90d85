# SPDX-License-Identifier: Apache-2.0
"""A-ASSOCIATE as the acceptor sees it (PS3.8 Section 9.3.2 to 9.3.4), decoded and encoded by pynetdicom."""

import struct
from collections.abc import Sequence
from typing import Any

from pydicom.uid import UID
from pynetdicom.pdu import A_ASSOCIATE_AC, A_ASSOCIATE_RQ
from pynetdicom.pdu_primitives import (
    A_ASSOCIATE,
    ImplementationClassUIDNotification,
    ImplementationVersionNameNotification,
    MaximumLengthNotification,
)
from pynetdicom.presentation import PresentationContext, negotiate_as_acceptor

from .file_format import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME

MAXIMUM_PDU_LENGTH = 131072  # what DCMTK and Orthanc send at most
DICOM_APPLICATION_CONTEXT = UID("1.2.840.10008.3.1.1.1")


class BadRequest(ValueError):
    """The peer sent an A-ASSOCIATE-RQ that cannot be decoded."""


def read_request(pdu: bytes) -> A_ASSOCIATE:
    """Decode an A-ASSOCIATE-RQ with its header.  Raises BadRequest."""
    decoder = A_ASSOCIATE_RQ()
    try:
        decoder.decode(pdu)
        request = decoder.to_primitive()
    except (ValueError, TypeError, LookupError, AttributeError, AssertionError, struct.error) as error:
        raise BadRequest(str(error)) from error
    for context in request.presentation_context_definition_list:
        if not context.abstract_syntax or not context.transfer_syntax:
            raise BadRequest(f"presentation context {context.context_id} is incomplete")
    return request


def negotiate(
    request: A_ASSOCIATE, supported: Sequence[PresentationContext]
) -> tuple[bytes, dict[int, PresentationContext]]:
    """The A-ASSOCIATE-AC to send, and the accepted contexts by their id, with one transfer syntax each."""
    contexts, _ = negotiate_as_acceptor(request.presentation_context_definition_list, list(supported))
    answer = A_ASSOCIATE()
    answer.application_context_name = DICOM_APPLICATION_CONTEXT
    answer.calling_ae_title, answer.called_ae_title = request.calling_ae_title, request.called_ae_title
    answer.result, answer.result_source = 0, 1
    answer.presentation_context_definition_results_list = contexts
    answer.user_information = _user_information()
    accepted = {each.context_id: each for each in contexts if each.result == 0 and each.context_id}
    return A_ASSOCIATE_AC(answer).encode(), accepted


def _user_information() -> list[Any]:
    length, implementation = MaximumLengthNotification(), ImplementationClassUIDNotification()
    name = ImplementationVersionNameNotification()
    length.maximum_length_received = MAXIMUM_PDU_LENGTH
    implementation.implementation_class_uid = UID(IMPLEMENTATION_CLASS_UID)
    name.implementation_version_name = IMPLEMENTATION_VERSION_NAME
    return [length, implementation, name]
