# SPDX-License-Identifier: Apache-2.0
"""Urgent before normal before background, hours for background, and nobody starves; apps are paused."""

import tempfile
import time as clock
from datetime import datetime, time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from informatics_gateway.config import Background, Config, load
from informatics_gateway.errors import BadConfiguration, NoSuchApp
from informatics_gateway.model import Association, Identity, Instance, JobStatus, Priority, SeriesKey
from informatics_gateway.pipeline import turns
from informatics_gateway.pipeline.queueing import Queueing
from informatics_gateway.pipeline.turns import FAIR_TURN, Turns
from informatics_gateway.store import Journal, Store

QUEUED, EXECUTED = (JobStatus.QUEUED,), (JobStatus.EXECUTED,)
URGENT, NORMAL, BACKGROUND = Priority
WORDS = ("urgent", "normal", "background")


def configuration(folder: Path, **tables) -> Config:
    known = {
        "app": [{"name": "tool", "path": "/nowhere"}],
        "route": [{"called_ae_title": "TOOL", "app": "tool", "destinations": ["files"]}],
        "destination": [{"name": "files", "kind": "folder", "path": "/nowhere", "clinical": False}],
        "storage": {"path": folder},
    }
    return Config.model_validate(known | tables)


class Queue:
    """Jobs of one app in a real journal, and the turns in which they are taken."""

    def __init__(self, folder: Path, **tables) -> None:
        self.config, self.store = configuration(folder, **tables), Store(folder)
        self.queueing = Queueing(self.store, self.config, lambda: None, lambda number: None)
        self.turns = Turns(self.store, self.config)
        self.made = 0

    def add(self, priority: str | None = None, source: str = "MODALITY") -> int:
        """One more job, as the line queues it; its number."""
        self.made += 1
        folder = self.store.storage / "instances" / str(self.made)
        series = f"1.2.3.{self.made}"
        who = Identity("P", "", "N", "1.2.3")
        instance = Instance(f"{series}.1", "1.2", series, who, folder, f"hash {self.made}")
        sender = Association(f"a{self.made}", f"{source}@127.0.0.1", source, "TOOL", "127.0.0.1", 0.0)
        self.store.record_arrivals([(sender, instance, clock.time())])
        key = SeriesKey(sender.source, "TOOL", "1.2.3", series)
        sealed = self.store.seal(key, instance.sha256, [instance], "quiet")
        route = self.config.routes[0].model_copy(update={"priority": priority} if priority else {})
        [made] = self.queueing._queue(sealed, [route])
        return made

    def take(self, statuses=QUEUED) -> int | None:
        """The number of the job whose turn it is; it moves one status on."""
        job, _ = self.turns.take("tool", statuses)
        if job is None:
            return None
        self.store.move(job, JobStatus.EXECUTED if statuses is QUEUED else JobStatus.VALIDATED, "moved")
        self.turns.give_back(job, statuses, worked=True)
        return job.id

    def priority(self, number: int) -> Priority:
        job = self.store.job(number)
        assert job is not None
        return job.priority


@pytest.fixture
def queue(tmp_path):
    queue = Queue(tmp_path)
    yield queue
    queue.store.close()


def test_urgent_overtakes_and_within_a_priority_first_come_is_first_served(queue):
    numbers = [
        queue.add(word) for word in ("background", "normal", "urgent", "background", "normal", "urgent")
    ]
    background, normal, urgent = numbers[0::3], numbers[1::3], numbers[2::3]
    assert [queue.take() for _ in numbers] == [*urgent, *normal, *background]


def test_results_are_delivered_in_that_order_too(queue):
    slow, fast = queue.add("background"), queue.add("urgent")
    for number in (slow, fast):
        queue.store.move(queue.store.job(number), JobStatus.EXECUTED, "done")
    assert [queue.take(EXECUTED), queue.take(EXECUTED)] == [fast, slow]


def test_the_eighth_turn_is_of_the_one_that_has_waited_longest(queue):
    oldest = queue.add("background")
    for _ in range(FAIR_TURN):
        queue.add("urgent")
    order = [queue.take() for _ in range(FAIR_TURN + 1)]
    assert order.index(oldest) == FAIR_TURN - 1


@settings(max_examples=6, deadline=None)
@given(
    st.lists(st.sampled_from(WORDS), min_size=1, max_size=6), st.lists(st.sampled_from(WORDS[:2]), max_size=9)
)
def test_nobody_starves_whoever_comes_later(first, later):
    """With n jobs before it, a job starts after at most 8 (n + 1) others, though two come for each that starts."""
    with tempfile.TemporaryDirectory() as folder:
        queue = Queue(Path(folder))
        numbers = [queue.add(word) for word in first]
        waiting = later * 20
        order: list[int | None] = []
        while not set(numbers) <= set(order):
            order.append(queue.take())
            assert len(order) <= FAIR_TURN * (len(numbers) + 1)
            for word in (waiting.pop(), waiting.pop()) if len(waiting) > 1 else ():
                queue.add(word)
        for place, number in enumerate(numbers):
            assert order.index(number) < FAIR_TURN * (place + 1)
        queue.store.close()


