# SPDX-License-Identifier: Apache-2.0
"""Which wish gets which card now.  Pure: no clock, no driver, no lock.

A lane runs one job of its app after the other; it wishes for a card for its next one.  The rules, all of them:

1. Wishes are looked at in order of rank: urgent, normal, background, then the one that has waited longer; of
   those that have waited for the same minute the larger, because small ones fit in between.  One that has
   waited for `AGES_S` goes before all others, so nobody starves: behind such a wish an urgent one waits for at
   most one job of each other lane.
2. A wish fits a card when what is left of its memory is enough: all of it, less what other programs hold, less
   what our jobs hold or may still take.  One that is to be `alone`, or of which nobody knows what it takes, fits
   a card without any job of ours, and keeps others off it.  A card that is too hot takes no new job.
3. Of the cards that fit: the one where the lane's warm worker waits, else the one on which the fewest idle
   workers of other lanes must be stopped, else the one on which the least is left (best fit).
4. A wish that fits no card now waits.  For the first that is urgent or has waited for `PATIENCE_S` the card with
   the most room is kept: wishes after it get no place there, else small jobs kept a large one out for ever.
5. A wish that no card here could ever serve runs on the CPU, where its app allows that.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

Use = Literal["required", "preferred", "none"]
PATIENCE_S = 60.0
AGES_S = 1800.0
OLD = -1  # the rank of who has waited for AGES_S


@dataclass(frozen=True)
class Card:
    """A device or a MIG slice.  `others_mb`: what programs that are none of our jobs hold of it."""

    uuid: str
    name: str
    total_mb: int
    others_mb: int = 0
    hot: bool = False

    @property
    def room_mb(self) -> int:
        """What our jobs may take of it, together."""
        return self.total_mb - self.others_mb


@dataclass(frozen=True)
class Hold:
    """What a lane's job holds of a card, or between jobs its warm worker (`idle`)."""

    lane: str
    card: str
    mb: int
    alone: bool = False
    idle: bool = False


