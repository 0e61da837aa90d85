# SPDX-License-Identifier: Apache-2.0
"""The rules by which jobs get cards; and what holds for any wishes, cards and holds."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from informatics_gateway.gpu.schedule import AGES_S, PATIENCE_S, Card, Hold, Start, Wait, Wish, decide

SMALL, LARGE = Card("a", "Small", 10000), Card("b", "Large", 40000)


def one(wish: Wish, cards=(SMALL, LARGE), holds=()) -> Start | Wait:
    return decide([wish], cards, holds)[wish.lane]


def card_of(decision: Start | Wait) -> str | None:
    assert isinstance(decision, Start), decision
    return decision.card and decision.card.uuid


def test_the_card_on_which_the_least_is_left():
    assert card_of(one(Wish("x", 8000))) == "a"
    assert card_of(one(Wish("x", 12000))) == "b"
    assert card_of(one(Wish("x", 8000), holds=[Hold("y", "a", 3000)])) == "b"


def test_jobs_share_a_card_while_their_peaks_fit():
    wishes = [Wish(name, 4000, waited_s=-index) for index, name in enumerate("xyz")]
    decided = decide(wishes, [SMALL], [])
    assert [card_of(decided[name]) for name in "xy"] == ["a", "a"]
    assert decided["z"] == Wait("needs 4000 MB of GPU memory; no card has that free now")


def test_what_other_programs_hold_is_not_there():
    assert isinstance(one(Wish("x", 6000), [Card("a", "A", 10000, others_mb=5000)]), Wait)


def test_unknown_needs_get_a_card_for_themselves():
    assert isinstance(one(Wish("x", None), [SMALL], [Hold("y", "a", 1)]), Wait)
    assert card_of(one(Wish("x", None), [SMALL])) == "a"
    assert isinstance(one(Wish("x", 1), [SMALL], [Hold("y", "a", 5000, alone=True)]), Wait)


def test_a_hot_card_takes_no_new_job():
    hot = Card("a", "Small", 10000, hot=True)
    assert one(Wish("x", 8000), [hot]) == Wait(
        "needs 8000 MB of GPU memory; Small is too hot for another job"
    )
    assert card_of(one(Wish("x", 8000), [hot, LARGE])) == "b"


def test_without_a_gpu_some_run_on_the_cpu_and_the_others_say_for_what_they_wait():
    assert one(Wish("x", 8000, "preferred"), []) == Start(None)
    assert one(Wish("x", 8000), []) == Wait("needs 8000 MB of GPU memory, and there is no GPU here")
    assert one(Wish("x", None), []) == Wait("needs a GPU, and there is no GPU here")


def test_a_need_above_every_card():
    why = "needs 90000 MB of GPU memory; the largest GPU here, Large, has 40000 MB"
    assert one(Wish("x", 90000)) == Wait(why)
    assert one(Wish("x", 90000, "preferred")) == Start(None)


def test_who_prefers_a_gpu_waits_for_a_busy_one():
    assert isinstance(one(Wish("x", 8000, "preferred"), [SMALL], [Hold("y", "a", 5000)]), Wait)


def test_a_lane_goes_back_to_its_warm_worker():
    assert card_of(one(Wish("x", 8000), holds=[Hold("x", "b", 8000, idle=True)])) == "b"


def test_idle_workers_of_others_go_only_when_there_is_no_other_room():
    idle = Hold("y", "a", 6000, idle=True)
    assert one(Wish("x", 3000), [SMALL], [idle]) == Start(SMALL, 3000)
    assert one(Wish("x", 8000), [SMALL], [idle]) == Start(SMALL, 8000, ("y",))
    assert one(Wish("x", 8000), [SMALL, LARGE], [idle]) == Start(LARGE, 8000)
    assert one(Wish("x", 3000, alone=True), [SMALL], [idle]) == Start(SMALL, 3000, ("y",))


def test_urgent_goes_first_and_the_oldest_before_it():
    both = [Wish("urgent", 8000, priority=0), Wish("background", 8000, priority=2, waited_s=AGES_S - 1)]
    assert card_of(decide(both, [SMALL], [])["urgent"]) == "a"
    aged = [both[0], Wish("background", 8000, priority=2, waited_s=AGES_S)]
    assert card_of(decide(aged, [SMALL], [])["background"]) == "a"


def test_small_jobs_do_not_keep_a_large_one_out_for_ever():
    holds = [Hold("y", "a", 4000)]
    for waited_s, small in ((0, True), (PATIENCE_S, False)):
        wishes = [Wish("large", 8000, waited_s=waited_s + 1), Wish("small", 4000)]
        assert isinstance(decide(wishes, [SMALL], holds)["small"], Start) is small


mb = st.integers(1, 50000)
cards = st.builds(
    lambda sizes, others, hot: [
        Card(f"card{i}", f"Card {i}", size, min(size, other), is_hot)
        for i, (size, other, is_hot) in enumerate(zip(sizes, others, hot, strict=False))
    ],
    st.lists(mb, max_size=4),
    st.lists(st.integers(0, 20000), min_size=4, max_size=4),
    st.lists(st.booleans(), min_size=4, max_size=4),
)
wishes = st.lists(
    st.builds(
        Wish,
        st.sampled_from("abcdefgh"),
        st.none() | mb,
        st.sampled_from(["required", "preferred"]),
        st.booleans(),
        st.sampled_from([0, 1, 2]),
        st.sampled_from([0.0, PATIENCE_S, AGES_S]),
    ),
    max_size=6,
    unique_by=lambda wish: wish.lane,
)
used = st.sampled_from(["card0", "card1"])
holds = st.lists(
    st.builds(Hold, st.sampled_from("abcdefghijkl"), used, mb, st.just(False), st.booleans()),
    max_size=4,
    unique_by=lambda hold: hold.lane,
)


@settings(max_examples=150, deadline=None)
@given(wishes, cards, holds)
def test_no_card_is_ever_given_more_than_it_has(wishes, cards, holds):
    holds = [hold for hold in holds if hold.idle or hold.lane not in {wish.lane for wish in wishes}]
    decided = decide(wishes, cards, holds)
    starts = {lane: each for lane, each in decided.items() if isinstance(each, Start) and each.card}
    stopped = {lane for each in starts.values() for lane in each.stop} | set(starts)
    assert len(decided) == len(wishes)
    for card in cards:
        kept = [hold for hold in holds if hold.card == card.uuid and hold.lane not in stopped]
        new = [each for each in starts.values() if each.card == card]
        given = sum(each.mb for each in new)
        assert not new or given + sum(hold.mb for hold in kept) <= card.room_mb
        assert not (new and card.hot)
    for wish in wishes:
        if wish.is_alone and wish.lane in starts:
            mates = [lane for lane, each in starts.items() if each.card == starts[wish.lane].card]
            assert mates == [wish.lane]


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 10000), st.sampled_from([1, 2]), st.lists(st.integers(1, 9000), min_size=1, max_size=5))
def test_every_wish_that_fits_an_empty_card_starts_in_bounded_time(large, priority, small):
    """Small jobs of other lanes come without end, each for 100 s; each lane has a next one at once."""
    running: list[tuple[float, Hold]] = []
    asked = {f"small{i}": 0.0 for i in range(len(small))}
    now, started = 0.0, False
    while not started:
        assert now < AGES_S + 400
        running = [(end, hold) for end, hold in running if end > now]
        busy = {hold.lane for _, hold in running}
        ask = [
            Wish(f"small{i}", mb, priority=0, waited_s=now - asked[f"small{i}"])
            for i, mb in enumerate(small)
            if f"small{i}" not in busy
        ]
        ask.append(Wish("large", large, priority=priority, waited_s=now))
        decided = decide(ask, [SMALL], [hold for _, hold in running])
        for lane, each in decided.items():
            if isinstance(each, Start):
                started = started or lane == "large"
                running.append((now + 100, Hold(lane, "a", each.mb)))
                asked[lane] = now + 100
        now += 10


@pytest.mark.parametrize("lanes", [1, 5])
def test_a_plan_does_not_depend_on_who_is_named_first(lanes):
    wishes = [Wish(f"x{i}", 3000 + i, waited_s=i) for i in range(lanes)]
    assert decide(wishes, [SMALL, LARGE], []) == decide(wishes[::-1], [SMALL, LARGE], [])
