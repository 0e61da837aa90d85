# SPDX-License-Identifier: Apache-2.0
"""Which patients train, validate and test: by patient, stratified, seeded, and never changed again.

Patients come in the order of a hash of seed and PatientID, stratum by stratum, and each goes to the split that is
shortest of its share, in its stratum and over all.  A patient who has a split keeps it; those who are added later
fill up what is short then.  So the shares hold as well as whole patients allow, however the patients came.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

SPLITS = ("train", "validation", "test")
Shares = tuple[float, float, float]


@dataclass(frozen=True)
class Member:
    """A patient to be split.  `split`: "" until there is one.  `group`: those of one group belong together."""

    patient_id: str
    stratum: str
    split: str = ""
    group: int = 0


def parse_shares(text: str) -> Shares:
    """Shares of train, validation and test from "70,15,15", which need not sum to 100.

    Raises ValueError unless they are three numbers, none negative, not all 0.
    """
    try:
        shares = [float(part) for part in text.split(",")]
    except ValueError:
        shares = []
    if (
        len(shares) != len(SPLITS)
        or not all(0 <= share < float("inf") for share in shares)
        or not sum(shares)
    ):
        raise ValueError(f"{text!r} is not the shares of train, validation and test, as 70,15,15 is.")
    return shares[0] / sum(shares), shares[1] / sum(shares), shares[2] / sum(shares)


def assign(members: Iterable[Member], shares: Shares, seed: int) -> dict[str, str]:
    """The split of each patient that had none, by PatientID.

    A group goes where the first of its members with a split is, so that what belongs together is not torn.  With
    whole numbers of patients as shares and no strata they are met exactly; else none of the splits gets more than
    its share by a patient, unless a group or what was fixed before takes it there.
    """
    groups: dict[object, list[Member]] = defaultdict(list)
    for member in members:
        groups[member.group or member.patient_id].append(member)
    taken = _Taken(dict(zip(SPLITS, shares, strict=True)))
    open_groups = []
    for group in groups.values():
        fixed = next((member.split for member in group if member.split), "")
        for member in group if fixed else ():
            taken.add(member.stratum, member.split or fixed)
        if not fixed:
            open_groups.append(sorted(group, key=lambda member: _rank(seed, member)))
    open_groups.sort(key=lambda group: (group[0].stratum, _rank(seed, group[0])))
    found = _following(groups.values())
    for group in open_groups:
        split = taken.shortest(group)
        for member in group:
            taken.add(member.stratum, split)
            found[member.patient_id] = split
    return found


def _following(groups: Iterable[Sequence[Member]]) -> dict[str, str]:
    """The patients without a split whose group has one."""
    found: dict[str, str] = {}
    for group in groups:
        fixed = next((member.split for member in group if member.split), "")
        found |= {member.patient_id: fixed for member in group if fixed and not member.split}
    return found


def _rank(seed: int, member: Member) -> bytes:
    return hashlib.sha256(f"{seed}:{member.patient_id}".encode()).digest()


class _Taken:
    """How many patients each split has, in each stratum and over all."""

    def __init__(self, shares: Mapping[str, float]) -> None:
        self._shares = shares
        self._all: Counter[str] = Counter()
        self._of: dict[str, Counter[str]] = defaultdict(Counter)

    def add(self, stratum: str, split: str) -> None:
        self._all[split] += 1
        self._of[stratum][split] += 1

    def shortest(self, group: Sequence[Member]) -> str:
        """Where most is missing when the group is counted; of several the one with the greatest share."""
        strata = {member.stratum: self._of[member.stratum] for member in group}

        def missing(split: str) -> tuple[float, float]:
            short = [
                self._shares[split] * (sum(taken.values()) + len(group)) - taken[split]
                for taken in (self._all, *strata.values())
            ]
            return round(sum(short), 9), self._shares[split]

        return max((split for split in SPLITS if self._shares[split]), key=missing)
