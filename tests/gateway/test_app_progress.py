# SPDX-License-Identifier: Apache-2.0
"""What an app tells of its progress: read while it runs, believed as little as possible, noted now and then."""

import fcntl
import json
import os
import pty
import shutil
import struct
import subprocess
import sys
import termios
import threading
from pathlib import Path

import pytest
from app_jobs import APP, IDENTITY, REQUEST, Bench
from builders import ct_series
from one_line import Line

from informatics_gateway.errors import AppFailed
from informatics_gateway.model import Instance
from informatics_gateway.pipeline import milestones
from informatics_gateway.pipeline.milestones import MOST, Milestones
from informatics_gateway.runners import progress
from informatics_gateway.runners.progress import FILE, Tail, parse

COPIES = Path(__file__).parent / "apps" / "copies"


def line(step: object, fraction: object) -> str:
    return json.dumps({"step": step, "fraction": fraction}) + "\n"


# reading


@pytest.fixture
def tail(tmp_path):
    """A tail of tmp_path's progress.jsonl; `tail.told` is what it told of."""
    told: list[tuple[str, float]] = []
    tail = Tail(tmp_path, lambda *at: told.append(at))
    tail.told = told
    return tail


def test_lines_are_told_once_and_when_they_are_whole(tail, tmp_path):
    tail.look()
    for part, expected in (('{"step": "re', []), ('ad", "fraction": 0}\n', [("read", 0.0)]), ("", [])):
        with (tmp_path / FILE).open("a") as file:
            file.write(part)
        tail.told.clear()
        tail.look()
        assert tail.told == expected


@pytest.mark.parametrize(
    "odd",
    [
        b"{",
        b"[]",
        b"7",
        b"\xff\xfe",
        b"[" * 900,
        b'{"step": "x"}',
        b'{"fraction": 0}',
        b'{"step": 5, "fraction": 0}',
        b'{"step": "", "fraction": 0}',
        b'{"step": "  ", "fraction": 0}',
        b'{"step": "<b>x</b>", "fraction": 0}',
        b'{"step": "a\\nb", "fraction": 0}',
        b'{"step": "\\u001b[31m", "fraction": 0}',
        b'{"step": "\\u202ex", "fraction": 0}',
        b'{"step": "' + b"x" * 65 + b'", "fraction": 0}',
        b'{"step": "x", "fraction": "0"}',
        b'{"step": "x", "fraction": true}',
        b'{"step": "x", "fraction": NaN}',
        b'{"step": "x", "fraction": 1.01}',
        b'{"step": "x", "fraction": -1}',
        b'{"step": "x", "fraction": 1e999}',
        b'{"step": "x", "fraction": 0, "more": "' + b"x" * 1024 + b'"}',
    ],
)
def test_what_is_not_as_agreed_is_left_out(odd):
    assert parse(odd) is None
    assert parse(b'{"step": " Lungenfl\xc3\xbcgel (2/3) ", "fraction": 1}') == ("Lungenflügel (2/3)", 1.0)


def test_bad_lines_do_not_hide_good_ones(tail, tmp_path):
    (tmp_path / FILE).write_text(line("a", 0) + "nonsense\n" + line("<i>", 0) + "\n" + line("b", 1))
    tail.look()
    assert tail.told == [("a", 0.0), ("b", 1.0)]


def test_it_reads_no_more_than_its_limit(tail, tmp_path, monkeypatch):
    monkeypatch.setattr(progress, "FILE_LIMIT", 100)
    (tmp_path / FILE).write_text(line("step", 0.5) * 50)
    for _ in range(5):
        tail.look()
    assert len(tail.told) == 100 // len(line("step", 0.5))


def test_a_line_without_end_is_given_up(tail, tmp_path):
    (tmp_path / FILE).write_text("x" * 2000)
    tail.look()
    (tmp_path / FILE).write_text("x" * 2000 + "\n" + line("late", 0))
    tail.look()
    assert tail.told == []
    assert tail._part == b""


def link_to_lines(path: Path) -> None:
    path.with_name("lines").write_text(line("x", 0))
    path.symlink_to("lines")


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, link_to_lines])
def test_what_is_no_plain_file_is_not_read(tail, tmp_path, make):
    make(tmp_path / FILE)
    tail.look()
    assert tail.told == []


# while the app runs


@pytest.fixture(params=["process", "warm"])
def bench(request, tmp_path):
    bench = Bench(tmp_path, runner=request.param)
    yield bench
    bench.executor.close()


def run(bench: Bench, do: str, on_progress, **wanted) -> None:
    bench.executor.execute(bench.job(do, **wanted), REQUEST, threading.Event(), on_progress)


def test_it_is_told_while_the_app_runs(bench):
    told: list[tuple[str, float]] = []

    def on_progress(step: str, fraction: float) -> None:
        told.append((step, fraction))
        if fraction == 1:  # the app waits for this
            (bench.storage / "work" / f"{bench.jobs}.1" / "output" / "seen").touch()

    for _ in range(2):
        told.clear()
        run(bench, "progress", on_progress, pieces=[line("read", 0), line("predict", 0.5)[:9]], wait=False)
        assert told == [("read", 0.0)]
        pieces = [line("read", 0), line("predict", 0.5)[:9], line("predict", 0.5)[9:], line("write", 1)]
        run(bench, "progress", on_progress, pieces=pieces, wait=True)
        assert told == [("read", 0.0), ("read", 0.0), ("predict", 0.5), ("write", 1.0)]


