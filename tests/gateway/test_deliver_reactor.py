# SPDX-License-Identifier: Apache-2.0
"""No response is lost under load, and pynetdicom's checkpoint really holds its reactor."""

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from dcmtk import Storescp
from delivery import Delivery, small_results
from pydicom import dcmread
from pydicom.uid import generate_uid

from imaging_data import file_sha256
from informatics_gateway.config import DimseDestination
from informatics_gateway.destinations import reactor
from informatics_gateway.destinations.reactor import Gate
from informatics_gateway.model import Result

ASSOCIATIONS, INSTANCES = 6, 50


class Reactor(threading.Thread):
    """Goes through a gate as pynetdicom's reactor does, and counts how often."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.gate = Gate(self)
        self.rounds = 0
        self.ending = False

    def run(self) -> None:
        while not self.ending:
            self.gate.wait()
            self.rounds += 1


@pytest.fixture
def running() -> Iterator[Reactor]:
    thread = Reactor()
    thread.start()
    yield thread
    thread.ending = True
    thread.gate.set()
    thread.join()


def test_after_clear_the_reactor_stands_still(running):
    for _ in range(300):
        running.gate.clear()
        before = running.rounds
        time.sleep(0)
        assert running.rounds == before
        running.gate.set()


def test_after_set_it_goes_on(running):
    running.gate.clear()
    before = running.rounds
    running.gate.set()
    deadline = time.monotonic() + 60
    while running.rounds == before:
        assert time.monotonic() < deadline


def test_a_reactor_that_has_ended_holds_nobody_up():
    thread = Reactor()
    thread.ending = True
    thread.start()
    thread.join()
    thread.gate.clear()


def test_the_reactor_itself_may_close_the_gate():
    """pynetdicom does so when it releases an association that was idle for too long."""
    closed = threading.Event()

    class Closing(Reactor):
        def run(self) -> None:
            self.gate.clear()
            closed.set()

    Closing().start()
    assert closed.wait(60)


def test_an_unknown_version_of_pynetdicom_is_left_alone(monkeypatch):
    class Association:
        _reactor_checkpoint = "its own"

    monkeypatch.setattr(reactor, "KNOWN_VERSIONS", ("2.0.",))
    reactor.hold_reactor(Association())
    assert Association._reactor_checkpoint == "its own"


@pytest.fixture
def load() -> Iterator[None]:
    """More work than the machine has processors."""
    burn = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(4)]
    yield
    for process in burn:
        process.kill()
        process.wait()


def many(folder: Path, count: int) -> list[Result]:
    """Copies of one small result, each with a UID of its own."""
    [result, _] = small_results(folder)
    dataset = dcmread(result.path)
    copies = []
    for _ in range(count):
        dataset.SOPInstanceUID = generate_uid()
        path = folder / f"{dataset.SOPInstanceUID}.dcm"
        dataset.save_as(path, enforce_file_format=True)
        sha256 = file_sha256(path)
        copies.append(replace(result, path=path, sop_instance_uid=dataset.SOPInstanceUID, sha256=sha256))
    return copies


def test_no_response_is_lost_under_load(storescp: Storescp, load, tmp_path, caplog):
    """Stock pynetdicom loses some here; each costs the time-out and a new association."""
    results = many(tmp_path, INSTANCES)
    destination = DimseDestination(
        kind="dimse",
        name="pacs",
        host="127.0.0.1",
        port=storescp.port,
        ae_title="X",
        proof="response",
        timeout_s=3,
    )
    for _ in range(ASSOCIATIONS):
        Delivery(destination).run(results)
    assert "timeout reached" not in caplog.text
