# SPDX-License-Identifier: Apache-2.0
"""The split: whole patients, shares that hold, the same again, and never changed for who has one."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imaging_data.dataset.duplicates import groups_of
from imaging_data.dataset.split import SPLITS, Member, assign, parse_shares

SHARES = parse_shares("70,15,15")
MEMBERS = st.lists(
    st.tuples(st.text(max_size=3), st.sampled_from("ABC")), unique_by=lambda pair: pair[0], max_size=60
)


def _members(pairs, splits=()):
    known = dict(splits)
    return [Member(patient_id, stratum, known.get(patient_id, "")) for patient_id, stratum in pairs]


def _off(found, shares=SHARES):
    counts = Counter(found.values())
    return max(abs(counts[split] - share * len(found)) for split, share in zip(SPLITS, shares, strict=True))


@pytest.mark.parametrize(
    ("patients", "expected"), [(20, (14, 3, 3)), (100, (70, 15, 15)), (3, (2, 1, 0)), (1, (1, 0, 0))]
)
def test_shares_are_met_as_well_as_whole_patients_allow(patients, expected):
    counts = Counter(assign([Member(f"P{i}", "") for i in range(patients)], SHARES, 0).values())
    assert tuple(counts[split] for split in SPLITS) == expected


@settings(max_examples=40, deadline=None)
@given(MEMBERS, st.integers(0, 5))
def test_every_patient_has_one_split_and_shares_hold_over_all_and_in_each_stratum(pairs, seed):
    found = assign(_members(pairs), SHARES, seed)
    assert set(found) == {patient_id for patient_id, _ in pairs}
    assert not pairs or _off(found) < 1.5
    for stratum in {stratum for _, stratum in pairs}:
        assert _off({one: found[one] for one, its in pairs if its == stratum}) < 1.5
    assert assign(reversed(_members(pairs)), SHARES, seed) == found


@settings(max_examples=25, deadline=None)
@given(MEMBERS, st.integers(0, 60))
def test_who_has_a_split_keeps_it_and_newcomers_fill_up_what_is_short(pairs, first):
    before = assign(_members(pairs[:first]), SHARES, 7)
    added = assign(_members(pairs, before.items()), SHARES, 7)
    assert not set(added) & set(before)
    assert not pairs or _off(before | added) < 2


def test_another_seed_is_another_split():
    members = [Member(f"P{i}", "") for i in range(40)]
    assert assign(members, SHARES, 1) != assign(members, SHARES, 2)


def test_a_group_is_never_torn_and_follows_who_has_a_split():
    members = [Member(f"P{i}", "", group=i // 2 + 1) for i in range(30)]
    found = assign(members, SHARES, 0)
    assert all(found[f"P{i}"] == found[f"P{i + 1}"] for i in range(0, 30, 2))
    late = [Member("P0", "", "test", group=1), Member("P1", "", group=1), Member("P2", "B", group=1)]
    assert assign(late, SHARES, 0) == {"P1": "test", "P2": "test"}


def test_a_share_of_nothing_gets_nobody():
    found = assign([Member(f"P{i}", "") for i in range(30)], parse_shares("80,0,20"), 0)
    assert Counter(found.values()) == {"train": 24, "test": 6}


@pytest.mark.parametrize("text", ["70,30", "a,b,c", "0,0,0", "-1,1,1", "inf,1,1", ""])
def test_shares_that_are_none_are_refused(text):
    with pytest.raises(ValueError, match="70,15,15"):
        parse_shares(text)


def test_what_is_connected_through_others_is_one_group():
    assert groups_of([(5, 3), (9, 5), (7, 8)]) == {3: 3, 5: 3, 9: 3, 7: 7, 8: 7}