def test_what_is_written_last_is_told_too_and_the_file_is_not_kept(bench):
    told: list[tuple[str, float]] = []
    run(bench, "progress", lambda *at: told.append(at), pieces=[line("a", 0) + line("b", 0) + line("c", 1)])
    assert [step for step, _ in told] == ["a", "b", "c"]
    assert sorted(os.listdir(bench.kept() / "output")) == ["picture-0.dcm", "results.json"]


def test_the_patients_name_is_taken_out(bench):
    told: list[tuple[str, float]] = []
    run(bench, "progress", lambda *at: told.append(at), pieces=[line("liver of DOE, PID-4711", 0)])
    assert IDENTITY.patient_name == "Doe^Jane"
    assert told == [("liver of [patient], [patient]", 0.0)]


def test_a_link_is_neither_read_nor_kept(bench):
    told: list[tuple[str, float]] = []
    with pytest.raises(AppFailed, match=r"no plain file: output/progress.jsonl"):
        run(bench, "link_progress", lambda *at: told.append(at))
    assert told == []


# what becomes of it


@pytest.fixture
def noted(monkeypatch):
    """Milestones over a clock that the test moves on: (seconds, step, fraction) -> what was noted."""
    now = [0.0]
    monkeypatch.setattr(milestones.time, "monotonic", lambda: now[0])
    notes: list[str] = []
    told = Milestones(notes.append)

    def noted(*steps: tuple[float, str, float]) -> list[str]:
        for now[0], step, fraction in steps:
            told(step, fraction)
        return notes

    return noted


def test_new_steps_are_noted_and_a_tenth_after_two_seconds(noted):
    assert noted(
        (0.0, "read", 0.0),
        (0.1, "predict", 0.0),
        (1.0, "predict", 0.5),  # too early
        (3.0, "predict", 0.55),
        (9.0, "predict", 0.6),  # not a tenth further
        (9.5, "predict", 0.7),
        (9.6, "write", 0.0),
    ) == [
        "progress: read",
        "progress: predict",
        "progress: predict, 55%",
        "progress: predict, 70%",
        "progress: write",
    ]


def test_an_app_cannot_flood_the_journal(noted):
    assert len(noted(*((0.0, f"step {number}", 0.0) for number in range(5000)))) == MOST


def events_of(storage: Path, **wanted: object) -> list[str]:
    """The events of a job, executed by the line, whose input says what the app shall do."""
    (storage / "input").mkdir()
    (storage / "input" / "1").write_text(json.dumps(wanted))
    instance = Instance("1.2.3.1.1", "1.2", "1.2.4", IDENTITY, storage / "input" / "1", "0" * 64)
    with Line(storage, APP, [instance]) as line:
        line.step()
        return line.events


def test_progress_becomes_events_of_the_job(tmp_path):
    pieces = [line("read", 0), line("find Jane", 0.4), line("find Jane", 0.5)]
    events = events_of(tmp_path, do="progress", pieces=pieces)
    assert events[2:-1] == ["progress: read", "progress: find [patient], 40%"]
    assert events[-1].startswith("executed in ")


def test_notes_of_results_json_become_events_without_the_patient(tmp_path):
    events = events_of(tmp_path, do="say", notes=["StudyID of Doe is\nno SH", "second"])
    assert events[-3].startswith("executed in ")
    assert events[-2:] == ["note: StudyID of [patient] is no SH", "note: second"]


# on a terminal


def on_a_terminal(*command: object) -> str:
    """What the command writes to a terminal of 200 columns."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 200, 0, 0))
    environment = os.environ | {"TERM": "xterm"}
    with subprocess.Popen(list(map(str, command)), stdout=theirs, stderr=theirs, env=environment) as process:
        os.close(theirs)
        said = b""
        while True:
            try:
                said += (more := os.read(ours, 65536))
            except OSError:  # it has ended
                more = b""
            if not more:
                break
    os.close(ours)
    assert process.returncode == 0, said.decode()
    return said.decode()


def test_apps_run_shows_a_bar_on_a_terminal_only(tmp_path):
    app = shutil.copytree(COPIES, tmp_path / "copies")
    (app / "sin").write_text("reports progress")
    ct_series(tmp_path / "study", slices=2)
    gantry = Path(sys.executable).with_name("gantry"), "apps", "run", app, tmp_path / "study"
    shown = on_a_terminal(*gantry, tmp_path / "out")
    assert "copies: paste" in shown
    assert " 25%" in shown
    assert "cut [red]" not in shown  # no mark-up passes
    done = subprocess.run([*gantry, tmp_path / "out2"], capture_output=True, text=True, check=True)
    assert "paste" not in done.stdout + done.stderr
    assert FILE not in os.listdir(tmp_path / "out") + os.listdir(tmp_path / "out2")
