# SPDX-License-Identifier: Apache-2.0
"""Step 2.  Arrivals become a sealed input set: the instances of one series for one button.

A series is closed as soon as it is *seen* to be complete: every association that brought part of it was
released and its instance run is gap-free.  Otherwise a quiet period closes it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from imaging_data import input_hash, same_content

from .durable import make_folder, sync_folder
from .errors import ConflictingInstance, GantryError, MixedIdentity
from .model import Association, InputSet, Instance, SeriesKey
from .store import Journal, Store

EVEN_SPACING_MM = 0.05  # position steps that differ by less are one spacing; scanners round to 0.01 mm
READ_ONLY = 0o444


@dataclass(frozen=True)
class Arrival:
    """An instance that lies durably in `incoming/`, and who brought it."""

    association: Association
    instance: Instance
    at: float


# taking arrivals in


def take_in(store: Store, arrivals: Sequence[Arrival]) -> list[tuple[Arrival, GantryError]]:
    """Move arrivals from `incoming/` to `instances/` and journal them; return those in conflict.

    The order makes a crash harmless: link, fsync the folders, commit the journal, and only then unlink.
    """
    taken: list[tuple[Arrival, Instance]] = []
    refused: list[tuple[Arrival, GantryError]] = []
    placed: dict[str, Instance] = {}
    for arrival in arrivals:
        uid = arrival.instance.sop_instance_uid
        try:
            placed[uid] = _place(store, arrival.instance, placed.get(uid) or store.instance(uid))
            taken.append((arrival, placed[uid]))
        except ConflictingInstance as error:
            refused.append((arrival, error))
    for folder in {instance.path.parent for _, instance in taken}:
        sync_folder(folder)
    store.record_arrivals([(arrival.association, instance, arrival.at) for arrival, instance in taken])
    for arrival, _ in taken:
        arrival.instance.path.unlink(missing_ok=True)
    return refused


def _place(store: Store, instance: Instance, known: Instance | None) -> Instance:
    """The stored instance with these bytes: a new one, or the one that is known already."""
    if known is not None:
        if not _same_content(known, instance):
            raise ConflictingInstance(f"SOPInstanceUID {instance.sop_instance_uid}.")
        return known
    folder = store.storage / "instances" / instance.study_instance_uid / instance.series_instance_uid
    make_folder(folder)
    target = folder / f"{instance.sop_instance_uid}.dcm"
    target.unlink(missing_ok=True)  # linked by a try that crashed before it was journaled
    target.hardlink_to(instance.path)
    target.chmod(READ_ONLY)
    return replace(instance, path=target)


def _same_content(known: Instance, other: Instance) -> bool:
    """Whether two files hold one instance, transfer syntax apart."""
    return known.sha256 == other.sha256 or same_content(known.path.read_bytes(), other.path.read_bytes())


# closing a series


@dataclass(frozen=True)
class Closing:
    """What closed a series, or when it will be closed if nothing more comes."""

    by: str | None
    due: float


def closing(
    instances: Sequence[Instance], brought: dict[str, bool | None], last: float, now: float, quiet_s: float
) -> Closing:
    """Decide whether a series is closed.

    `brought` says of each association that brought a part whether it was released (True), ended in another
    way (False) or is still open (None); times are seconds since the epoch.
    """
    if brought and all(brought.values()) and is_complete(instances, len(brought)):
        return Closing("the release of the association on a gap-free run", now)
    due = last + quiet_s
    return Closing(f"{quiet_s:g} s of quiet" if now >= due else None, due)


def is_complete(instances: Sequence[Instance], associations: int) -> bool:
    """Whether the run is gap-free: numbers without a hole, positions evenly spaced.

    A single slice of a stack is not seen to be complete, and neither is a stack that came one instance an
    association, for then each release looks like the last.
    """
    if len(instances) == 1:
        return instances[0].image_position is None
    return associations < len(instances) and _numbered_without_hole(instances) and _evenly_spaced(instances)


def _numbered_without_hole(instances: Sequence[Instance]) -> bool:
    numbers = [instance.instance_number for instance in instances]
    known = sorted(number for number in numbers if number is not None)
    return len(known) == len(numbers) and known == list(range(known[0], known[0] + len(known)))


def _evenly_spaced(instances: Sequence[Instance]) -> bool:
    positions = [instance.image_position for instance in instances]
    if all(position is None for position in positions):
        return True
    orientations = {instance.image_orientation for instance in instances}
    if None in positions or None in orientations or len(orientations) != 1:
        return False
    row, column = np.reshape(np.array(next(iter(orientations)), dtype=float), (2, 3))
    steps = np.diff(np.sort(np.array(positions, dtype=float) @ np.cross(row, column)))
    return bool(steps.min() > EVEN_SPACING_MM and np.ptp(steps) <= EVEN_SPACING_MM)


# sealing


@dataclass(frozen=True)
class Sealed:
    """An input set; `again` when the same instances had been sealed before and were sent once more."""

    input_set: InputSet
    again: bool


def seal(store: Store, key: SeriesKey, closed_by: str) -> Sealed:
    """Seal what came in for the series, or recognise the set that was sealed before.

    Raises MixedIdentity.  Of a set that is not new the arrivals are not marked seen: what follows from them
    is to be done first.
    """
    instances = store.arrived(key)
    check_identity(store, key, instances)
    digest = input_hash(instance.sha256 for instance in instances)
    latest = store.latest_set(key)
    if latest is not None and latest.hash == digest:
        return Sealed(latest, again=True)
    return Sealed(store.seal(key, digest, instances, closed_by), again=False)


def check_identity(journal: Journal, key: SeriesKey, instances: Sequence[Instance]) -> None:
    """Refuse a set with two patients or studies, by the attributes that differ (never by their values)."""
    first = instances[0].identity
    differing = {
        attribute
        for instance in instances
        for attribute, value in instance.identity.__dict__.items()
        if value != getattr(first, attribute)
    }
    if len(journal.studies_of(key.series_instance_uid)) > 1:
        differing.add("study_instance_uid")
    if differing:
        names = ", ".join(sorted(_KEYWORDS[attribute] for attribute in differing))
        raise MixedIdentity(f"Series {key.series_instance_uid} differs in {names}.")


_KEYWORDS = {
    "patient_id": "PatientID",
    "issuer_of_patient_id": "IssuerOfPatientID",
    "patient_name": "PatientName",
    "study_instance_uid": "StudyInstanceUID",
}