def test_two_lanes_never_get_one_job(queue):
    numbers = {queue.add(), queue.add()}
    taken = [queue.turns.take("tool", QUEUED)[0] for _ in range(3)]
    assert {job.id for job in taken[:2]} == numbers
    assert taken[2] is None
    queue.turns.give_back(taken[0], QUEUED, worked=False)
    assert queue.take() == taken[0].id


@pytest.mark.parametrize(
    ("source", "route", "expected"),
    [
        ("PLAIN", None, NORMAL),
        ("PLAIN", "urgent", URGENT),
        ("BULK", None, BACKGROUND),
        ("BULK", "urgent", BACKGROUND),
        ("TRAUMA", "background", URGENT),
        ("STRANGER", "urgent", URGENT),
    ],
)
def test_what_the_source_says_counts_before_what_the_route_says(tmp_path, source, route, expected):
    names = {"PLAIN": None, "BULK": "background", "TRAUMA": "urgent"}
    sources = [
        {"ae_title": name, "host": "127.0.0.1"} | ({"priority": said} if said else {})
        for name, said in names.items()
    ]
    queue = Queue(tmp_path, source=sources)
    number = queue.add(route, source)
    assert queue.priority(number) is expected
    [event] = queue.store.events(number)
    assert (f", {expected.name.lower()}:" in event.text) == (source != "PLAIN" or route is not None)
    queue.store.close()


@pytest.mark.parametrize(
    ("begin", "end", "within", "without"),
    [
        ("19:00", "06:00", ("19:00", "23:59", "00:00", "05:59"), ("06:00", "12:00", "18:59")),
        ("12:00", "14:00", ("12:00", "13:59"), ("11:59", "14:00", "00:00")),
        ("00:00", "00:00", ("00:00", "12:00", "23:59"), ()),
    ],
)
def test_the_hours_of_background_also_over_midnight(begin, end, within, without):
    hours = Background.model_validate({"from": begin, "to": end})
    assert all(hours.is_open(time.fromisoformat(each)) for each in within)
    assert not any(hours.is_open(time.fromisoformat(each)) for each in without)


def test_out_of_hours_background_does_not_start_but_is_delivered(tmp_path, monkeypatch):
    class Noon(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime(2026, 11, 20, 12, 0)

    monkeypatch.setattr(turns, "datetime", Noon)
    queue = Queue(tmp_path, background={"from": "19:00", "to": "06:00"})
    done, waits = queue.add("background"), queue.add("background")
    queue.store.move(queue.store.job(done), JobStatus.EXECUTED, "at night")
    assert queue.take() is None
    normal = queue.add()
    assert queue.take() == normal
    assert queue.take(EXECUTED) == normal
    assert queue.take(EXECUTED) == done
    monkeypatch.setattr(Noon, "now", lambda: datetime(2026, 11, 20, 23, 0))
    assert queue.take() == waits
    queue.store.close()


def test_a_paused_app_starts_nothing_across_restarts_and_goes_on_when_resumed(tmp_path):
    queue = Queue(tmp_path)
    number, ready = queue.add(), queue.add()
    queue.store.move(queue.store.job(ready), JobStatus.EXECUTED, "before")
    assert queue.queueing.pause("tool") == "tool is paused"
    assert queue.queueing.pause("tool") == "tool was paused already"
    assert queue.take() is None
    assert queue.take(EXECUTED) == ready, "what is made is delivered"
    queue.store.close()
    again = Queue(tmp_path)
    with Journal(tmp_path) as journal:
        assert journal.paused() == {"tool"}
    assert again.take() is None
    assert again.queueing.unpause("tool") == "tool goes on"
    assert again.queueing.unpause("tool") == "tool was not paused"
    assert again.take() == number
    again.store.close()


def test_another_name_is_refused_with_those_there_are(queue):
    for ask in (queue.queueing.pause, queue.queueing.unpause):
        with pytest.raises(NoSuchApp, match="There is no 'tools' but: tool"):
            ask("tools")


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('[background]\nfrom = "7 pm"\n', "background.from"),
        ("[gpu]\nhottest_c = 0\n", "gpu.hottest_c"),
        ('[[source]]\nae_title = "X"\nhost = "h"\npriority = "stat"\n', "source.0.priority"),
        ('[[app]]\nname = "x"\npath = "x"\njobs_at_once = 0\n', "app.0.jobs_at_once"),
        ('[[app]]\nname = "x"\npath = "x"\ngpu = "maybe"\n', "app.0.gpu"),
    ],
)
def test_a_wrong_value_is_refused_by_name(tmp_path, text, key):
    file = tmp_path / "gantry.toml"
    file.write_text(text)
    with pytest.raises(BadConfiguration, match=key):
        load(file)
