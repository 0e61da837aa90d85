# SPDX-License-Identifier: Apache-2.0
"""One instance on its way to a destination, and why one may not be taken."""

from dataclasses import dataclass

from ..errors import GantryError


@dataclass(frozen=True)
class Parcel:
    """One instance on its way: where it was found, what it is, and its file's bytes."""

    name: str
    sop_class_uid: str
    sop_instance_uid: str
    study_instance_uid: str
    series_instance_uid: str
    transfer_syntax_uid: str
    content: bytes


class NotTaken(GantryError):
    """The destination does not take the instance."""

    hint = "The archive's log says why; the other instances were sent."


class HoldsOther(NotTaken):
    """The destination holds another content under this SOPInstanceUID."""

    hint = "Find out who stored it: a UID never stands for two contents. Nothing was overwritten."
