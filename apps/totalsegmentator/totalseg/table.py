# SPDX-License-Identifier: Apache-2.0
"""The table for the radiologist, and the sentences that go with it."""

from collections.abc import Sequence

from .measuring import Numbers
from .segmenting import Found
from .tasks import Job

NOTHING = "not found: none of the task's classes is in this series"
CUT = "* reaches the first or last slice: volume and mean are those of the imaged part"


def findings_of(job: Job, found: Found) -> tuple[str, ...]:
    """Plain sentences: that nothing was found, or which of the classes asked for by name were not."""
    if not found.names:
        return (NOTHING,)
    missing = [name for name in job.classes if name not in found.names]
    return tuple(f"not found: {name}" for name in missing)


def text_of(job: Job, found: Found, numbers: Sequence[Numbers]) -> str:
    """What was asked for, what was not found, then a row for each class, then how to read it."""
    lines = [f"Task {job.task}{' (fast)' if job.fast else ''}", *findings_of(job, found)]
    if numbers:
        lines += ["", *rows_of(job, numbers)]
    if any(each.cut for each in numbers):
        lines += ["", CUT]
    weights = (
        f"weights {name.partition('/')[0]} sha256 {sha256[:16]}" for name, sha256 in found.weights.items()
    )
    return "\n".join([*lines, "", *weights])


def rows_of(job: Job, numbers: Sequence[Numbers]) -> list[str]:
    """The table's head and rows; mean values only where they have a unit, on CT."""
    width = max(len(each.name) for each in numbers) + 4
    has_unit = job.modality == "CT"
    head = f"{'':<{width}}{'volume ml':>12}{'mean HU':>10}" if has_unit else f"{'':<{width}}{'volume ml':>12}"
    rows = []
    for each in numbers:
        row = f"{each.name.replace('_', ' ') + (' *' if each.cut else ''):<{width}}{each.volume_ml:>12.1f}"
        rows.append(row + f"{each.mean:>10.1f}" if has_unit else row)
    return [head, *rows]