@dataclass(slots=True)
class Wish:
    """A lane's next job.  `mb`: what it takes at most, None where nobody knows.  `waited_s`: for a card."""

    lane: str
    mb: int | None
    use: Use = "required"
    alone: bool = False
    priority: int = 1
    waited_s: float = 0.0

    @property
    def is_alone(self) -> bool:
        """Whether no other job may be on its card."""
        return self.alone or self.mb is None

    @property
    def least_mb(self) -> int:
        """What it takes at least."""
        return 1 if self.mb is None else self.mb

    @property
    def rank(self) -> tuple[float, ...]:
        """Lower goes first."""
        first = OLD if self.waited_s >= AGES_S else self.priority
        return first, -(self.waited_s // PATIENCE_S), -self.least_mb, -self.waited_s

    @property
    def is_impatient(self) -> bool:
        """Whether a card is kept for it."""
        return self.priority == 0 or self.waited_s >= PATIENCE_S


@dataclass(frozen=True)
class Start:
    """The job may start: on this card, None for the CPU, once the idle workers of these lanes were stopped."""

    card: Card | None
    mb: int = 0
    stop: tuple[str, ...] = ()


@dataclass(frozen=True)
class Wait:
    """It may not, and for what it waits, in words."""

    why: str


class _Fit(NamedTuple):
    """How well a wish fits: smaller is better."""

    cold: bool
    stops: int
    left_mb: int


class _Place:
    """A card and what is held of it, while wishes are looked at."""

    def __init__(self, card: Card, holds: Iterable[Hold]) -> None:
        self.card, self.kept = card, False
        self.idle = {hold.lane: hold.mb for hold in holds if hold.idle}
        jobs = [hold for hold in holds if not hold.idle]
        self.jobs, self.closed = len(jobs), card.hot or any(hold.alone for hold in jobs)
        self.open_mb = card.room_mb - sum(hold.mb for hold in jobs)  # idle workers may be stopped

    @property
    def left_mb(self) -> int:
        """What nobody holds."""
        return self.open_mb - sum(self.idle.values())

    def fit(self, wish: Wish) -> _Fit | None:
        """How the wish fits, None when it does not."""
        if self.closed or self.kept or wish.least_mb > self.open_mb or (wish.is_alone and self.jobs):
            return None
        stop = self.stop(wish)
        idle_mb = sum(mb for lane, mb in self.idle.items() if lane != wish.lane and lane not in stop)
        return _Fit(wish.lane not in self.idle, len(stop), self.open_mb - idle_mb - wish.least_mb)

    def stop(self, wish: Wish) -> tuple[str, ...]:
        """The lanes whose idle workers must go for it, the largest first."""
        others = {lane: mb for lane, mb in self.idle.items() if lane != wish.lane}
        left, stopped = self.open_mb - sum(others.values()) - wish.least_mb, []
        for lane in sorted(others, key=lambda lane: -others[lane]):
            if left < 0 or wish.is_alone:
                stopped.append(lane)
                left += others[lane]
        return tuple(stopped)

    def take(self, wish: Wish) -> Start:
        """Give the wish its place."""
        stop, mb = self.stop(wish), self.open_mb if wish.mb is None else wish.mb
        self.idle = {lane: held for lane, held in self.idle.items() if lane not in (*stop, wish.lane)}
        self.jobs, self.closed = self.jobs + 1, wish.is_alone
        self.open_mb -= mb
        return Start(self.card, mb, stop)


def decide(wishes: Iterable[Wish], cards: Sequence[Card], holds: Iterable[Hold]) -> dict[str, Start | Wait]:
    """What each lane's wish gets.  What is given to one is not there for those after it."""
    held: dict[str, list[Hold]] = {card.uuid: [] for card in cards}
    for hold in holds:
        if hold.card in held:  # else the card has vanished
            held[hold.card].append(hold)
    plan = _Plan([_Place(card, held[card.uuid]) for card in cards])
    return {wish.lane: plan.decide(wish) for wish in sorted(wishes, key=lambda wish: wish.rank)}


class _Plan:
    """The places while wishes are looked at, one after the other."""

    def __init__(self, places: Sequence[_Place]) -> None:
        self._places, self._is_kept = places, False
        # Places only fill up: what fitted nowhere, alone or not, does not fit now, nor does anything larger.
        self._too_much: dict[bool, int] = {}
        self._answers: dict[tuple[int | None, bool, Use], Start | Wait] = {}

    def decide(self, wish: Wish) -> Start | Wait:
        """What the wish gets."""
        if wish.least_mb < self._too_much.get(wish.is_alone, wish.least_mb + 1):
            fits = [(fit, index) for index, place in enumerate(self._places) if (fit := place.fit(wish))]
            if fits:
                return self._places[min(fits)[1]].take(wish)
            self._too_much[wish.is_alone] = wish.least_mb
        kind = (wish.mb, wish.is_alone, wish.use)
        if kind not in self._answers:
            self._answers[kind] = _without(wish, [place.card for place in self._places])
        answer = self._answers[kind]
        if wish.is_impatient and not self._is_kept and isinstance(answer, Wait):
            self._keep_one(wish)
        return answer

    def _keep_one(self, wish: Wish) -> None:
        """Keep the card with the most room now of those that will do.

        Its room only grows while it is kept, and another is kept only when that has more: so the wish gets one.
        """
        able = [each for each in self._places if each.card.room_mb >= wish.least_mb and not each.card.hot]
        if able:
            max(able, key=lambda place: place.open_mb).kept = self._is_kept = True


def _without(wish: Wish, cards: Sequence[Card]) -> Start | Wait:
    """What a wish gets that fits nowhere: the CPU, or words."""
    able = [card for card in cards if card.total_mb >= wish.least_mb]
    if not able and wish.use != "required":
        return Start(None)
    needs = "needs a GPU" if wish.mb is None else f"needs {wish.mb} MB of GPU memory"
    if not cards:
        return Wait(f"{needs}, and there is no GPU here")
    if not able:
        largest = max(cards, key=lambda card: card.total_mb)
        return Wait(f"{needs}; the largest GPU here, {largest.name}, has {largest.total_mb} MB")
    if all(card.hot for card in able):
        return Wait(f"{needs}; {able[0].name} is too hot for another job")
    return Wait(f"{needs}{', alone on the card' if wish.is_alone else ''}; no card has that free now")
