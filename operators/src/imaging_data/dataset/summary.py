# SPDX-License-Identifier: Apache-2.0
"""What a data set holds, in numbers."""

from dataclasses import dataclass

from .database import Database
from .records import Counts


@dataclass(frozen=True)
class Summary:
    """A data set in numbers, without any patient attribute.

    splits: patients, studies, series and images of each.  volumes: NIfTI files.  duplicates: images that repeat an
    earlier one; across_splits: those whose first lies in another split.  skipped, no_picture, no_volume: how many
    files, images and series, by reason.
    """

    counts: Counts
    splits: dict[str, dict[str, int]]
    volumes: int
    duplicates: int
    across_splits: int
    skipped: dict[str, int]
    no_picture: dict[str, int]
    no_volume: dict[str, int]


def summarise(database: Database) -> Summary:
    """The numbers of a data set."""
    return Summary(
        database.counts(),
        database.splits(),
        database.tally("volumes"),
        database.tally("duplicates"),
        database.tally("across_splits"),
        database.reasons("file", "skipped"),
        database.reasons("image", "no_picture"),
        database.reasons("series", "no_volume"),
    )
