# SPDX-License-Identifier: Apache-2.0
"""C-STORE of many instances: an association for each SOP class and transfer syntax, held until the end."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from ..config import DimseDestination
from ..errors import DestinationRefused, DestinationUnavailable
from .dimse import ASK_HINT, TAKE_HINT, DimseClient
from .parcel import NotTaken, Parcel
from .stored import DUPLICATE, SUCCESS, WARNINGS, in_words, try_again

Store = Callable[[Path], int | None]


class CStore:
    """One AE.  An association is begun when the first instance needs it, and again when it was lost."""

    proof = "listed by C-FIND"

    def __init__(self, destination: DimseDestination, ae_title: str) -> None:
        self.name = destination.name
        self._destination = destination
        self._client = DimseClient(destination, ae_title)
        self._open: dict[tuple[str, str], tuple[ExitStack, Store]] = {}
        self._not_taken: dict[tuple[str, str], str] = {}

    def put(self, parcel: Parcel) -> None:
        """C-STORE; a status other than success, warning and "duplicate" stops this instance only."""
        key = parcel.sop_class_uid, parcel.transfer_syntax_uid
        store = self._store(key)
        if store is None:
            raise NotTaken(f"{parcel.name}: {self._not_taken[key]}")
        with _as_file(parcel.content) as path:
            status = store(path)
        if status is None:
            self._open.pop(key)[0].close()
            raise DestinationUnavailable(f"{self.name}: no response to C-STORE.")
        if status not in (SUCCESS, DUPLICATE) and status not in WARNINGS:
            kind = DestinationUnavailable if try_again(status) else NotTaken
            raise kind(f"{parcel.name}: {in_words(status)}.")

    def _store(self, key: tuple[str, str]) -> Store | None:
        """What stores instances of a kind; None for one that the AE does not take."""
        if key not in self._open and key not in self._not_taken:
            stack = ExitStack()
            try:
                self._open[key] = stack, stack.enter_context(self._client.storing(*key))
            except DestinationRefused as error:
                if error.hint != TAKE_HINT:
                    raise
                self._not_taken[key] = error.detail
        return None if key in self._not_taken else self._open[key][1]

    def listed(self, study_instance_uid: str, series_instance_uid: str) -> set[str] | None:
        """The instances of a series by C-FIND; None where the response to C-STORE must do.

        Raises DestinationRefused when C-FIND was asked for and is not offered.
        """
        if self._destination.proof == "response":
            return None
        found = self._client.listed(study_instance_uid, series_instance_uid)
        if found is None and self._destination.proof != "auto":
            raise DestinationRefused(f"{self.name} does not answer C-FIND.", hint=ASK_HINT)
        return found

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for stack, _ in self._open.values():
            stack.close()


@contextmanager
def _as_file(content: bytes) -> Iterator[Path]:
    """`content` under a path, in memory."""
    descriptor = os.memfd_create("instance")
    try:
        with os.fdopen(os.dup(descriptor), "wb") as file:
            file.write(content)
        yield Path(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)
