# SPDX-License-Identifier: Apache-2.0
"""Images that show the same under different UIDs, found by the hash of their stored values."""

from collections import defaultdict
from collections.abc import Iterable
from itertools import groupby

from .writer import Writer

MARK = """
UPDATE image SET duplicate_of = first.id FROM (
    SELECT pixel_sha256 AS pixels, min(id) AS id FROM image WHERE pixel_sha256 != ''
    GROUP BY pixel_sha256 HAVING count(*) > 1) AS first
WHERE image.pixel_sha256 = first.pixels AND image.id > first.id AND image.duplicate_of IS NOT first.id
"""
SHARED = """
SELECT DISTINCT pixel_sha256, patient FROM image JOIN series ON series.id = image.series
    JOIN study ON study.id = series.study
WHERE pixel_sha256 IN (SELECT pixel_sha256 FROM image WHERE duplicate_of IS NOT NULL) ORDER BY pixel_sha256, patient
"""
MOST_PATIENTS = (
    3  # a picture that more have is a template, such as a page of the scanner's, and says nothing of them
)


def mark_duplicates(writer: Writer) -> None:
    """Write down of each image that repeats an earlier one which that is."""
    writer.change(MARK)


def linked_patients(writer: Writer) -> dict[int, int]:
    """Patients that share pictures: the group of each, by row; those that share none are left out.

    The same picture under two PatientIDs is one person's or a copy: on two sides of a split it would give away the
    answer.  Pictures that more than MOST_PATIENTS have link nobody.
    """
    pairs: list[tuple[int, int]] = []
    for _, rows in groupby(writer.rows(SHARED), key=lambda row: row["pixel_sha256"]):
        first, *others = [int(row["patient"]) for row in rows]
        if len(others) < MOST_PATIENTS:
            pairs += [(first, other) for other in others]
    return groups_of(pairs)


def groups_of(pairs: Iterable[tuple[int, int]]) -> dict[int, int]:
    """What is connected by pairs, directly or through others: the smallest of the group, by each."""
    neighbours: dict[int, set[int]] = defaultdict(set)
    for one, other in pairs:
        neighbours[one].add(other)
        neighbours[other].add(one)
    group: dict[int, int] = {}
    for first in sorted(neighbours):
        reached = [] if first in group else [first]
        while reached:
            one = reached.pop()
            if one not in group:
                group[one] = first
                reached += neighbours[one]
    return group
