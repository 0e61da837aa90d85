# SPDX-License-Identifier: Apache-2.0
"""Whether an instance may arrive: whole, and with identifiers that keep the rules and belong to it."""

import mmap
from pathlib import Path

from imaging_data import check_uid

from ..errors import RefusedInstance
from .dataset import IDENTIFIERS, Buffer, read_identifiers
from .file_format import Head, read_head

INFLATED_AT_MOST = 2**31  # bytes


class MismatchedInstance(RefusedInstance):
    """The data set is of another instance than was announced."""

    hint = "Correct the sender: C-STORE command or file meta information must name what the data set is."


def check_encoded(encoded: Buffer, head: Head, start: int, max_bytes: int = INFLATED_AT_MOST) -> str:
    """Check the file `encoded`, whose data set begins at `start` and may take `max_bytes` inflated.

    Returns its SOPInstanceUID.  Raises IncompleteDataSet, InvalidIdentifier for one of the four UIDs that is
    absent or breaks the rules, and MismatchedInstance when `head` is of another instance.
    """
    uids = read_identifiers(encoded, head.transfer_syntax, start, max_bytes)
    for keyword in IDENTIFIERS.values():
        check_uid(uids.get(keyword, ""), keyword)
    if (uids["SOPClassUID"], uids["SOPInstanceUID"]) != (head.sop_class_uid, head.sop_instance_uid):
        raise MismatchedInstance(
            f"It is {uids['SOPInstanceUID']} of SOP class {uids['SOPClassUID']}; announced was "
            f"{head.sop_instance_uid} of {head.sop_class_uid}."
        )
    return uids["SOPInstanceUID"]


def check_file(path: Path) -> str:
    """Check a file on disk.  Raises as `check_encoded`, and IncompleteDataSet when it is no DICOM file."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as encoded:
        return check_encoded(encoded, *read_head(encoded))
