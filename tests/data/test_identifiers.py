# SPDX-License-Identifier: Apache-2.0
"""UIDs: what is refused, and what is derived."""

import re
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.uid import RE_VALID_UID, generate_uid

from imaging_data import InvalidIdentifier, check_uid, derive_uid

COMPONENTS = st.integers(0, 10**12).map(str)
UIDS = st.lists(COMPONENTS, min_size=1, max_size=4).map(".".join)


@pytest.mark.parametrize(
    ("uid", "fault"),
    [
        ("", "SOPInstanceUID is missing or empty."),
        ("1.2." + "3" * 61, "has 65 characters; 64 are allowed"),
        ("1.02.3", "a component with a leading zero"),
        ("00", "a component with a leading zero"),
        ("1..3", "an empty component"),
        (".1.3", "an empty component"),
        ("1.3.", "an empty component"),
        ("1.3 ", "characters other than digits and dots"),
        ("1.3\n", "characters other than digits and dots"),
        ("../../etc", "characters other than digits and dots"),
        ("1.٣", "characters other than digits and dots"),
    ],
)
def test_a_uid_that_breaks_the_rules_is_refused_by_name(uid, fault):
    with pytest.raises(InvalidIdentifier, match=re.escape(fault)) as raised:
        check_uid(uid, "SOPInstanceUID")
    assert "SOPInstanceUID" in raised.value.detail


@pytest.mark.parametrize("uid", ["1.2.840.10008.1.2", "0", "1.0.3", "2.25." + "9" * 59])
def test_a_sound_uid_comes_back(uid):
    assert check_uid(uid, "SOPInstanceUID") == uid


@given(UIDS)
def test_what_generators_make_is_sound(uid):
    assert check_uid(uid, "StudyInstanceUID") == uid
    assert check_uid(generate_uid(), "StudyInstanceUID")


@given(st.lists(st.text(max_size=8), max_size=4), st.lists(st.text(max_size=8), max_size=4))
def test_derived_uids_are_sound_and_differ_when_the_parts_do(first, second):
    uid = derive_uid(*first)
    assert re.fullmatch(RE_VALID_UID, check_uid(uid, "SOPInstanceUID"))
    assert uid.startswith("2.25.")
    assert (uid == derive_uid(*second)) == (first == second)


def test_derived_uids_stay_the_same_from_release_to_release():
    assert derive_uid("input", "app", "0") == "2.25.25617863476602031271184660179842581038"


def test_a_derived_uid_is_a_uuid_of_version_8():
    made = uuid.UUID(int=int(derive_uid("a")[5:]))
    assert (made.version, made.variant) == (8, uuid.RFC_4122)
