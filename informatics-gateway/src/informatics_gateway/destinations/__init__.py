# SPDX-License-Identifier: Apache-2.0
"""How deliver sends: one module for each kind of destination, all with the same methods."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Literal, Protocol, Self

from ..config import Config, Destination, DicomwebDestination, DimseDestination
from ..model import Result


@dataclass(frozen=True)
class Holding:
    """What a destination has under one SOPInstanceUID.

    `state`: "missing" it has nothing; "same" it has this result; "other" it has another content.
    `how`: by what this is known, in words for the job's events.
    """

    state: Literal["missing", "same", "other"]
    how: str = ""


class DestinationClient(Protocol):
    """A destination while one job is delivered.  Use it in a `with` statement: leaving it ends connections.

    Every method raises DestinationUnavailable where trying again may help, DestinationRefused where a person
    must change something first.
    """

    @property
    def name(self) -> str:
        """The destination's name in the configuration."""

    def ask(self, results: Sequence[Result]) -> dict[str, Holding]:
        """What the destination has, by SOPInstanceUID, for each of `results`."""

    def send(self, results: Sequence[Result], on_sent: Callable[[Result], None]) -> None:
        """Send the files of `results` as they are; `on_sent` is told of each that the destination took.

        That it took one proves nothing: ask.
        """

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def open_destination(destination: Destination, config: Config) -> DestinationClient:
    """The client for a [[destination]]; nothing is connected before the first question.

    Raises BadConfiguration when its secret cannot be read.
    """
    if isinstance(destination, DicomwebDestination):
        from .dicomweb import DicomwebClient

        return DicomwebClient(destination)
    if isinstance(destination, DimseDestination):
        from .dimse import DimseClient

        return DimseClient(destination, config.dicom.ae_title)
    from .folder import FolderClient

    return FolderClient(destination)
