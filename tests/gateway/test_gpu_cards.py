# SPDX-License-Identifier: Apache-2.0
"""Cards that fill up, get hot, vanish and come back; what apps take is learned, and kept in the journal."""

from dataclasses import replace

import pynvml
import pytest
from fake_nvml import FakeCard, FakeNvml

from informatics_gateway.config import Gpu
from informatics_gateway.errors import WaitsForGpu
from informatics_gateway.gpu.cards import VARIABLE, Cards, Need, Place
from informatics_gateway.store import Store


class Machine:
    """A gateway's cards over a scripted driver and clock; `runs` puts a process of a job onto its card."""

    def __init__(self, store: Store, driver: FakeNvml, **settings: object) -> None:
        self.driver, self.store, self.now = driver, store, 0.0
        self.warm: set[str] = set()
        self.let_go_of: list[str] = []
        self.owners: dict[int, str] = {}
        self.cards = Cards(Gpu(**settings), store, self, whose=self.whose, clock=lambda: self.now)

    def whose(self, process: int) -> str:
        return self.owners.get(process, "")

    def keeps(self, lane: str) -> bool:
        return lane in self.warm

    def let_go(self, lane: str) -> None:
        self.warm.discard(lane)
        self.let_go_of.append(lane)
        self.exits(lane)

    def runs(self, place: Place, mb: int | None, process: int = 0) -> None:
        """The app's process takes `mb` of its card."""
        number = process or 100 + len(self.owners)
        self.owners[number] = place.environment[VARIABLE]
        self.card(place.gpu).processes[number] = mb

    def exits(self, lane: str) -> None:
        """Every process of the lane is gone."""
        for number in [each for each, owner in self.owners.items() if owner.endswith(f":{lane}")]:
            for card in self.driver.cards:
                card.processes.pop(number, None)

    def card(self, uuid: str) -> FakeCard:
        return next(card for card in self.driver.cards if card.uuid == uuid)

    def start(self, need: Need) -> Place:
        self.now += 1
        return self.cards.start(need)

    def end(self, lane: str) -> None:
        self.now += 1
        self.cards.end(lane)
        if lane not in self.warm:
            self.exits(lane)
        self.now += 1

    def waits(self, need: Need) -> str:
        with pytest.raises(WaitsForGpu) as caught:
            self.start(need)
        return str(caught.value)


@pytest.fixture
def machine(tmp_path):
    with Store(tmp_path) as store, FakeNvml(FakeCard("GPU-a", 10000)).installed() as driver:
        yield Machine(store, driver)


def need(lane: str, mb: int = 0, **options) -> Need:
    return Need(1, lane, lane, "digest", "", options.pop("use", "required"), mb, **options)


def test_a_job_without_a_gpu_asks_no_driver(machine):
    machine.driver.error = pynvml.NVML_ERROR_LIBRARY_NOT_FOUND
    assert machine.start(need("x", use="none")) == Place("x")
    assert machine.cards.troubles() == ()


def test_jobs_share_a_card_until_it_is_full_and_then_wait(machine):
    for lane in "xy":
        machine.runs(machine.start(need(lane, 4000)), 4000)
    assert "z needs 4000 MB of GPU memory; no card has that free now" in machine.waits(need("z", 4000))
    machine.end("x")
    assert machine.start(need("z", 4000)).gpu == "GPU-a"


def test_room_is_kept_for_what_a_job_will_take_later(machine):
    machine.runs(machine.start(need("x", 8000)), 10)  # it has only begun to load
    machine.waits(need("y", 4000))


def test_a_job_that_takes_more_than_it_said_is_counted_as_it_is(machine):
    machine.runs(machine.start(need("x", 1000)), 7000)
    machine.waits(need("y", 4000))
    assert machine.start(need("z", 2000)).gpu


def test_the_memory_of_other_programs_is_not_given_away(machine):
    machine.driver.cards[0].others_mb = 7000
    machine.waits(need("x", 4000))
    machine.driver.cards[0].others_mb = 1000
    assert machine.start(need("x", 4000)).gpu


def test_a_process_of_which_the_driver_knows_no_size_is_held_to_what_it_declared(machine):
    machine.runs(machine.start(need("x", 4000)), None)
    machine.driver.cards[0].others_mb = 3900  # what it really takes, which nobody can attribute
    machine.waits(need("y", 4000))


