# SPDX-License-Identifier: Apache-2.0
"""Nothing is acknowledged before it is durable, and what was acknowledged is there after a kill."""

import os
import random
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from builders import ct_series
from dicom_peer import COMMAND, LAST, P_DATA, Peer, command, data_set_of, pdu, value
from pydicom import dcmread
from receivers import BUTTON, CALLING, HOST, WAITS_S

from informatics_gateway.receive import pending, read_instance

RECEIVER = Path(__file__).with_name("receiver_process.py")
STRACE = Path("/usr/bin/strace")
ANSWERED = re.compile(
    r"Sending file: (\S+)\n(?:(?!.*Sending file).*\n)*?.*Received Store Response \(Success\)"
)
KILLS = {"streaming": 4, "stock": 2}


@contextmanager
def _receiver(storage: Path, kind: str, broken: str = "", trace: Path | None = None) -> Iterator[int]:
    """A receiver in a process of its own, its port; killed at the end, if nobody did it before."""
    command = [sys.executable, str(RECEIVER), str(storage), kind, *([broken] if broken else [])]
    if trace:
        calls = "fsync,fdatasync,rename,renameat,renameat2,write,sendto,sendmsg"
        command = [str(STRACE), "-f", "-y", "-s", "4", "-o", str(trace), "-e", f"trace={calls}", *command]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    with process:
        assert process.stdout
        try:
            yield int(process.stdout.readline())
        finally:
            os.killpg(process.pid, 9)


def _events(trace: Path) -> Iterator[str]:
    """What happened, in order: a call that waits (`fsync`) when it is over, one that acts when it begins."""
    waiting: dict[str, str] = {}
    for line in trace.read_text().splitlines():
        thread, _, call = line.partition(" ")
        call = call.strip()
        if call.endswith("<unfinished ...>") and "sync(" in call:
            waiting[thread] = call
        elif "sync resumed" in call:
            yield _event(waiting.pop(thread))
        elif not call.startswith("<..."):
            yield _event(call)


def _event(call: str) -> str:
    name, part, folder = call.partition("(")[0], ".part" in call, re.search(r"<[^>]*/incoming/[^/>]*>", call)
    if "sync" in name:
        return "sync file" if part else "sync folder" if folder else ""
    if name.startswith("rename"):
        return "rename" if part and ".dcm" in call else ""
    if "socket:" in call:
        return "answer" if r'"\4' in call else ""
    return "write" if name == "write" and part else ""


def _answers_follow_durability(trace: Path) -> int:
    """Check it; returns how many C-STORE responses went out."""
    since: list[str] = []
    answers = 0
    for event in filter(None, _events(trace)):
        since.append(event)
        if event == "answer":
            order = [event for event in since if event != "write"]
            assert order == ["sync file", "rename", "sync folder", "answer"], since
            assert "write" not in since[since.index("sync file") :]
            since, answers = [], answers + 1
    return answers


def _traced(tmp_path: Path, kind: str, broken: str = "") -> Path:
    if not STRACE.exists():
        pytest.skip("strace is not installed: apt-get install strace")
    trace = tmp_path / "trace"
    instances = [data_set_of(path) for path in ct_series(tmp_path / "series", slices=3)]
    with _receiver(tmp_path / "storage", kind, broken, trace) as port, Peer(port) as peer:
        peer.associate()
        assert [peer.store(*instance) for instance in instances] == [0, 0, 0]
        peer.release()
    return trace


@pytest.mark.parametrize("kind", ["streaming", "stock"])
def test_bytes_name_and_folder_are_synchronised_before_each_acknowledgement(
    tmp_path: Path, kind: str
) -> None:
    assert _answers_follow_durability(_traced(tmp_path, kind)) == 3


@pytest.mark.parametrize("broken", ["file", "folder"])
def test_the_trace_shows_when_something_is_not_synchronised(tmp_path: Path, broken: str) -> None:
    with pytest.raises(AssertionError, match="rename"):
        _answers_follow_durability(_traced(tmp_path, "streaming", broken))


def test_the_association_is_synchronised_before_the_first_acknowledgement(tmp_path: Path) -> None:
    lines = _traced(tmp_path, "streaming").read_text().splitlines()
    first = next(index for index, line in enumerate(lines) if r'"\4' in line and "socket:" in line)
    before = [line for line in lines[:first] if "fsync" in line]
    record = next(index for index, line in enumerate(before) if "association.json" in line)
    assert re.search(r"/incoming>", before[record - 1])  # the name of the association's folder


@pytest.mark.parametrize("kind", ["streaming", "stock"])
def test_what_was_acknowledged_is_pending_after_a_kill_at_any_moment(tmp_path: Path, kind: str) -> None:
    """The moments are drawn over the time that the whole series takes."""
    seed = random.randrange(2**32)
    print("seed", seed)
    moments = random.Random(seed)
    paths = ct_series(tmp_path / "series", slices=60, rows=128, columns=128)
    uids = {path.name: dcmread(path).SOPInstanceUID for path in paths}
    begin = time.monotonic()
    assert len(_send_and_kill(tmp_path / "whole", kind, paths, None)) == 60
    takes = time.monotonic() - begin
    for attempt in range(KILLS[kind]):
        storage = tmp_path / f"storage-{attempt}"
        answered = _send_and_kill(storage, kind, paths, moments.uniform(0, takes))
        found = {path for _, arrivals in pending(storage) for path in arrivals}
        assert {uids[name] for name in answered} <= {read_instance(path).sop_instance_uid for path in found}
        assert len(found) <= len(answered) + 1  # the one whose acknowledgement the kill cut off
        assert not list(storage.rglob("*.part"))


def _send_and_kill(storage: Path, kind: str, paths: list[Path], after_s: float | None) -> set[str]:
    """Send the series and kill the receiver after a while; the names of the files that were acknowledged."""
    with _receiver(storage, kind) as port:
        sender = subprocess.Popen(
            ["/usr/bin/storescu", "-v", "-aet", CALLING, "-aec", BUTTON, HOST, str(port), *paths],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=os.environ | {"TCP_NODELAY": "1"},
        )
        if after_s is None:
            printed = sender.communicate()[0]
        else:
            time.sleep(after_s)
    if after_s is not None:
        printed = sender.communicate(timeout=WAITS_S)[0]
    return {Path(name).name for name in ANSWERED.findall(printed)}


def test_a_kill_in_the_middle_of_an_instance_leaves_only_what_was_acknowledged(tmp_path: Path) -> None:
    storage = tmp_path / "storage"
    [path] = ct_series(tmp_path / "series", slices=1)
    data_set, uid = data_set_of(path)
    with _receiver(storage, "streaming") as port, Peer(port) as peer:
        peer.associate()
        assert peer.store(data_set, uid) == 0
        peer.send(pdu(P_DATA, value(1, COMMAND | LAST, command(0x0001, "1.2.3"))))
        peer.send(pdu(P_DATA, value(1, 0, data_set[:-4])))
        while not list(storage.rglob("*.part")):
            time.sleep(0.01)
    [(association, arrivals)] = pending(storage)
    assert (association.called_ae_title, association.host) == (BUTTON, HOST)
    assert [arrival.name for arrival in arrivals] == [f"{uid}.dcm"]
    assert not list(storage.rglob("*.part"))
