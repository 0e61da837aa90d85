# SPDX-License-Identifier: Apache-2.0
"""Lets associations in and out: known callers, at most so many at a time, each refusal told once."""

import logging
import threading
import time
from collections.abc import Sequence

from pynetdicom.presentation import PresentationContext

from ..config import Config
from ..model import Refusal
from .admission import LOCAL_LIMIT_EXCEEDED, Admission, AssociationRejected, same_address
from .incoming import new_association
from .reception import Limits, Listener, Reception

logger = logging.getLogger("gantry.receive")


class Gate:
    """The one door of all associations.  Safe to use from many threads."""

    def __init__(self, config: Config, listener: Listener) -> None:
        self._storage, self._most = config.storage.path, config.dicom.max_associations
        self._limits = Limits(config.storage.reserve_gb * 1e9, config.dicom.max_instance_mb * 1_000_000)
        self._admission = Admission(config)
        self._listener = listener
        self._inside: set[Reception] = set()
        self._changed = threading.Condition()

    def enter(
        self, calling: str, called: str, host: str, proposed: Sequence[PresentationContext]
    ) -> tuple[Reception, list[PresentationContext]]:
        """What takes the association's instances, and the supported contexts.  Raises AssociationRejected."""
        host = same_address(host)
        try:
            source = self._admission.source(calling, host)
            contexts = self._admission.contexts(called, proposed)
            association = new_association(source, calling, called, host)
            reception = Reception(self._storage, self._limits, association, self._listener)
            self._admit(reception)
        except AssociationRejected as rejection:
            logger.warning("%s %s", rejection, rejection.hint)
            refusal = Refusal(calling, called, host, str(rejection), rejection.hint, time.time())
            self._listener.refused(refusal)
            raise
        logger.info("association %s: %s calls %s", association.id, source.name, called)
        return reception, contexts

    def _admit(self, reception: Reception) -> None:
        with self._changed:
            if len(self._inside) >= self._most:
                raise AssociationRejected(
                    f"{self._most} associations are open.",
                    "It may come again later; [dicom] max_associations allows more.",
                    LOCAL_LIMIT_EXCEEDED,
                )
            self._inside.add(reception)

    def leave(self, reception: Reception, released: bool) -> None:
        """The association is over.  Again is of no effect."""
        with self._changed:
            if reception not in self._inside:
                return
            self._inside.remove(reception)
            self._changed.notify_all()
        reception.end(released)
        logger.info("association %s: %s", reception.association.id, "released" if released else "lost")

    def wait_until_empty(self, timeout_s: float) -> bool:
        """Wait for the associations that are inside; False when some still are."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._inside, timeout_s)
