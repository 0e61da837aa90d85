# SPDX-License-Identifier: Apache-2.0
"""Who may send, and to which button.  Everybody else is rejected, with what to add to the configuration."""

import ipaddress
import json
import socket
from collections.abc import Sequence

from pydicom.uid import (
    UID,
    AllTransferSyntaxes,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPIPHTJ2KReferenced,
    JPIPHTJ2KReferencedDeflate,
)
from pynetdicom.presentation import AllStoragePresentationContexts, PresentationContext, build_context
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]

from ..config import Config, Source
from ..errors import GantryError

# Result, source and reason of A-ASSOCIATE-RJ (PS3.8 Table 9-21).
CALLING_AE_TITLE_NOT_RECOGNISED = (1, 1, 3)
CALLED_AE_TITLE_NOT_RECOGNISED = (1, 1, 7)
LOCAL_LIMIT_EXCEEDED = (2, 3, 2)
STORAGE = frozenset(str(context.abstract_syntax) for context in AllStoragePresentationContexts)
# JPIP leaves the pixels on a server that nobody here can ask.
TRANSFER_SYNTAXES = frozenset(AllTransferSyntaxes) - {JPIPHTJ2KReferenced, JPIPHTJ2KReferencedDeflate}
PREFERRED = (ExplicitVRLittleEndian, ImplicitVRLittleEndian)


class AssociationRejected(GantryError):
    """The association was rejected:"""

    def __init__(self, detail: str, hint: str, answer: tuple[int, int, int]) -> None:
        super().__init__(detail, hint)
        self.answer = answer


class Admission:
    """Decides by the [[source]] and [[route]] tables of the configuration.  Safe to use from many threads."""

    def __init__(self, config: Config) -> None:
        self._sources = config.sources
        self._echo = config.dicom.ae_title.strip()
        self.buttons = tuple(dict.fromkeys(route.called_ae_title.strip() for route in config.routes))

    def source(self, calling: str, host: str) -> Source:
        """The source with this calling AE title at this address.  Raises AssociationRejected."""
        named = [source for source in self._sources if source.ae_title.strip() == calling]
        for source in named:
            if same_address(host) in _addresses(source.host):
                return source
        raise AssociationRejected(
            f"calling AE title {calling!r} at {host} is no known source.",
            _how_to_admit(calling, host, named),
            CALLING_AE_TITLE_NOT_RECOGNISED,
        )

    def contexts(self, called: str, proposed: Sequence[PresentationContext]) -> list[PresentationContext]:
        """What is supported of the `proposed` contexts under this called AE title.

        A button takes every storage SOP class, private and unknown ones too, in each transfer syntax that can
        be kept as a file, and C-ECHO; the gateway's own AE title takes C-ECHO only.  Raises
        AssociationRejected.
        """
        storage = [context for context in proposed if _is_storage(context)]
        if called not in self.buttons and (called != self._echo or storage):
            reason = f"called AE title {called!r} is no button."
            raise AssociationRejected(reason, self._how_to_reach(called), CALLED_AE_TITLE_NOT_RECOGNISED)
        return [build_context(Verification), *_supported(storage)]

    def _how_to_reach(self, called: str) -> str:
        echo = f"{called} answers C-ECHO only. " if called == self._echo else ""
        return (
            f"{echo}Send to one of: {', '.join(self.buttons) or '(none yet)'}; "
            f"or add a [[route]] with called_ae_title = {json.dumps(called)}."
        )


def _is_storage(context: PresentationContext) -> bool:
    uid = UID(context.abstract_syntax or "")
    return uid in STORAGE or uid.is_private or uid.type == ""


def _supported(storage: Sequence[PresentationContext]) -> list[PresentationContext]:
    """One context for each SOP class, with the sender's own order of transfer syntaxes behind PREFERRED."""
    syntaxes: dict[str, list[str]] = {}
    for context in storage:
        syntaxes.setdefault(str(context.abstract_syntax), []).extend(context.transfer_syntax)
    known = {sop_class: _in_order(proposed) for sop_class, proposed in syntaxes.items()}
    return [build_context(sop_class, known[sop_class]) for sop_class in known if known[sop_class]]


def _in_order(proposed: Sequence[str]) -> list[str]:
    preferred = [uid for uid in PREFERRED if uid in proposed]
    return [uid for uid in dict.fromkeys((*preferred, *proposed)) if uid in TRANSFER_SYNTAXES]


def _how_to_admit(calling: str, host: str, named: Sequence[Source]) -> str:
    known = ", ".join(source.host for source in named)
    elsewhere = f"The configuration has {calling} at {known}. " if named else ""
    lines = f"[[source]]\nae_title = {json.dumps(calling)}\nhost = {json.dumps(host)}"
    return f"{elsewhere}To let it send, add to the configuration:\n{lines}"


def same_address(host: str) -> str:
    """An IPv4 address that came through an IPv6 socket, as IPv4."""
    address = ipaddress.ip_address(host.partition("%")[0])
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)


def _addresses(host: str) -> set[str]:
    try:
        return {same_address(str(found[4][0])) for found in socket.getaddrinfo(host, None)}
    except OSError:
        return set()  # a name that does not resolve (now) admits nobody