def test_a_peak_is_learned_and_kept_across_restarts(machine):
    place = machine.start(need("x"))
    machine.runs(place, 3000, process=7)
    machine.cards.look()
    machine.now += 1
    machine.cards.look()
    machine.runs(place, 2000, process=7)
    assert "alone on the card" in machine.waits(replace(need("y"), lane="y"))
    machine.end("x")
    assert machine.store.gpu_peak("x", "digest", "") == 3000
    again = Machine(machine.store, machine.driver)
    again.start(need("x"))
    assert again.start(need("y", 6000)).gpu == "GPU-a", "3300 of 10000 MB are kept for x"
    assert "5000 MB" in again.waits(need("z", 5000))


def test_what_was_seen_of_another_version_or_profile_says_nothing(machine):
    machine.runs(machine.start(need("x")), 3000)
    machine.now += 1
    machine.end("x")
    machine.runs(machine.start(need("y", 100)), 100)
    for other in (replace(need("x"), digest="newer"), replace(need("x"), profile="fine")):
        assert "alone on the card" in machine.waits(other)
    assert machine.start(need("x")).gpu


def test_more_than_declared_was_seen(machine):
    machine.runs(machine.start(need("x", 1000)), 7000)
    machine.now += 1
    machine.end("x")
    machine.runs(machine.start(need("y", 4000)), 4000)
    assert "x needs 7000 MB" in machine.waits(need("x", 1000))


def test_an_app_that_takes_all_there_is_gets_a_card_for_itself(machine):
    machine.runs(machine.start(need("x")), 9999)
    machine.now += 1
    machine.end("x")
    assert machine.start(need("x")).gpu == "GPU-a"
    machine.waits(need("y", 1))


def test_a_warm_worker_holds_what_it_holds_and_goes_when_another_needs_the_room(machine):
    machine.warm.add("x")
    machine.runs(machine.start(need("x", 8000)), 5000)
    machine.end("x")
    assert machine.start(need("y", 5000)).gpu
    assert machine.let_go_of == []
    machine.end("y")
    assert machine.start(need("z", 6000)).gpu
    assert machine.let_go_of == ["x"]


def test_the_room_of_a_worker_that_ended_by_itself_is_free(machine):
    machine.warm.add("x")
    machine.runs(machine.start(need("x", 8000)), 8000)
    machine.end("x")
    machine.warm.clear()
    machine.exits("x")
    assert machine.start(need("y", 8000)).gpu
    assert machine.let_go_of == []


def test_a_warm_worker_whose_card_vanished_is_let_go(machine):
    machine.warm.add("x")
    machine.driver.cards.append(FakeCard("GPU-b", 9000))
    first = machine.start(need("x", 8500))
    machine.end("x")
    machine.driver.cards.remove(machine.card(first.gpu))
    assert machine.start(need("x", 8500)).gpu not in ("", first.gpu)
    assert machine.let_go_of == ["x"]


def test_cards_that_vanish_and_come_back(machine):
    [card] = machine.driver.cards
    machine.driver.cards.clear()
    assert "there is no GPU here" in machine.waits(need("x", 100))
    assert machine.start(need("y", 100, use="preferred")) == Place("y")
    machine.driver.cards.append(card)
    assert machine.start(need("x", 100)).gpu == "GPU-a"


def test_a_driver_that_fails_says_so(machine):
    machine.driver.error = pynvml.NVML_ERROR_DRIVER_NOT_LOADED
    machine.waits(need("x", 100))
    assert machine.cards.troubles() == ("NVML: Driver Not Loaded.",)


def test_a_hot_card_takes_no_new_job_until_it_is_cooler(machine):
    machine.driver.cards[0].temperature_c = 85
    assert "too hot" in machine.waits(need("x", 100))
    machine.driver.cards[0].temperature_c = 84
    assert machine.start(need("x", 100)).gpu


def test_only_the_cards_that_may_be_used(machine):
    machine.driver.cards.append(FakeCard("GPU-b", 99000))
    chosen = Machine(machine.store, machine.driver, cards=("GPU-a",))
    assert "the largest GPU here, NVIDIA Fake, has 10000 MB" in chosen.waits(need("x", 20000))


def test_a_wish_that_is_withdrawn_keeps_no_card(machine):
    machine.runs(machine.start(need("x", 6000)), 6000)
    machine.waits(need("large", 8000, priority=0))  # the card is kept for it
    machine.waits(need("small", 1000))
    machine.cards.withdraw("large")
    assert machine.start(need("small", 1000)).gpu


def test_processes_of_another_gateway_are_not_ours(machine):
    other = Machine(machine.store, machine.driver)
    place = other.start(need("x", 3000))
    machine.runs(place, 9000)
    machine.waits(need("x", 3000))
