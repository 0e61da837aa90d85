# SPDX-License-Identifier: Apache-2.0
"""One content under one UID, however many buttons were pressed.

Two jobs with one app on the same instances make results with the same UIDs, which differ in when they were made.
The file that was accepted first stands for both: no two archives hold different files under one UID.
"""

from collections.abc import Sequence

from pydicom import dcmread

from imaging_data import file_sha256
from imaging_data.hashing import content_sha256
from imaging_data.values import UNREADABLE

from ..model import Result


def first_accepted(result: Result, accepted: Sequence[Result]) -> Result | None:
    """The first of `accepted`, all under the UID of `result`, that says the same but for dates and times.

    None where there is none, or where its bytes are those of `result`.  One that has changed on disk since it
    was accepted does not count; one with other content does not, either: the destination will tell of it.
    """
    for first in accepted:
        if first.sha256 == result.sha256:
            return None
        if first.path.is_file() and file_sha256(first.path) == first.sha256 and _say_the_same(first, result):
            return first
    return None


def _say_the_same(one: Result, other: Result) -> bool:
    try:
        return content_sha256(dcmread(one.path)) == content_sha256(dcmread(other.path))
    except UNREADABLE:  # a value that is not what its VR says, in an attribute that nobody validates
        return False
