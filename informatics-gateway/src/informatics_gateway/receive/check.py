# SPDX-License-Identifier: Apache-2.0
"""Whether an instance may arrive: whole, and with identifiers that keep the rules and belong to it."""

from pathlib import Path

from imaging_data import check_identifiers, check_uid, read_header

from ..errors import RefusedInstance
from .dataset import IDENTIFIERS, Buffer, read_identifiers
from .file_format import Head


class MismatchedInstance(RefusedInstance):
    """The data set is of another instance than was announced."""

    hint = "Correct the sender: C-STORE command or file meta information must name what the data set is."


def check_encoded(encoded: Buffer, announced: Head, start: int, max_bytes: int) -> str:
    """Check the file `encoded`, whose data set begins at `start` and may take `max_bytes` inflated.

    Returns its SOPInstanceUID.  Raises UnreadableInstance, InvalidIdentifier for one of the four UIDs that is
    absent or breaks the rules, and MismatchedInstance.
    """
    uids = read_identifiers(encoded, announced.transfer_syntax, start, max_bytes)
    for keyword in IDENTIFIERS.values():
        check_uid(uids.get(keyword, ""), keyword)
    return _same(uids["SOPClassUID"], uids["SOPInstanceUID"], announced)


def check_file(path: Path) -> str:
    """Check a DICOM file (PS3.10 Section 7.1).  Returns and raises as `check_encoded`."""
    header = read_header(path)
    check_identifiers(header)
    meta = header.file_meta
    announced = Head(
        str(meta.get("MediaStorageSOPClassUID")),
        str(meta.get("MediaStorageSOPInstanceUID")),
        str(meta.get("TransferSyntaxUID")),
    )
    return _same(str(header.SOPClassUID), str(header.SOPInstanceUID), announced)


def _same(sop_class_uid: str, sop_instance_uid: str, announced: Head) -> str:
    if (sop_class_uid, sop_instance_uid) != (announced.sop_class_uid, announced.sop_instance_uid):
        raise MismatchedInstance(
            f"It is {sop_instance_uid} of SOP class {sop_class_uid}; announced was "
            f"{announced.sop_instance_uid} of {announced.sop_class_uid}."
        )
    return sop_instance_uid
